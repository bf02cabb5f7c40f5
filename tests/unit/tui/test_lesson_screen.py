"""The course in the terminal: read, predict, answer, edit, be checked, get hints, go on, come back where one was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from app_support import Driven, run

from arm_hyp.course.catalogue import open_catalogue
from arm_hyp.course.classroom import Classroom, open_classroom
from arm_hyp.course.manifest import SOLUTION
from arm_hyp.course.workspace import Workspace
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.tui.app import Options
from arm_hyp.tui.lessons.app import LessonApp
from arm_hyp.tui.lessons.page import FIRST_SAY
from arm_hyp.tui.lessons.study import Study
from arm_hyp.tui.link import Source
from arm_hyp.tui.look import MONO, Look
from arm_hyp.tui.session_link import SessionLink

SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)
WRONG = """
from arm_hyp.hypervisor import *

@handler(EC.WFX)
def on_wfx(vcpu, exit):
    vcpu.skip_instruction()
"""


class InProcess(SessionLink):
    """A machine in this process, made when it is started."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def start(self) -> None:
        source = self._source
        made = source if isinstance(source, Configuration) else Replay.open(source.path, source.folders)
        self.session = Session(made)


async def no_saves(_folder: Path) -> AsyncIterator[object]:
    """Nobody saves anything."""
    for nothing in ():
        yield nothing


class InLesson(Driven):
    """A student who presses keys in the terminal with a lesson."""

    app: LessonApp

    async def settle(self) -> None:
        """Wait until nothing is being done, and what comes over the panels has come or gone."""
        for _ in range(3):
            await super().settle()

    @property
    def step(self) -> int:
        """The step of the text, counted from 0."""
        return self.app.study.index

    @property
    def page(self) -> str:
        """The whole page, also what is not in sight."""
        lines = self.app.page.lines(self.app.driver.now, 76, 20, self.app.look)
        return "\n".join(line.plain for line in lines)


def student(folder: Path, lesson: str, step: int = 0) -> Study:
    """Return a student who is at a step of a lesson, counted from 0, of the course that ships."""
    classroom = Classroom(open_catalogue(), Workspace.make(folder))
    chosen = classroom.lesson(lesson)
    classroom.begin(chosen)
    classroom.remember_step(chosen, step)
    return Study(classroom, chosen)


@asynccontextmanager
async def studying(study: Study, size: tuple[int, int] = SMALL, *, has_motion: bool = False) -> AsyncIterator[InLesson]:
    """Open the terminal with a lesson."""
    app = LessonApp(study, Options(look=Look(MONO, has_motion=has_motion)), InProcess, no_saves)
    async with app.run_test(size=size) as pilot:
        driven = InLesson(app, pilot)
        await driven.settle()
        yield driven


def studied(study: Study, test: Callable[[InLesson], Awaitable[None]], size: tuple[int, int] = SMALL) -> None:
    """Run a test with the terminal open."""

    async def opened() -> None:
        async with studying(study, size) as driven:
            await test(driven)

    run(opened())


def solve(study: Study, name: str) -> None:
    """Copy a file of the solution to the student's."""
    (study.folder / name).write_bytes((study.lesson.folder / SOLUTION / name).read_bytes())


def test_the_text_is_read_with_enter_step_by_step(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        assert "The ladder, 1 of 6" in driven.lines[0]
        assert driven.panels == ["page"]
        await driven.press("enter")
        assert driven.step == 1 and "Down and up" in driven.text
        await driven.press("l", "enter")
        assert driven.panels == ["page"]  # back from the run, where Enter has nothing else to do
        await driven.press("left_square_bracket")
        assert driven.step == 0

    studied(student(tmp_path, "01"), test)


def test_a_long_step_is_scrolled_before_its_task_is_asked(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        assert "a  EL2, EL1, EL2" in driven.page and "d or a, b, c answer" not in driven.text
        await driven.press("enter")
        assert "d or a, b, c answer" in driven.text and len(driven.app.screen_stack) == 1
        await driven.press("enter")
        assert len(driven.app.screen_stack) == 2

    studied(student(tmp_path, "01", 1), test)


def test_what_is_to_be_predicted_is_hidden_until_it_is_said(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        app = driven.app
        await driven.press("l")
        assert FIRST_SAY in driven.bar
        for key in ("right", "pagedown", "space", "end", "g", "slash", "w"):
            await driven.press(key)
            assert driven.place == "0" and FIRST_SAY in driven.bar, key
        assert str(app.driver.now.status.frontier) == "0"
        await driven.press("l", "a")
        assert "passed" in driven.text and app.study.passed == 1
        await driven.press("enter")
        assert "powered off" in driven.bar
        assert app.driver.now.status.outcome and "ladder" in driven.panels
        await driven.press("home", "right")
        assert driven.place == "1"

    studied(student(tmp_path, "01", 1), test)


def test_a_panel_that_would_tell_comes_when_it_has_happened(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        assert "walk" not in driven.panels
        await driven.press("a")
        await driven.press("escape", "c")  # whoever has not looked yet may still see it
        assert "see it happen" in driven.text
        await driven.press("enter")
        assert "walk" in driven.panels and "powered off" in driven.bar
        await driven.press("f")
        assert "on in the text" in driven.text

    studied(student(tmp_path, "10", 1), test, MEDIUM)


def test_the_last_task_passes_the_lesson(tmp_path: Path) -> None:
    study = student(tmp_path, "01", 3)
    for name in ("kernel.s", "answers.toml"):
        solve(study, name)

    async def test(driven: InLesson) -> None:
        driven.app.check([task.name for task in study.lesson.tasks])
        await driven.settle()
        assert "the whole lesson with it" in driven.text and study.open_step is None

    studied(study, test)


def test_the_text_is_there_before_the_machine_and_scrolls_alone(tmp_path: Path) -> None:
    study = student(tmp_path, "02", 1)

    async def test(driven: InLesson) -> None:
        assert "\n".join(line.plain for line in driven.app.page.early_lines(76, driven.app.look)) == driven.page
        place = driven.place
        await driven.press("pagedown")
        assert driven.place == place and "Where does it go on?  1 point" in driven.text  # the end of the page
        await driven.press("pageup")
        assert "VBAR_EL2, the Vector Base Address Register" in driven.text

    studied(study, test)


def test_a_wrong_answer_is_told_why_and_may_be_given_again(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("d")
        await driven.press("b")
        assert "This machine starts at the top" in driven.text and "see it happen" in driven.text
        await driven.press("escape", "right")
        assert driven.place == "1"  # it was said: now it may be seen
        assert driven.app.study.passed == 0 and "f says why" in driven.page
        await driven.press("f")
        assert "This machine starts at the top" in driven.text
        await driven.press("escape", "l")
        await driven.press("a")
        assert driven.app.study.passed == 1 and "the whole lesson" not in driven.text

    studied(student(tmp_path, "01", 1), test)


def test_it_happens_trap_by_trap_where_things_may_move(tmp_path: Path) -> None:
    async def test() -> None:
        async with studying(student(tmp_path, "01", 1), MEDIUM, has_motion=True) as driven:
            await driven.press("a")
            await driven.press("enter")
            assert driven.app.driver.now.status.outcome
            assert "page" in driven.panels and "ladder" in driven.panels

    run(test())


def test_bits_are_chosen_in_a_list_and_checked(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("d")
        assert "HCR_EL2.TWI" in driven.text and "HCR_EL2.TWE" in driven.text
        await driven.press("space", "down", "space", "left", "enter")
        assert driven.app.study.answers["bits"] == {
            "HCR_EL2.TWI": 1, "HCR_EL2.TWE": 0, "HCR_EL2.TGE": 0, "HCR_EL2.TSC": 0,
        }  # fmt: skip
        assert "passed" in driven.text
        await driven.press("enter")
        assert driven.app.study.step.task == "handler"

    studied(student(tmp_path, "04", 2), test)


def test_a_field_of_several_bits_goes_through_its_values(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("d")
        await driven.press("right", "right")
        assert "0b0010" in driven.text
        await driven.press("left", "left", "left", "enter")
        assert driven.app.study.answers["landing"] == {"SPSR_EL2.M": 15}
        assert driven.app.study.passed == 0

    studied(student(tmp_path, "01", 2), test)


def test_a_file_that_is_saved_is_checked_and_a_failed_run_is_opened_at_its_mark(tmp_path: Path) -> None:
    study = student(tmp_path, "04", 3)

    async def test(driven: InLesson) -> None:
        app = driven.app
        app.check_saved()
        assert len(app.screen_stack) == 1  # nothing was saved
        (study.folder / "handlers.py").write_text(WRONG)
        app.check_saved()
        await driven.settle()
        assert "expected:" in driven.text and "yours:" in driven.text
        await driven.press("enter")
        marks = app.driver.now.status.marks
        assert app.driver.now.subject.is_recording and app.driver.now.position == marks["first-divergence"]
        await driven.press("r")
        assert not app.driver.now.subject.is_recording
        solve(study, "handlers.py")
        app.check_saved()
        await driven.settle()
        assert study.has_passed(study.lesson.task("handler")) and "on in the text" in driven.text
        await driven.press("enter")
        assert driven.step == 4 and driven.place == "19.1"  # a step without a place of its own stays at that before
        await driven.press("l", "end")
        assert "powered off" in driven.app.driver.now.status.outcome  # the run is that of the new file

    studied(study, test)


def test_saves_wake_the_check(tmp_path: Path) -> None:
    study = student(tmp_path, "04", 3)
    saved = asyncio.Event()

    async def wakes(_folder: Path) -> AsyncIterator[object]:
        await saved.wait()
        yield None

    async def test() -> None:
        app = LessonApp(study, Options(look=Look(MONO)), InProcess, wakes)
        async with app.run_test(size=SMALL) as pilot:
            driven = InLesson(app, pilot)
            await driven.settle()
            solve(study, "handlers.py")
            saved.set()
            await driven.until(lambda: len(app.screen_stack) > 1)
            assert study.has_passed(study.lesson.task("handler"))

    run(test())


def test_a_check_that_another_lesson_overtakes_counts_for_its_own(tmp_path: Path) -> None:
    study = student(tmp_path, "04", 3)

    async def test(driven: InLesson) -> None:
        solve(study, "handlers.py")
        driven.app.check(["handler"])
        driven.app.begin(study.classroom.lesson("01"))
        await driven.settle()
        assert study.has_passed(study.lesson.task("handler"))
        assert driven.app.result is None and len(driven.app.screen_stack) == 1 and not driven.app.defects

    studied(study, test)


def test_a_file_that_cannot_run_leaves_the_lessons_own_run(tmp_path: Path) -> None:
    study = student(tmp_path, "04", 3)
    (study.folder / "handlers.py").write_text("def broken(:\n")

    async def test(driven: InLesson) -> None:
        assert driven.app.failure is None and "handlers.py" in driven.bar
        assert driven.app.driver.view is not None
        await driven.press("k")
        assert "failed" in driven.text
        await driven.press("escape", "left_square_bracket", "right_square_bracket")
        assert "this runs what the lesson starts with" in driven.bar
        assert driven.app.driver.now.subject.name == "tick.s"

    studied(study, test, MEDIUM)


def test_hints_stand_on_the_page_and_get_plainer(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("h", "h")
        assert "hint 1 of 3: " in driven.page and "hint 2 of 3: " in driven.page and "hint 3" not in driven.page
        assert "hint 2 of 3" in driven.text

    studied(student(tmp_path, "01", 1), test)


def test_lessons_are_listed_and_gone_to(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("L")
        assert "The sleep that isn't" in driven.text and "0 of 4" in driven.text
        await driven.press("escape", "ctrl+n")
        assert driven.app.study.lesson.name.startswith("02") and driven.step == 0

    studied(student(tmp_path, "01"), test)


def test_the_solution_is_shown_to_who_asks_twice(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        await driven.press("x")
        assert "for those who have passed" in driven.bar
        await driven.press("x")
        assert "a solution" in driven.text and "answers.toml" in driven.text

    studied(student(tmp_path, "01"), test)


def test_a_lesson_begins_anew_and_what_one_had_is_kept(tmp_path: Path) -> None:
    study = student(tmp_path, "04", 3)
    (study.folder / "handlers.py").write_text(WRONG)

    async def test(driven: InLesson) -> None:
        await driven.press("R")
        await driven.write("no")
        assert (study.folder / "handlers.py").read_text() == WRONG
        await driven.press("R")
        await driven.write("yes")
        assert (study.folder / "handlers.py.kept-1").read_text() == WRONG
        assert (study.folder / "handlers.py").read_text() != WRONG and "kept-1" in driven.bar

    studied(study, test)


def test_the_next_start_is_where_one_was(tmp_path: Path) -> None:
    async def first(driven: InLesson) -> None:
        await driven.press("enter", "a")
        await driven.press("escape")

    async def second(driven: InLesson) -> None:
        assert driven.step == 1 and "1 of 4 tasks passed" in driven.text and "your answer: a" in driven.page

    studied(student(tmp_path, "01"), first)
    classroom = open_classroom(tmp_path)
    studied(Study(classroom, classroom.current), second)


def test_the_page_stands_beside_the_run_where_there_is_room(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        assert driven.focused == "page" and {"page", "ladder", "code", "consoles"} <= set(driven.panels)
        await driven.press("2")
        assert driven.focused == "code"
        await driven.press("l")
        assert driven.focused == "page"
        await driven.press("5")
        assert "page" in driven.panels and driven.focused == "trap"

    for number, size in enumerate((MEDIUM, LARGE)):
        studied(student(tmp_path / str(number), "01", 1), test, size)


def test_a_page_that_is_read_stays_in_sight_whatever_the_size(tmp_path: Path) -> None:
    async def test(driven: InLesson) -> None:
        for size in (MEDIUM, SMALL):
            await driven.pilot.resize_terminal(*size)
            await driven.settle()
            assert driven.focused == "page"
        await driven.press("l")
        for size in (MEDIUM, SMALL):
            await driven.pilot.resize_terminal(*size)
            await driven.settle()
            assert driven.focused != "page"

    studied(student(tmp_path, "01", 1), test)


@pytest.mark.long
def test_every_lesson_opens_at_every_step(tmp_path: Path) -> None:
    for name in open_catalogue().names:
        study = student(tmp_path, name)

        async def test(driven: InLesson) -> None:
            for index in range(1, len(driven.app.study.steps)):
                await driven.press("right_square_bracket")
                assert driven.step == index
                assert not driven.app.is_bad, (driven.app.study.lesson.name, index, driven.app.note)

        studied(study, test, MEDIUM)
