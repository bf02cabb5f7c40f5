"""The terminal application: keys become jobs, jobs end in a view, and a view becomes a picture.

Read `tui/driver.py`, `tui/slots.py`, `tui/keys.py` and `tui/work.py` before this file,
`tui/actions.py` (what each key does) after it.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from arm_hyp.errors import UserError
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.tui import keys
from arm_hyp.tui.bar import bar_line
from arm_hyp.tui.commands import ActionCommands, Palette, PanelCommands
from arm_hyp.tui.driver import AHEAD, Driver
from arm_hyp.tui.gather import NotAnswered
from arm_hyp.tui.layouts import LEAST_COLUMNS, LEAST_ROWS
from arm_hyp.tui.link import Link
from arm_hyp.tui.look import MONO, Look
from arm_hyp.tui.notice import Notice, is_long
from arm_hyp.tui.panels.catalogue import NAMES
from arm_hyp.tui.places import end_of
from arm_hyp.tui.running import Running
from arm_hyp.tui.screens import PromptScreen, TextScreen
from arm_hyp.tui.slots import SlotsApp
from arm_hyp.tui.speeds import CALM
from arm_hyp.tui.typed import Typing
from arm_hyp.tui.widgets import Bar, PanelWidget, where
from arm_hyp.tui.work import Job, Work

SLOTS: Final = 8
_PROGRESS_S: Final = 0.25
TYPING: Final = "what you type goes to the guest; Ctrl-A leaves, Ctrl-A Ctrl-A sends one"


@dataclass(frozen=True, slots=True)
class Options:
    """How the user wants it. `handlers` is the file of the run's handlers, `message` what to say at first.

    A guest that `runs_ahead` is run for a moment first, so that its ladder is there from the start; one that `is_live`
    takes its time when it idles, and can be typed to. `record` is where the run is written at the end, as a recording.
    """

    look: Look = field(default_factory=Look)
    speed: int = CALM
    is_live: bool = False
    runs_ahead: bool = False
    at: Position | None = None
    is_recording: bool = False
    handlers: str | None = None
    record: str | None = None
    message: str = ""


class ArmHypApp(SlotsApp, inherit_bindings=False):
    """The terminal. `driver` does what keys say, `work` one thing after the other."""

    CSS = """
    Screen { overflow: hidden; layers: default notice; }
    .-ascii ModalScreen > * { border: ascii $accent; scrollbar-size-vertical: 0; }
    """
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = keys.PALETTE_KEY
    COMMANDS: ClassVar[set[Any]] = {ActionCommands, PanelCommands}
    TITLE = "arm-hyp"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(key, f"do({one.name!r})", one.words, show=False, priority=key.startswith("ctrl+"))
            for one in keys.ACTIONS
            for key in one.keys
        ),
        *(Binding(digit, f"panel({digit!r})", "", show=False) for digit in keys.DIGITS),
    ]

    actions: ClassVar[tuple[keys.Action, ...]] = keys.ACTIONS
    """What keys do here, for the bottom line, the help and the palette."""

    def __init__(self, link: Link, options: Options | None = None) -> None:
        self.options: Options = options or Options()
        # With colours of the terminal's own, NO_COLOR leaves none; else it would leave shades of grey.
        super().__init__(ansi_color=True if self.options.look.palette == MONO else None)
        self.wear(self.options.look)
        self._is_drawn = asyncio.Event()
        self.work = Work(self._guarded)
        ahead = AHEAD if self.options.runs_ahead else None
        self.adopt(Driver(link, self.seen_panels, is_recording=self.options.is_recording, ahead=ahead))
        self.note, self.is_bad = "starting the machine", False
        self.defects: list[str] = []
        """What went wrong in this program itself."""
        self.failure: UserError | None = None
        """Why it could not begin."""
        self.typing = Typing()
        self.is_interrupted = self.is_leaving = False
        """Whether the last key was Ctrl-C, and whether this is about to end."""

    def adopt(self, driver: Driver) -> None:
        """Look at another machine from now on."""
        self.driver = driver
        self.running = Running(driver, self.show, self.options.speed)
        self.running.has_waiting = self.work.waits

    # --- the screen --------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Make the slots and the bottom line."""
        for slot in range(SLOTS):
            yield PanelWidget(slot, self._note_defect)
        yield Notice()
        yield Bar(self._bar_line, self.action_do)

    async def on_mount(self) -> None:
        """Draw empty frames at once, and open the machine."""
        self.arrange()
        self.give_keys(self.query_one("#slot0", PanelWidget))
        with suppress(NotImplementedError, RuntimeError, ValueError):  # no such signals, or not the main thread
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self.end, 128 + number)
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self.action_do, "interrupt")
        self.set_interval(_PROGRESS_S, self.tell_progress)
        self.call_after_refresh(self._is_drawn.set)
        self.work.soon("open", lambda _count: self._begin())
        self.run_worker(self.work.run(), exclusive=False)

    async def _begin(self) -> str:
        """After the first picture, and while the machine starts, import all panels; then open the machine."""
        await self._is_drawn.wait()
        for name in NAMES:
            self.panels[name]
            await asyncio.sleep(0)
        self.has_panels = True
        self.arrange()
        note = await self._open()
        gc.enable()
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it again and again would hold up keys
        return note

    async def _open(self) -> str:
        await self.driver.open(self.options.at)
        if self.options.is_live:
            await self.driver.ask(ask.Live())
        self.arrange()
        await self.driver.look()
        return self.options.message

    def on_resize(self) -> None:
        """Arrange the panels anew; some may have come into sight."""
        self.call_next(self._resized)  # then `size` is the new one

    def _resized(self) -> None:
        self.arrange()
        self.screen.refresh()  # all of it: whoever looks on since now has nothing yet
        self.look_soon()

    @property
    def told(self) -> tuple[str, bool]:
        """What the bottom line says in place of the keys, and whether that is bad."""
        if self.is_tiny:
            return f"too small: {LEAST_COLUMNS}x{LEAST_ROWS} at least", True
        if not self.note and self.typing.vm is not None:
            return TYPING, False
        if is_long(self.note, self.size.width):  # the notice has it whole
            return "", False
        return self.note, self.is_bad

    def show(self) -> None:
        """Draw the view that there is."""
        if self.driver.view is not None:
            for widget in self.widgets:
                widget.show(self.driver.view, self.look)
        self.refresh_bar()

    def _bar_line(self, width: int) -> tuple[Text, Style]:
        shown = self.running.shown
        return bar_line(self.driver.view, *self.told, shown, width, self.look, self.actions), self.look.style("bar")

    def refresh_bar(self) -> None:
        """Draw the bottom line anew, and above it what is too long for it."""
        long = self.note if not self.is_tiny and is_long(self.note, self.size.width) else ""
        self.screen_stack[0].query_one(Notice).tell(long, self.is_bad, self.look)
        self.screen_stack[0].query_one(Bar).refresh()

    def tell_progress(self) -> None:
        """While something takes long, say how far it is."""
        progress, view = self.driver.link.progress, self.driver.view
        if progress is None or view is None or self.work.is_idle.is_set():
            return
        is_behind = progress.position < view.position  # as behind the end of a machine process
        if self.running.goes_on and not is_behind:
            return
        at = progress.looked_at or progress.position
        what = "looking" if progress.looked_at else "repeating" if self.running.goes_on else "going"
        self.say(f"{what}: {at} of {end_of(view)}   Esc stops")

    def stop_working(self) -> None:
        """Stop what takes long."""
        self.running.pause()
        if not self.work.is_idle.is_set():
            self.driver.link.stop()

    def say(self, note: str, *, is_bad: bool = False) -> None:
        """Say something in the bottom line."""
        if (note, is_bad) != (self.note, self.is_bad):
            self.note, self.is_bad = note, is_bad
            self.refresh_bar()

    # --- work --------------------------------------------------------------------------------------------------------

    def soon(self, name: str, job: Job) -> None:
        """Have a job done when what is being done is done; a run pauses for it."""
        if name != "run":
            self.running.pause()
        self.work.soon(name, job)

    def do(self, name: str, action: Callable[[], Awaitable[str]]) -> None:
        """Have something done once."""
        self.soon(name, lambda _count: action())

    def look_soon(self) -> None:
        """Read anew what is seen now; a run goes on."""
        self.work.soon("look", lambda _count: self._look_again())

    async def _look_again(self) -> str:
        if self.driver.view is not None:
            await self.driver.look(is_running=self.running.goes_on)
        return self.note

    async def _guarded(self, job: Callable[[], Awaitable[str]]) -> None:
        """Do it; what the user got wrong is said, and what became of the machine."""
        try:
            self.say(await job())
        except UserError as error:
            if self.driver.view is None:  # there is nothing to look at
                self.failure = error
                self.exit(return_code=2)
                return
            self.say(str(error), is_bad=True)
        except NotAnswered as error:
            self.say(f"the machine does not answer: {error.answer}", is_bad=True)
        except Exception as error:
            self._note_defect(where(error))
        self.show()

    def question(self, text: str, take: Callable[[str], Awaitable[str]], answer: str = "") -> None:
        """Ask for a line of text, and have something done with it."""

        def taken(given: str | None) -> None:
            if given:
                self.do("question", lambda: take(given))

        self.running.pause()
        self.push_screen(PromptScreen(text, answer), taken)

    # --- what keys do ------------------------------------------------------------------------------------------------

    def action_do(self, name: str) -> None:
        """Do what an action of the table says."""
        from arm_hyp.tui.actions import DO  # here: it needs this class

        self.say("")
        DO[name](self)

    def action_command_palette(self) -> None:
        """Show every action and every panel by name."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    def action_panel(self, digit: str) -> None:
        """Show a panel, or give it the focus."""
        self.show_panel(NAMES[keys.DIGITS.index(digit)])

    async def explain(self, word: str) -> str:
        """Show what a word means."""
        from arm_hyp.tui.words import explain_word  # here: a first picture needs none

        self.push_screen(TextScreen(word, explain_word(word, self.driver.now, self.look), self.look))
        return ""

    def leave(self) -> None:
        """Quit; what is to be recorded is written first."""
        self.is_leaving = True
        self.do("leave", self._leave)

    async def _leave(self) -> str:
        if self.options.record is not None and self.driver.view is not None:
            self.say(f"writing {self.options.record}")
            await self.driver.save(self.options.record)
        self.exit()
        return ""

    def end(self, status: int) -> None:
        """End at once, whatever is being done; what was to be recorded is not."""
        self.driver.link.stop()
        self.exit(return_code=status)

    async def on_unmount(self) -> None:
        """End the machine; what was frozen is looked through again, for this process may go on."""
        gc.unfreeze()
        await self.driver.link.close()

    async def on_event(self, event: events.Event) -> None:
        """Give what is typed to the guest while its console has the keys."""
        if isinstance(event, events.Key) and len(self.screen_stack) == 1:
            data = self.typing.take(event.key, event.character)
            if data is not None:
                self._type(data)
                return
        if isinstance(event, events.Key) and event.key != "ctrl+c":
            self.is_interrupted = False
        await super().on_event(event)

    def _type(self, data: bytes) -> None:
        vm = self.typing.vm
        if vm is None:
            self.say("the keys are the terminal's again; Ctrl-A now sends one to the guest")
        elif data and self.running.goes_on:
            self.driver.link.type(data, vm)
        elif data:
            self.do("type", lambda: self.driver.type(data, vm))

    def _note_defect(self, words: str) -> None:
        """Say that this program has a defect; the run is as it was, and the user can go on."""
        self.defects.append(words)
        self.say(f"a defect of arm-hyp, please report it: {words}", is_bad=True)

    # --- what panels tell --------------------------------------------------------------------------------------------

    def on_panel_widget_changed(self, message: PanelWidget.Changed) -> None:
        """A panel wants something else."""
        panel = message.panel
        if message.asks:
            self.question(message.asks, lambda text: self._answer(panel, text))
            return
        for widget in self.widgets:
            if widget.panel is panel:
                widget.redraw()
        self.look_soon()

    async def _answer(self, panel: Any, text: str) -> str:
        panel.answer(text, self.driver.now)
        return await self._look_again()

    def on_panel_widget_chosen(self, message: PanelWidget.Chosen) -> None:
        """The user clicked on something."""
        from arm_hyp.tui.actions import CLICKS  # here: it needs this class

        if self.driver.view is None:
            return
        if message.panel.click(message.meta, self.driver.view):
            self.on_panel_widget_changed(PanelWidget.Changed(message.panel))
            return
        key = next((key for key in CLICKS if key in message.meta), None)
        if key is not None:
            CLICKS[key](self, message.meta[key])
