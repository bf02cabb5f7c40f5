"""Grading: points, reports in every format, hidden checks, workers that die, and the same bytes every time."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from cheating_support import NAME, SOLUTION, make_lesson
from msgspec.structs import replace
from rich.console import Console

from arm_hyp import __version__
from arm_hyp.cli.main import main
from arm_hyp.course.catalogue import Catalogue
from arm_hyp.course.grading import bundle, pool
from arm_hyp.course.grading.class_report import details, failing, tables, to_csv
from arm_hyp.course.grading.formats import FORMATS
from arm_hyp.course.grading.grade import Grader, Settings
from arm_hyp.course.grading.pool import Pool
from arm_hyp.course.grading.results import Report, SubmissionResult
from arm_hyp.course.grading.worker import Order
from arm_hyp.course.verdict import CheckResult, Feedback, LessonResult, Remark, TaskResult
from arm_hyp.errors import UserError
from arm_hyp.timeline.position import Position

WRONG = SOLUTION.replace("call.args[0] + call.args[1]", "0")
HIDDEN = """
from arm_hyp.course.checks import Judge, check

@check("sum", points=3, title="nothing is left in X5")
def clean(judge: Judge) -> None:
    judge.run().expect_register("X5", 0, vcpu=0)
"""


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    make_lesson(folder)
    (folder / "hidden" / NAME).mkdir(parents=True)
    (folder / "hidden" / NAME / "checks.py").write_text(HIDDEN)
    return folder


@pytest.fixture
def work(tmp_path: Path) -> dict[str, str]:
    """Give submissions by name: a good folder, a wrong zip file, one of nothing, one that is no zip file."""
    for name, text in (("anna", SOLUTION), ("bert", WRONG)):
        (tmp_path / name / NAME).mkdir(parents=True)
        (tmp_path / name / NAME / "handlers.py").write_text(text)
    with zipfile.ZipFile(tmp_path / "bert.zip", "w") as archive:
        archive.write(tmp_path / "bert" / NAME / "handlers.py", f"{NAME}/handlers.py")
    (tmp_path / "cleo").mkdir()
    (tmp_path / "dora.zip").write_bytes(b"my dog ate it")
    names = {"anna": "anna", "bert": "bert.zip", "cleo": "cleo", "dora": "dora.zip"}
    return {name: str(tmp_path / path) for name, path in names.items()}


def grade(lessons: Path, *arguments: str) -> int:
    return main(["grade", *arguments, "--lessons", str(lessons), "--jobs", "2"])


def test_a_class_is_graded_the_same_way_every_time(lessons: Path, work: dict[str, str], tmp_path: Path) -> None:
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        assert grade(lessons, *work.values(), "--format", "json", "--output", str(file), "--csv", f"{file}.csv") == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    told = json.loads(files[0].read_text())
    assert (told["library_version"], told["lesson_versions"], told["seed"]) == (__version__, {NAME: 1}, 1)
    found = {one["name"]: (one["status"], one["earned"], one["points"]) for one in told["submissions"]}
    assert found == {
        "anna": ("passed", 4, 4),
        "bert": ("failed", 0, 4),
        "cleo": ("failed", 0, 4),
        "dora": ("failed", 0, 4),
    }
    assert told["submissions"][3]["problem"].startswith("dora.zip: is no zip file that can be read")
    rows = list(csv.DictReader(io.StringIO(Path(f"{files[0]}.csv").read_text())))
    assert [(row["submission"], row[f"{NAME}/sum/right"]) for row in rows[:3]] == [
        ("anna", "4"),
        ("bert", "0"),
        ("cleo", "0"),
    ]


def test_hidden_checks_give_partial_credit_and_are_marked(
    lessons: Path, work: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert grade(lessons, work["bert"], "--hidden", str(lessons / "hidden"), "--format", "gradescope") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["score"], told["extra_data"]["lesson_versions"]) == (3.0, {NAME: 1})
    right, clean = told["tests"]
    assert (right["score"], right["max_score"], right["visibility"], right["status"]) == (0, 1, "visible", "failed")
    assert (clean["score"], clean["max_score"], clean["visibility"]) == (3, 3, "after_published")
    assert "X20 is 0x0" in right["output"]


def test_runs_that_fail_are_kept_apart_by_submission(lessons: Path, work: dict[str, str], tmp_path: Path) -> None:
    kept, (anna, bert) = tmp_path / "kept", (Path(work["anna"]) / NAME, Path(work["bert"]).with_suffix("") / NAME)
    assert grade(lessons, str(anna), str(bert), "--recordings", str(kept), "--output", os.devnull) == 0
    (found,) = kept.rglob("*.hyp")
    assert found.relative_to(kept).parts == (str(bert).replace("/", "_"), NAME, "sum.hyp")


def test_a_link_in_place_of_a_lesson_is_refused(lessons: Path, tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / NAME).symlink_to(lessons / NAME / "solution")
    found = Grader(Settings(course=str(lessons))).grade("anna", tmp_path / "anna")
    assert (found.earned, found.status) == (0, "failed")
    assert found.problem == f"{NAME}: leads out of its folder; hand in the files themselves"


def test_the_status_says_whether_all_is_passed(lessons: Path, work: dict[str, str]) -> None:
    assert grade(lessons, work["anna"], "--must-pass", "--output", os.devnull) == 0
    assert grade(lessons, work["anna"], work["bert"], "--must-pass", "--output", os.devnull) == 1


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ([], "there is nothing to grade"),
        (["anna", "--format", "pdf"], "there is no such format; use table, json"),
        (["anna", "--lesson", "99"], "there is no such lesson"),
        (["anna", "--hidden", "nowhere"], "is no folder"),
        (["nowhere"], "is not there"),
        (["anna", "anna"], "is there twice"),
        (["bundle", "--python", "2.7"], "is not supported; use 3.11"),
        (["bundle", "--wheel", "nothing.whl"], "is no file"),
    ],
)
def test_what_cannot_be_graded_is_an_error_in_one_line(
    lessons: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], cause: str
) -> None:
    assert main(["grade", *arguments, *(("--lessons", str(lessons)) if arguments else ())]) == 2
    error = capsys.readouterr().err
    assert cause in error and error.count("\n") == 1


# --- what is in a report ----------------------------------------------------------------------------------------------


def check(name: str, status: str, points: int = 1, got: str = "it is wrong") -> CheckResult:
    feedback = None if status == "passed" else Feedback(got=got, expected="it is right")
    return CheckResult(name=name, title=f"{name} is right", points=points, status=status, feedback=feedback)  # type: ignore[arg-type]


def submission(name: str, *checks: CheckResult) -> SubmissionResult:
    task = TaskResult(task="sum", title="Add", points=4, checks=checks)
    lesson = LessonResult(lesson=NAME, lesson_version=2, library_version="1.0", seed=5, tasks=(task,))
    return SubmissionResult(name=name, points=4, lessons=(lesson,))


def report(*submissions: SubmissionResult) -> Report:
    return Report(title="a course", library_version="1.0", seed=5, versions={NAME: 2}, submissions=submissions)


MIXED = submission("anna", check("a", "passed", 2), check("b", "failed"), check("c", "not graded"))


def test_junit_tells_failures_from_what_was_not_graded() -> None:
    root = ElementTree.fromstring(FORMATS["junit"](report(MIXED)))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [[part.tag for part in case] for case in suite.iter("testcase")] == [[], ["failure"], ["error"]]
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties["library_version"] == "1.0" and properties[f"lesson_version {NAME}"] == "2"
    assert (properties["earned"], properties["seed"]) == ("2.0", "5")


def test_a_remark_is_told_once_in_every_format_and_costs_nothing() -> None:
    plain = submission("anna", check("a", "passed", 2), check("b", "failed"))
    (lesson,) = plain.lessons
    remark = Remark(code="HYP012", text="a TLBI without DSB", at=Position(7), place="0x40080000 <f>, EL2: isb (f.s:8)")
    task = replace(lesson.tasks[0], remarks=(remark,))
    made = report(replace(plain, lessons=(replace(lesson, tasks=(task,)),)))
    assert made.submissions[0].earned == plain.earned
    for name, form in FORMATS.items():
        assert form(made).count("HYP012") == {"json": 1}.get(name, 2), name  # in lines with `arm-hyp explain HYP012`
    case = next(ElementTree.fromstring(FORMATS["junit"](made)).iter("testcase"))
    assert [part.tag for part in case] == ["system-out"]


def test_check50_has_null_for_what_was_not_graded() -> None:
    told = json.loads(FORMATS["check50"](report(MIXED)))
    assert [one["passed"] for one in told["results"]] == [True, False, None]
    assert told["results"][1]["cause"] == {"rationale": "it is wrong", "help": "expected: it is right"}
    assert told["slug"] == f"{NAME}@2"


def test_formats_for_one_submission_refuse_more() -> None:
    for name in ("gradescope", "check50"):
        with pytest.raises(UserError, match="is for one submission, and there are 2"):
            FORMATS[name](report(MIXED, MIXED))


def test_what_students_write_reaches_no_terminal_and_breaks_no_format() -> None:
    evil = submission("=anna\x1b[2J", check("a", "failed", got="\x1b[31m<b>]]>\x00\ud800\ufffe"))
    made = report(evil, SubmissionResult(name="@b", points=4, problem="\x07bell"))
    ElementTree.fromstring(FORMATS["junit"](made))
    texts = [FORMATS["json"](made), FORMATS["junit"](made), to_csv(made), details(evil)]
    for text in texts:
        text.encode()
        assert not set(text) & {"\x1b", "\x07", "\x00"}
    assert [line.split(",")[0] for line in to_csv(made).splitlines()[1:]] == ["'=anna?[2J", "'@b"]


def test_the_check_that_most_fail_comes_first() -> None:
    made = report(
        submission("anna", check("a", "failed"), check("b", "passed")),
        submission("bert", check("a", "failed"), check("b", "failed")),
        submission("cleo", check("a", "passed"), check("b", "not graded")),
    )
    assert [(one.name, one.failed, one.ungraded, one.of) for one in failing(made)] == [
        (f"{NAME}/sum/a", 2, 0, 3),
        (f"{NAME}/sum/b", 1, 1, 3),
    ]


def printed(made: Report, columns: int) -> list[str]:
    console = Console(width=columns, file=io.StringIO(), color_system=None)
    with console.capture() as captured:
        console.print(tables(made, columns))
    return [line.rstrip() for line in captured.get().splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("columns", "head"),
    [
        (300, "01-lesson 02-lesson"),
        (100, "submission   01  02  03"),
        (80, "submission  01 02 03"),
        (60, "submission   points  status"),
    ],
)
def test_the_table_of_a_whole_course_is_readable(columns: int, head: str) -> None:
    names = [f"{number:02}-lesson" for number in range(1, 17)]
    lessons = tuple(
        LessonResult(
            lesson=name, lesson_version=1, library_version="0", seed=1,
            tasks=(TaskResult(task="sum", title="Add", points=8, checks=(check("a", "passed"),)),),
        )
        for name in names
    )  # fmt: skip
    each = [SubmissionResult(name=name, points=128, lessons=lessons) for name in ("anna", "bert-with-a-long-name")]
    made = msgspec.structs.replace(report(*each), versions=dict.fromkeys(names, 1))
    lines = printed(made, columns)
    assert " ".join(head.split()) in " ".join(lines[1].split())
    assert max(map(len, lines)) <= columns
    assert any("anna" in line and "128 of 128" in line for line in lines)
    assert ("--csv" in "".join(lines)) == (columns == 60)
    alone = printed(msgspec.structs.replace(made, submissions=tuple(each[:1])), columns)
    assert [line.split()[:4] for line in alone[3:5]] == [["01-lesson", "1", "of", "1"], ["02-lesson", "1", "of", "1"]]


# --- workers ----------------------------------------------------------------------------------------------------------


def test_a_judge_that_dies_or_hangs_costs_one_submission_and_is_tried_once_more(
    lessons: Path, work: dict[str, str], tmp_path: Path
) -> None:
    killer = tmp_path / "killer"
    (killer / NAME / "checks.py").mkdir(parents=True)  # a folder
    copy = tmp_path / "course"
    lesson = make_lesson(copy)
    text = (lesson / "checks.py").read_text()
    kill = 'if "killer" in str(judge.submission): __import__("os").kill(__import__("os").getpid(), 9)'
    (lesson / "checks.py").write_text(text.replace("    run = judge.run()", f"    {kill}\n    run = judge.run()"))
    told: list[str] = []
    with Pool(Grader(Settings(course=str(copy))), 1, lambda result: told.append(result.name)) as made:
        found = made.grade([Order("killer", str(killer)), Order("anna", work["anna"])])
    assert [one.status for one in found] == ["not graded", "passed"]
    assert "the judge's process died; grade it again" in details(found[0])
    assert told == ["killer", "anna", "killer"]


def test_a_judge_that_is_not_done_in_time_is_ended(
    lessons: Path, work: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "DEADLINE_S", 0.0)
    with Pool(Grader(Settings(course=str(lessons), lessons=(NAME,))), 1) as made:
        (found,) = made.grade([Order("anna", work["anna"])])
    assert found.status == "not graded" and "was not judged after 0 s" in details(found)


# --- the bundle -------------------------------------------------------------------------------------------------------


def test_a_bundle_has_all_that_an_autograder_needs(lessons: Path, tmp_path: Path) -> None:
    wheels, target = tmp_path / "wheels", tmp_path / "autograder.zip"
    wheels.mkdir()
    for name in (f"arm_hyp-{__version__}-py3-none-any.whl", "msgspec-1-cp313-cp313-manylinux_2_17_x86_64.whl"):
        (wheels / name).write_bytes(b"wheel")
    settings = Settings(lessons=(NAME,), course=str(lessons), hidden=str(lessons / "hidden"), seed=9)
    bundle.write_bundle(target, settings, Catalogue(lessons), wheels)
    with zipfile.ZipFile(target) as archive:
        found = archive.namelist()
        setup, run = archive.read("setup.sh").decode(), archive.read("run_autograder").decode()
        modes = {one.filename: one.external_attr >> 16 & 0o777 for one in archive.infolist()}
    assert {f"lessons/{NAME}/lesson.toml", f"hidden/{NAME}/checks.py"} <= {*found}
    assert sum(name.startswith("wheels/") for name in found) == 2
    assert (modes["setup.sh"], modes["run_autograder"], modes[f"lessons/{NAME}/checks.py"]) == (0o755, 0o755, 0o644)
    assert "python3.13 -m venv venv" in setup and f"arm-hyp=={__version__}" in setup
    assert f"--lesson {NAME} --lessons lessons --hidden hidden --seed 9" in run
    with pytest.raises(UserError, match="has no wheel of arm-hyp"):
        bundle.write_bundle(target, settings, Catalogue(lessons), tmp_path)
