"""The terminal with a lesson: its page beside the run that it speaks of, tasks that are checked, and what comes of it.

Read `tui/lessons/study.py`, `paged.py` and `screens.py` before this file, `tui/lessons/actions.py` (what its keys do)
after it.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType

from arm_hyp.course.manifest import Lesson
from arm_hyp.course.verdict import LessonResult
from arm_hyp.course.watching import Saves
from arm_hyp.errors import UserError
from arm_hyp.timeline.process.pipe import RecordingFile
from arm_hyp.tui import keys
from arm_hyp.tui.app import Options
from arm_hyp.tui.bar import bar_line
from arm_hyp.tui.driver import AHEAD, Driver
from arm_hyp.tui.lessons.commands import PANEL, REGISTERS_ALONE
from arm_hyp.tui.lessons.page import FIRST_SAY, direct_choices, page_of
from arm_hyp.tui.lessons.paged import BESIDE_SLOT, PagedApp
from arm_hyp.tui.lessons.places import go_to
from arm_hyp.tui.lessons.saves import saves_in
from arm_hyp.tui.lessons.screens import VerdictScreen, room
from arm_hyp.tui.lessons.study import Study
from arm_hyp.tui.lessons.verdict import failed_run, verdict_lines, verdict_title
from arm_hyp.tui.link import Link, ProcessLink, Source
from arm_hyp.tui.panels.bits import BitsPanel
from arm_hyp.tui.widgets import PanelWidget

MakeLink = Callable[[Source], Link]
Wakes = Callable[[Path], AsyncIterator[object]]
FORWARD: Final = frozenset(
    {"step", "next_trap", "run", "end", "goto", "search", "search_next", "search_previous", "whatif", "edit"}
)
"""What would show what happens, where the student is to say it first."""
TELLING: Final = frozenset({"walk", "stage2"})
"""Panels that tell what was not executed yet: where addresses lead."""
OF_RUN: Final = FORWARD - {"edit"} | {"back", "previous_trap", "run_back", "home", "who_changed", "undo", "branches"}
"""What is of no use unless the run is seen."""
SCROLLS: Final[Mapping[str, int]] = {"next_trap": 1, "previous_trap": -1}
"""What scrolls a page that is alone on the screen, and in which direction."""
ON_PAGE: Final = ("go_on", "do", "hint", "text", "help", "lessons", "quit")
OF_TASK: Final = ("do", "hint")
BY_RUN: Final = ("text", "step", "back", "next_trap", "run", "why", "do", "help", "quit")
"""What the bottom line names while the page has the keys, and while another panel has."""
_IN_BAR: Final = (
    keys.BY_NAME
    | {one.name: one for one in keys.LESSON_ACTIONS}
    | {"text": keys.BY_NAME["text"]._replace(label="text/run")}
)
_EXPECTED: Final = "expected:"
_SEEDS: Final = 10_000


class LessonApp(PagedApp):
    """An application with a lesson. `make_link` starts machines, `wakes` tells of saves."""

    actions = (*keys.LESSON_ACTIONS, *keys.ACTIONS)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"do({one.name!r})", one.words, show=False, priority=key.startswith("ctrl+"))
        for one in keys.LESSON_ACTIONS
        for key in one.keys
    ]

    def __init__(
        self, study: Study, options: Options, make_link: MakeLink = ProcessLink, wakes: Wakes = saves_in
    ) -> None:
        self.study, self._make_link, self._wakes = study, make_link, wakes
        super().__init__(make_link(study.machine()), replace(options, runs_ahead=not study.is_hidden))
        self.page.page = page_of(study)
        self.result: LessonResult | None = None
        """What the last check said."""
        self.is_hidden = study.is_hidden
        """Whether nothing right of the cursor may be seen yet."""
        self._shown: tuple[object, ...] = (study.lesson.name, study.shown, study.is_hidden)
        self._seen: set[tuple[str, str]] = set()
        """What was predicted and then seen, as lesson and task."""
        self.offered = ""
        """What the next question finds typed in already."""
        self._held: list[tempfile.TemporaryDirectory[str]] = []
        self.saves = Saves(study.classroom, study.lesson)

    # --- the screen --------------------------------------------------------------------------------------------------

    async def on_mount(self) -> None:
        """Begin with the text, and watch the student's files; Textual has the base do its own part after this."""
        self.call_later(self.show_page)
        self._watch()

    def draw_page(self) -> None:
        """Draw the page as things stand now."""
        self.page.page = page_of(self.study)
        self.page.index = 0
        for widget in self.page_widgets:
            widget.redraw()

    def _bar_line(self, width: int) -> tuple[Text, Style]:
        names: tuple[str, ...] = ON_PAGE if self.focused_panel is self.page else BY_RUN
        if self.study.task is None:
            names = tuple(name for name in names if name not in OF_TASK)
        shown, actions = self.running.shown, [_IN_BAR[name] for name in names]
        return bar_line(self.driver.view, *self.told, shown, width, self.look, actions), self.look.style("bar")

    async def on_event(self, event: events.Event) -> None:
        """Take the letter of a choice for an answer, while the page has the keys."""
        task = self.study.task
        if isinstance(event, events.Key) and len(self.screen_stack) == 1 and self.focused_panel is self.page:
            from arm_hyp.tui.lessons.answering import answered  # here: it needs this class

            if task is not None and not self.study.has_passed(task) and event.character in direct_choices(task):
                answered(self, task, event.character)
                return
        await super().on_event(event)

    # --- the run -----------------------------------------------------------------------------------------------------

    async def _open(self) -> str:
        try:
            await self.driver.open()
        except UserError as error:
            return await self._look_at_first(error)
        self.arrange()
        self.show_page()
        return await self._point()

    async def _look_at_first(self, error: UserError) -> str:
        """Look at the lesson's own run where the student's file cannot run. Raises: UserError."""
        source, folder = self.study.first_machine()
        self._held.append(folder)
        try:
            await self._change(source)
        except UserError:
            raise error from None
        return f"{error.thing.rpartition('/')[2]}: {error.cause}; this runs what the lesson starts with"

    async def _change(self, source: Source, *, is_recording: bool = False) -> None:
        """Look at another machine; the one before goes on to be looked at if it cannot be made. Raises: UserError."""
        link, before = self._make_link(source), self.driver
        seconds, count = AHEAD
        ahead = None if is_recording or self.study.is_hidden else (seconds, min(count, self.study.limit))
        driver = Driver(link, self.seen_panels, is_recording=is_recording, ahead=ahead)
        try:
            await driver.open()
        except UserError:
            await link.close()
            raise
        self.adopt(driver)
        self.arrange()
        await before.link.close()

    async def enter(self, *, is_new: bool = False) -> str:
        """Show the machine of the step, where it points to, with its panel; `is_new`: a new one in any case."""
        study = self.study
        shown = (study.lesson.name, study.shown, study.is_hidden)
        self.is_hidden = study.is_hidden
        if is_new or shown != self._shown:
            self._shown = ()
            try:
                await self._change(study.machine())
            except UserError as error:
                return await self._look_at_first(error)
            self._shown = shown
        return await self._point()

    async def _point(self) -> str:
        """Go where the step points to, and have its panel seen."""
        await go_to(self.driver, self.study.place, self.study.limit)
        self._choose_panel()
        bits, task = self.panels["bits"], self.study.task
        if task is not None and task.bits and isinstance(bits, BitsPanel):
            bits.choose(self.driver.now, task.bits[0])
        self.arrange()
        await self.driver.look()
        return ""

    def _choose_panel(self) -> None:
        """Have the panel of the step seen; one that would answer what is to be predicted only behind that."""
        panel = self.study.step.panel
        is_seen = panel in ("", "page", *self._panels_by_size) or (self.is_hidden and panel in TELLING)
        self.chosen = {} if is_seen else {BESIDE_SLOT: panel}

    @property
    def _panels_by_size(self) -> list[str]:
        """The panels that are seen when nobody has chosen any."""
        zoomed, self.zoomed = self.zoomed, None
        places = self.places(*self.size, {})
        self.zoomed = zoomed
        return [place.panel for place in places]

    @property
    def is_unseen(self) -> bool:
        """Whether what was predicted, and may be seen now, was not seen yet."""
        task, result = self.study.shown, self.result
        if task is None or result is None or self.study.is_hidden or task.kind != "predict":
            return False
        return task.name in [one.task for one in result.tasks] and (self.study.lesson.name, task.name) not in self._seen

    async def happen(self) -> str:
        """Let what was hidden happen, from where the run stands."""
        self.is_hidden = False
        self._shown = (self.study.lesson.name, self.study.shown, self.study.is_hidden)
        if self.study.shown is not None:
            self._seen.add((self.study.lesson.name, self.study.shown.name))
        self._choose_panel()
        self.show_run()
        self.arrange()
        if self.look.has_motion:
            self.running.goes_on = True
            note = await self.running.run()
        else:
            note = await self.driver.run(self.study.limit)
        note = self.driver.now.status.outcome or note or "paused; Space: on"
        if self.has_room:
            return f"{note}; PgUp: back"
        registers = f", {REGISTERS_ALONE}: all registers" if self.study.step.panel == "registers" else ""
        return f"{note}; PgUp: back{registers}, l: the text"

    async def look_at_failed(self) -> str:
        """Open the run that failed: where the check failed, or where it parts from the solution's before that."""
        from arm_hyp.course.divergence import FAILED_MARK, MARK  # here: a first picture needs none

        feedback = None if self.result is None else failed_run(self.result)
        if feedback is None:
            return "the last check kept no run"
        path = self.study.classroom.workspace.runs(self.study.lesson) / feedback.recording
        self._shown = ()
        self.say("opening your run")
        await self._change(RecordingFile(str(path), (str(self.study.folder),)), is_recording=True)
        self.show_run()
        marks = {name: at for name, at in self.driver.now.status.marks.items() if name in (MARK, FAILED_MARK)}
        mark = min(marks, key=marks.__getitem__, default=feedback.mark)
        await self.driver.goto(mark)
        lines = (line.strip() for line in feedback.divergence if line.strip().startswith(_EXPECTED))
        words = next(lines, "").removeprefix(_EXPECTED).strip() if mark == MARK else ""
        return f"expected here: {words or feedback.expected}   f why, r the task's run"

    # --- the text ----------------------------------------------------------------------------------------------------

    def turn(self, distance: int) -> None:
        """Go to another step of the text."""
        if self.study.move(distance):
            self.draw_page()
            self.to_top()
            self.do("step", self.enter)

    def begin(self, lesson: Lesson) -> None:
        """Begin another lesson, or go on with it."""
        self.study = Study(self.study.classroom, lesson)
        self.saves = Saves(self.study.classroom, lesson)
        self.result = None
        self.draw_page()
        self.to_top()
        self.show_page()
        self._watch()
        self.do("step", self.enter)

    def on_panel_widget_changed(self, message: PanelWidget.Changed) -> None:
        """Turn the page when its keys say so."""
        turned, self.page.turned = self.page.turned, 0
        if turned:
            message.prevent_default()  # Textual has the base take it, too
            self.turn(turned)

    # --- checks ------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        self.run_worker(self._saved(self.study.folder), exclusive=True, group="saves")

    async def _saved(self, folder: Path) -> None:
        async for _ in self._wakes(folder):
            self.check_saved()

    def check_saved(self) -> bool:
        """Check the tasks whose files were saved since the last time; return whether there are any."""
        by_file = [name for name in self.saves.tasks() if self.study.lesson.task(name).files]
        if by_file:
            self.check(by_file)
        return bool(by_file)

    def check(self, tasks: list[str]) -> None:
        """Check some tasks, and show what comes of it."""
        study = self.study  # another lesson may be begun before this is done
        self.do("check", lambda: self._check(study, tasks))

    async def _check(self, study: Study, tasks: list[str]) -> str:
        self.say(f"checking {', '.join(tasks)}")
        try:
            result = await asyncio.to_thread(self._checked, study, tasks)
        except OSError as error:
            raise UserError(error.filename or "the check", (error.strerror or "failed").lower()) from None
        study.note(result)
        if study is not self.study:
            return f"{study.lesson.name}: {result.status}; L leads there"
        self.result = result
        if self.has_changed:
            self._shown = ()
        self.draw_page()
        self.show_verdict()
        return ""

    def _checked(self, study: Study, tasks: list[str]) -> LessonResult:
        """Check with the numbers that the student sees first: what passes with them, with others too."""
        result = study.classroom.check(study.lesson, tasks=tasks)
        if result.status != "passed" or not any(study.lesson.task(name).seed for name in tasks):
            return result
        return study.classroom.check(study.lesson, seed=secrets.randbelow(_SEEDS) + 1, tasks=tasks)

    def show_verdict(self) -> None:
        """Show what the last check said; Enter goes on with what it leads to."""
        from arm_hyp.tui.lessons.actions import leads_to  # here: it needs this class

        if self.result is None:
            self.say("nothing was checked yet: d does the task, k checks it")
            return
        if isinstance(self.screen, VerdictScreen):
            self.pop_screen()
        words, action = leads_to(self, self.result)
        lines = verdict_lines(self.result, room(self.size.width), self.look)

        def then(where: str | None) -> None:
            if where == "on":
                action()
                return
            self.is_hidden = self.study.is_hidden
            if where == "run" and not self.is_hidden:
                self.show_run()
            if self.has_changed:
                self.do("step", self.enter)

        title = verdict_title(self.result, is_last=self.study.passed == len(self.study.lesson.tasks))
        has_run = self.has_changed and self.result.status == "passed"
        self.push_screen(VerdictScreen(title, lines, words, has_run=has_run), then)

    @property
    def has_changed(self) -> bool:
        """Whether what was checked last runs differently since."""
        shown, result = self.study.shown, self.result
        is_checked = shown is not None and result is not None and shown.name in [task.task for task in result.tasks]
        return is_checked and shown is not None and shown.kind not in ("predict", "quiz", "bug")

    # --- keys --------------------------------------------------------------------------------------------------------

    def action_do(self, name: str) -> None:
        """Do what an action says; none that would show what is to be predicted."""
        from arm_hyp.tui.lessons.actions import DO_IN_LESSON  # here: it needs this class

        if self.zoomed == "page" and name in SCROLLS:
            self.scroll_page(SCROLLS[name])
            return
        if self.is_hidden and name in FORWARD:
            self.say(FIRST_SAY)
            return
        if name in OF_RUN:
            self.show_run()
        self.offered = self.offered or self.study.typed_for(name)
        if name in DO_IN_LESSON:
            self.say("")
            DO_IN_LESSON[name](self)
        else:
            super().action_do(name)

    def question(self, text: str, take: Callable[[str], Awaitable[str]], answer: str = "") -> None:
        """Ask for a line; what the text says is to be typed is there already."""
        offered, self.offered = self.offered or self._of_panel(text), ""
        super().question(text, take, answer or offered)

    def _of_panel(self, question: str) -> str:
        """Return what the text says is to be typed where a panel asks."""
        asking = (panel.name for panel in self.panels.values() if getattr(panel, "question", "") == question)
        return next((self.study.typed_for(f"{PANEL}{name}") for name in asking), "")

    def on_panel_widget_chosen(self, message: PanelWidget.Chosen) -> None:
        """Do what a command of the text stands for, with what is to be typed."""
        typed, pressed = str(message.meta.get("typed", "")), str(message.meta.get("press", ""))
        self.offered = typed
        if pressed.startswith(PANEL):
            message.prevent_default()  # Textual has the base take it, too
            panel = self.panels[pressed.removeprefix(PANEL)]
            self.show_panel(panel.name)
            if question := getattr(panel, "question", ""):
                self.question(question, lambda text: self._answer(panel, text))

    async def on_unmount(self) -> None:
        """Forget the folders that were made for machines."""
        for folder in self._held:
            folder.cleanup()
