"""Commands of a lesson's text in the terminal: the key that does it, and what is typed then."""

from __future__ import annotations

import pytest
from rich.text import Text

from arm_hyp.course.catalogue import open_catalogue
from arm_hyp.course.text import commands_in, read_steps
from arm_hyp.course.verdict import CheckResult, Feedback, LessonResult, TaskResult
from arm_hyp.tui.lessons.commands import Instead, instead_of, typed_for
from arm_hyp.tui.lessons.markdown import drawn, inline
from arm_hyp.tui.lessons.verdict import verdict_lines
from arm_hyp.tui.look import MONO, Look

LOOK = Look(MONO)


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        ("run first.s", Instead("Space", "run")),
        ("run two.s --stat", Instead("Ctrl+P", "panel exits", "exits")),
        ("run two.s --check all", None),
        ("who lost.hyp ELR_EL2", Instead("C", "who_changed", "ELR_EL2")),
        ("who leak.hyp X0 --count 6", Instead("C", "who_changed", "X0")),
        ("find a.hyp event==exception_returned --all", Instead("Home /", "search", "event==exception_returned")),
        ("walk 0x40234000 build.s --at EL1", Instead("6 a", "panel walk", "0x40234000")),
        ("explain bit HCR_EL2.TWI", Instead("i", "explain", "HCR_EL2.TWI")),
        ("explain HYP012", Instead("i", "explain", "HYP012")),
        ("explain trap 02-wfi.s", None),
        ("lesson answer blocks 0=0x1 1=0x2", Instead("d", "do", "0=0x1 1=0x2")),
        ("lesson check maps --seed 0", Instead("k", "check")),
        ("replay live.hyp --check all", None),
        ("", None),
    ],
)
def test_a_command_is_a_key_and_what_is_typed(command: str, instead: Instead | None) -> None:
    assert instead_of(command.split()) == instead


def test_a_text_names_keys_where_it_names_commands() -> None:
    lines = drawn("Then `arm-hyp who lost.hyp ELR_EL2` tells\nwho. Run `arm-hyp run a.s --check all`.", 76, LOOK)
    assert [line.plain for line in lines] == ["Then C ELR_EL2 tells who. Run arm-hyp run a.s --check all."]
    pressed = {
        span.style.meta["press"] for span in lines[0].spans if not isinstance(span.style, str) and span.style.meta
    }
    assert pressed == {"who_changed"}


def test_what_is_typed_comes_from_the_first_text_that_says_it() -> None:
    texts = ("nothing", "`arm-hyp explain esr 0x1`", "`arm-hyp explain bit HCR_EL2.TWI`")
    assert typed_for("explain", *texts) == "0x1"
    assert typed_for("who_changed", *texts) == ""


def test_most_commands_of_the_course_have_a_key() -> None:
    catalogue = open_catalogue()
    lessons = [catalogue.lesson(name) for name in catalogue.names]
    texts = [step.body for lesson in lessons for step in read_steps(lesson)]
    texts += [hint for lesson in lessons for task in lesson.tasks for hint in task.hints]
    without = {words[0] for text in texts for words in commands_in(text) if instead_of(words) is None}
    assert without <= {"run", "replay"}  # with --check, which only a command has


def test_a_table_that_is_too_wide_breaks_its_cells() -> None:
    table = "| bits | what |\n|---|---|\n| a long name of it | a long word about what it is |"
    lines = [line.plain for line in drawn(table, 24, LOOK)]
    assert lines == ["bits         what", "a long name  a long word", "of it        about what", "             it is"]


def test_a_command_in_a_verdict_is_a_key_too() -> None:
    feedback = Feedback(got="nothing is answered yet", expected="an answer: arm-hyp lesson answer bits VALUE")
    check = CheckResult(name="one", title="one", points=1, status="failed", feedback=feedback)
    task = TaskResult(task="bits", title="Bits", points=1, checks=(check,))
    result = LessonResult(lesson="04-wfi", lesson_version=1, library_version="0", seed=0, tasks=(task,))
    assert "expected: an answer: d VALUE" in Text("\n").join(verdict_lines(result, 70, LOOK)).plain


def test_that_another_answer_is_expected_goes_without_saying() -> None:
    feedback = Feedback(got="you answered a", expected="another answer", why="it is not")
    check = CheckResult(name="one", title="one", points=1, status="failed", feedback=feedback)
    task = TaskResult(task="quiz", title="Quiz", points=1, checks=(check,))
    result = LessonResult(lesson="04-wfi", lesson_version=1, library_version="0", seed=0, tasks=(task,))
    lines = [line.plain.split(":")[0].strip() for line in verdict_lines(result, 70, LOOK) if ":" in line.plain]
    assert lines == ["happened", "why"]


def test_registers_stand_for_their_word() -> None:
    text = inline("see HCR_EL2.TWI", LOOK)
    assert text.spans[-1].style.meta["explain"] == "HCR_EL2.TWI"  # type: ignore[union-attr]
