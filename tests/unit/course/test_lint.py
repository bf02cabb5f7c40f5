"""Lint: the lessons that ship are right, and each thing that can be wrong with one is told."""

import shutil
from pathlib import Path

import pytest
from course_support import ANSWERS_CALL, CALLING, FILES, HANDLER, HEAD, QUIZ, make, write

from arm_hyp.cli.lesson_authors import is_command, known
from arm_hyp.cli.lesson_snapshots import snapshot_problems
from arm_hyp.course.catalogue import Catalogue, open_catalogue
from arm_hyp.course.lint import Known, lint
from arm_hyp.course.new import make_lesson
from arm_hyp.course.text import read_steps
from arm_hyp.errors import UserError

KNOWN = Known(frozenset({"Space"}), frozenset({"code"}), is_command)
MANUAL = HEAD + QUIZ + HANDLER
SEEDED = HEAD + QUIZ + "seed = { SEED_NUMBER = [3, 98] }\n" + HANDLER
WORDS = "word " * 320
TEXT = (
    f"{WORDS}\n\n## One\n\nPress <kbd>Space</kbd>.\n\n@task quiz\n\n## Two\n\n@task call\n@go EC=HVC64\n@panel code\n"
)
CHECKS = """
from arm_hyp.course.checks import Judge, check

@check("call", points=2, title="the answer is right")
def answered(judge: Judge) -> None:
    judge.run().expect_end()
    judge.run().expect_console("yes", why="X0 is the answer")
"""
LESSON = FILES | {"text.md": TEXT, "checks.py": CHECKS}
MUTANTS = {
    "wrong/same/handlers.py": ANSWERS_CALL.format("call.args[0]"),
    "wrong/same/feedback.txt": 'X0 is  the answer\n\nit shows "yes"\n',
    "wrong/fails/handlers.py": ANSWERS_CALL.format("1 // 0"),
    "wrong/fails/feedback.txt": "ZeroDivisionError",
    "wrong/choice/answers.toml": 'quiz = "a"',
    "wrong/choice/feedback.txt": "this is not it",
}


@pytest.mark.long
@pytest.mark.parametrize("name", open_catalogue().names)
def test_a_lesson_that_ships_has_nothing_wrong(name: str):
    course = open_catalogue()
    assert [*lint(course.folder / name, known(), course.names)] == []


def right(folder: Path) -> Path:
    """Write a lesson with nothing wrong, and return its folder."""
    return make(folder / "02-it", MANUAL, LESSON | MUTANTS).folder


def test_a_right_lesson_has_nothing_wrong(tmp_path: Path):
    assert [*lint(right(tmp_path), KNOWN, seeds=(0,))] == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"start/handlers.py": FILES["solution/handlers.py"]}, "start: earns 2 of 2 points of call"),
        (
            {"solution/handlers.py": FILES["start/handlers.py"]},
            "solution: call failed with seed 0: where: at",
        ),
        (
            {"machine/guest.s": CALLING.replace("call:", "        tlbi vmalle1\n        isb\ncall:")},
            "solution: call breaks HYP012 with seed 0, at 0x40080008 <_start+0x8>, EL1: tlbi vmalle1 (guest.s:5): tlbi",
        ),
        ({"wrong/fails/handlers.py": FILES["solution/handlers.py"]}, "wrong/fails: passes"),
        ({"wrong/same/feedback.txt": "no such words"}, "wrong/same: is not told 'no such words'; it is told: "),
        ({"wrong/same/feedback.txt": " \n"}, "wrong/same: feedback.txt is empty"),
        ({"wrong/same": None}, "wrong/: has 2 mutants"),
        ({"text.md": TEXT.replace(WORDS, "")}, "text.md: has 2 words; 300 to 900 are right"),
        ({"text.md": TEXT.replace("@task quiz", "")}, "text.md: @task quiz is there 0 times"),
        ({"text.md": TEXT.replace("@task quiz", "@task quis")}, "@task quis: there is no such task"),
        ({"text.md": TEXT.replace("EC=HVC64", "EC=(")}, "@go EC=(: is no position and no condition"),
        ({"text.md": TEXT.replace("HVC64", "SMC64")}, "@go EC=SMC64: the solution's run does not get there"),
        ({"text.md": TEXT.replace("EC=HVC64", "999999")}, "@go 999999: the solution's run does not get there"),
        ({"text.md": TEXT.replace("quiz", "quiz\n@go 5")}, "@go 5: quiz has no machine"),
        ({"text.md": TEXT.replace("<kbd>Space", "<kbd>Nose")}, "mentions the key Nose, which does nothing"),
        ({"text.md": TEXT.replace("@panel code", "@panel x")}, "@panel x: there is no such panel"),
        ({"text.md": TEXT + "`arm-hyp ran x`"}, "mentions arm-hyp ran, which is no command"),
        ({"text.md": TEXT + "`arm-hyp lesson chek`"}, "mentions arm-hyp lesson chek, which is no command"),
        ({"checks.py": CHECKS.replace("points=2", "points=4")}, "are worth 4, and it says 2"),
        ({"lesson.toml": MANUAL.replace("DDI 0487, D19", "the manual, D19")}, "is not as 'DDI 0487, HCR_EL2"),
        ({"lesson.toml": MANUAL.replace("D19.2.48", "HCP_EL2")}, "references: there is no register HCP_EL2"),
        ({"lesson.toml": MANUAL.replace('"two", "three"', '"one", "one"')}, "task quiz: hints: 3 different ones"),
        ({"lesson.toml": MANUAL.replace("why = {", "why = {} # {")}, "task quiz: why: says not of every wrong"),
        ({"lesson.toml": MANUAL.replace("goal =", 'needs = ["03-x"]\ngoal =')}, "needs: 03-x is no lesson before"),
        ({"lesson.toml": HEAD + HANDLER, "text.md": TEXT.replace("@task quiz", "")}, "all tasks are of one kind"),
        ({"lesson.toml": SEEDED}, "seed: SEED_NUMBER has 2 ranges; give each task a symbol of its own"),
        ({"lesson.toml": "[broken"}, "is not a TOML file"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, changed: dict[str, str | None], told: str):
    folder = right(tmp_path)
    write(folder, {name: text for name, text in changed.items() if text is not None})
    for name in (name for name, text in changed.items() if text is None):
        shutil.rmtree(folder / name)
    found = lint(folder, KNOWN, ("01-one", "02-it"), seeds=(0,))
    assert any(told in problem for problem in found)  # it runs nothing further once that is found


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("run x.s", True),
        ("explain HYP015", True),
        ("explain HYP", False),
        ("grade anna/", True),
        ("lesson", True),
        ("lesson --help", True),
        ("lesson chek", False),
        ("ran", False),
    ],
)
def test_what_a_command_is(line: str, is_one: bool):
    assert is_command(line.split()) == is_one


WIDE = "## Three\n\n```\n" + "a" * 43 + "\n```\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT, []),
        (TEXT + WIDE, [f"text.md: in the terminal: Three: is cut off at 44 columns: {'a' * 41}\u2026"]),
        (TEXT.replace("EC=HVC64", "EC=("), ["text.md: in the terminal: cannot be drawn: UserError: "]),
        (TEXT.replace("@panel code", "@panel x"), ["text.md: in the terminal: cannot be drawn: UserError: panel x"]),
    ],
)
def test_steps_that_cannot_be_drawn_are_told(tmp_path: Path, text: str, told: list[str]):
    lesson = make(tmp_path / "02-it", MANUAL, LESSON | {"text.md": text})
    found = [*snapshot_problems(lesson, read_steps(lesson))]
    assert [one[: len(wanted)] for one, wanted in zip(found, told, strict=True)] == told


def test_a_new_lesson_works_and_lint_says_what_is_missing(tmp_path: Path):
    folder = tmp_path / "01-mine"
    make_lesson(folder)
    assert Catalogue(tmp_path).names == ("01-mine",)
    assert [*lint(folder, known())] == [
        "all tasks are of one kind; mix two",
        "text.md: has 20 words; 300 to 900 are right",
        "wrong/: has 1 mutants; 3 are needed",
    ]
    with pytest.raises(UserError, match="is there already"):
        make_lesson(folder)
    with pytest.raises(UserError, match="mine: is no name of a lesson; write it as 04-wfi"):
        make_lesson(tmp_path / "mine")
