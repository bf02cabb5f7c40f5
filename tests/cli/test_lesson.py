"""`arm-hyp init` and `arm-hyp lesson`: a lesson worked through in plain lines, and what users get wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from arm_hyp.resources import lessons_directory

LESSON = lessons_directory() / "04-wfi"
SOLUTION = LESSON / "solution"


def arm_hyp(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "arm_hyp.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120, check=False)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return a student's folder with the lesson about WFI begun; its `lessons` has no other."""
    shutil.copytree(LESSON, tmp_path / "lessons" / LESSON.name)
    done = arm_hyp(tmp_path, "init", "mine", "--lessons", "lessons")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "next: cd mine/04-wfi, then arm-hyp lesson show"
    return tmp_path / "mine"


def test_a_lesson_from_its_text_to_the_end(mine: Path):
    shown = arm_hyp(mine, "lesson", "show").stdout
    assert shown.startswith("# The sleep that isn't\n")
    assert "answer: arm-hyp lesson answer predict LETTER" in shown
    failed = arm_hyp(mine, "lesson", "check", "handler", "--seed", "7")
    assert failed.returncode == 1
    assert "look at it: arm-hyp show 04-wfi/runs/handler.hyp --at first-divergence" in failed.stdout
    at_mark = arm_hyp(mine, "show", "04-wfi/runs/handler.hyp", "--at", "first-divergence")
    assert "<sleep>" in at_mark.stdout.splitlines()[0]
    assert arm_hyp(mine, "lesson", "hint").stdout.startswith("predict, hint 1 of 3: ")
    shutil.copytree(SOLUTION, mine / "04-wfi", dirs_exist_ok=True)
    passed = arm_hyp(mine, "lesson", "check", "--seed", "7")
    assert (passed.returncode, passed.stdout.splitlines()[0]) == (0, "04-wfi, seed 7")
    assert passed.stdout.splitlines()[-1].startswith("The lesson is passed.")
    assert "4 of 4  passed" in arm_hyp(mine, "lesson", "list").stdout
    assert arm_hyp(mine, "lesson", "next").stdout == "this was the last lesson\n"


def test_an_answer_is_checked_at_once(mine: Path):
    wrong = arm_hyp(mine, "lesson", "answer", "predict", "a")
    assert wrong.returncode == 1
    assert "happened: you answered a: The WFI is taken to EL2, which prints a line." in wrong.stdout
    assert arm_hyp(mine, "lesson", "answer", "bits", "HCR_EL2.TWI=1").returncode == 0
    assert 'bits" = { "HCR_EL2.TWI" = 1 }' in (mine / "04-wfi" / "answers.toml").read_text()


def test_as_json(mine: Path):
    made = json.loads(arm_hyp(mine, "lesson", "check", "predict", "--json", "--seed", "0").stdout)
    assert (made["lesson"], made["seed"], made["status"], made["earned"], made["points"]) == (
        "04-wfi",
        0,
        "failed",
        0,
        1,
    )
    assert made["tasks"][0]["checks"][0]["feedback"]["got"] == "nothing is answered yet"
    (standing,) = json.loads(arm_hyp(mine, "lesson", "list", "--json").stdout)
    assert (standing["name"], standing["passed"], standing["is_passed"]) == ("04-wfi", 0, False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("check", "handlr"), "04-wfi: handlr: there is no such task; there are predict, bits, handler, why"),
        (("start", "99"), "lesson 99: there is no such lesson; there are 04-wfi"),
        (("answer", "predict", "z"), "predict: z: is no choice; there are a, b, c"),
        (("answer", "handler", "z"), "handler: is answered in a file; edit handlers.py"),
        (("show", "99"), "step 99: there is no such step; 04-wfi has 6"),
        (("list", "--dir", "/"), "/: is no folder of the course; make one: arm-hyp init DIR"),
        (("list", "--lessons", "nowhere"), "nowhere: is no folder of lessons; name one with --lessons DIR"),
        (("new", "Mine"), "Mine: is no name of a lesson; write it as 04-wfi"),
    ],
)
def test_what_users_get_wrong_is_one_line(mine: Path, arguments: tuple[str, ...], told: str):
    done = arm_hyp(mine, "lesson", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"arm-hyp: {told}")
    assert done.stderr.count("\n") == 1


def test_a_damaged_progress_is_told_where_it_is_kept(mine: Path):
    (mine / "arm-hyp-course.json").write_text("{")
    done = arm_hyp(mine, "lesson", "list", "--lessons", str(mine.parent / "lessons"))
    assert done.returncode == 0
    assert "begins anew; it is kept as " in done.stderr
    assert done.stderr.strip().endswith("arm-hyp-course.json.kept-1")


def test_lint_says_what_is_wrong_and_fails(mine: Path):
    folder = mine.parent / "lessons" / "04-wfi"
    (folder / "text.md").write_text("Nothing.")
    done = arm_hyp(mine, "lesson", "lint", str(folder))
    assert done.returncode == 1
    assert "text.md: has 1 words; 300 to 900 are right" in done.stdout


def test_watching_checks_at_a_save_and_ends_when_all_is_passed(mine: Path):
    shutil.copyfile(SOLUTION / "answers.toml", mine / "04-wfi" / "answers.toml")
    command = [sys.executable, "-m", "arm_hyp.cli.main", "lesson", "watch", "--seed", "7"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=mine, env=environment) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert next(lines).startswith("watching ")
        assert "stuck? arm-hyp lesson hint handler\n" in lines
        shutil.copyfile(SOLUTION / "handlers.py", mine / "04-wfi" / "handlers.py")
        assert any(line.startswith("The lesson is passed.") for line in lines)
        assert process.wait(60) == 0
