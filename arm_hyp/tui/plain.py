"""`arm-hyp tui --plain`: the same stepping at a prompt, line by line, for a screen reader, a pipe or a slow line.

Read `tui/driver.py` and `tui/sentences.py` before this file. Every command answers with whole sentences. Single letters
are the keys of the full screen, where those are letters.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.errors import UserError
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import ConsoleAnswer, StatusAnswer, WalkAnswer
from arm_hyp.tui import sentences
from arm_hyp.tui.driver import AHEAD, Driver
from arm_hyp.tui.gather import NotAnswered
from arm_hyp.tui.link import Link
from arm_hyp.tui.panels.addresses import guest_of, parse_address
from arm_hyp.tui.panels.drawing import visible
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.panels.trap import TrapPanel
from arm_hyp.tui.printed import print_text
from arm_hyp.tui.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arm_hyp.tui.app import Options

PROMPT: Final = "> "
_INTERRUPTED: Final = 130
_FIRST_NEWS_S: Final = 2.0
_MOST_CONSOLE_LINES: Final = 40
_COMMANDS_FOR_KEYS: Final = {"Backspace goes": "undo goes", " (Space)": ": the command run"}


class _Read(Panel):
    """Reads what sentences are made of."""

    name, title = "plain", "plain"

    def __init__(self) -> None:
        self._trap = TrapPanel()

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read what the card of a trap is made of, and what happened right here."""
        yield from self._trap.wants(view)
        yield sentences.events_here(view)
        if view.status.vms:
            yield ask.Vcpus()


class Shell:
    """Takes command lines, and says what came of them with `say`."""

    def __init__(self, link: Link, options: Options, say: Callable[[str], None]) -> None:
        panels = [_Read()]
        ahead = AHEAD if options.runs_ahead else None
        self.driver = Driver(link, lambda: panels, is_recording=options.is_recording, ahead=ahead)
        self.has_quit = False
        self._options, self._say = options, say
        self._last = self._difference = ""

    async def open(self) -> None:
        """Start the machine, and say where it is. Raises: UserError."""
        await self.driver.open(self._options.at)
        subject = self.driver.now.subject
        self._say(f"{visible(subject.name)}, on {subject.cpus} CPU{'s' * (subject.cpus > 1)}. help lists the commands.")
        self._tell_difference()
        self.tell(sentences.happened(self.driver.now))

    async def do(self, line: str) -> None:
        """Do what a line says; an empty one repeats the last."""
        words = line.strip() or self._last
        if not words:
            return
        self._last = words
        name, _, argument = words.partition(" ")
        try:
            command = _command(name)
            await command.do(self, _argument(command, argument.strip()))
        except UserError as error:
            self._say(f"error: {visible(str(error))}")
        except NotAnswered as error:
            self._say(f"error: the machine does not answer: {error.answer}")

    # --- commands ----------------------------------------------------------------------------------------------------

    async def move(self, action: Awaitable[str], *, is_step: bool = False) -> None:
        """Do something, say what came of it, what was printed meanwhile, and where the run is now."""
        before = self.driver.now.status
        note = await self._with_news(action)
        now = self.driver.now.status
        has_moved = (now.position, now.branch) != (before.position, before.branch)
        if has_moved and now.outcome:  # the end is told anyway
            note = note.removesuffix(now.outcome).removesuffix(": ")
        if note:
            self._say(_sentence(visible(note)))
        await self._tell_printed(before)
        if has_moved:
            self._tell_difference()
            self.tell(sentences.happened(self.driver.now, is_step=is_step))

    def _tell_difference(self) -> None:
        """Say once that this is not the recorded run."""
        found = sentences.difference(self.driver.now.status)
        if found != self._difference:
            self._difference = found
            self._say(f"{found}.")

    async def _with_news(self, action: Awaitable[str]) -> str:
        """Wait for something; say from time to time how far it is."""
        task, wait_s = asyncio.ensure_future(action), _FIRST_NEWS_S
        while True:
            done, _ = await asyncio.wait({task}, timeout=wait_s)
            if done:
                return task.result()
            progress, wait_s = self.driver.link.progress, wait_s * 2
            if progress is not None:
                self._say(f"At {progress.position} so far. Ctrl-C stops.")

    async def _tell_printed(self, before: StatusAnswer) -> None:
        now = self.driver.now.status
        for vm, (old, new) in enumerate(zip(before.consoles, now.consoles, strict=False)):
            if new > old and now.branch == before.branch:
                name = f"{visible(now.vms[vm])} prints" if vm < len(now.vms) else "The console prints"
                for line in await self._lines_of(vm, old):
                    self._say(f"{name}: {line}")

    async def _lines_of(self, vm: int, start: int) -> list[str]:
        answer = await self.driver.ask(ask.Console(vm, start))
        data = b"".join(chunk.data for chunk in answer.chunks) if isinstance(answer, ConsoleAnswer) else b""
        return sentences.printed(data, start)[-_MOST_CONSOLE_LINES:]

    async def console(self, _: str) -> None:
        """Say what was printed up to here."""
        status = self.driver.now.status
        for vm in range(len(status.consoles)):
            if status.vms:
                self._say(f"Console of {visible(status.vms[vm])}:")
            lines = await self._lines_of(vm, 0)
            for line in lines or ["Nothing was printed so far."]:
                self._say(line)

    async def walk(self, text: str) -> None:
        """Say how an address is translated here."""
        address = parse_address(text, self.driver.now)
        answer = await self.driver.ask(ask.Walk(address, whose=guest_of(self.driver.now)))
        if isinstance(answer, WalkAnswer):
            self.tell(sentences.walk(answer, "read"))

    async def explain(self, word: str) -> None:
        """Say what a word means."""
        from arm_hyp.tui.words import explain_word  # here: it takes a while to import

        self.tell(line.plain for line in explain_word(word, self.driver.now))

    async def look(self, _: str) -> None:
        """Look at the next CPU or VM."""
        note = await self.driver.next_subject()
        whose, names = self.driver.whose, self.driver.now.status.vms
        what = f"CPU {whose.index}" if whose.vm is None else f"{visible(names[whose.vm])}, vCPU {whose.index}"
        self._say(_sentence(note or f"looking at {what}"))

    async def type(self, text: str) -> None:
        """Type a line on the console of the VM that is looked at."""
        self._say(await self.driver.type(text.encode() + b"\r", self.driver.whose.vm or 0))

    async def help(self, _: str) -> None:
        """List the commands."""
        for group, commands in groupby(COMMANDS, lambda command: command.group):
            self._say(f"{group}:")
            for one in commands:
                name = " ".join(filter(None, (one.name, one.argument)))
                self._say(f"  {name}{f', or {one.short}' if one.short else ''}: {one.words}")
        self._say("Enter alone repeats the last command. Ctrl-C stops a run; twice, it quits.")

    async def quit(self, _: str) -> None:
        """Leave; what is to be recorded is written first."""
        self.has_quit = True
        if self._options.record is not None:
            self._say(await self.driver.save(self._options.record))

    def tell(self, lines: Iterable[str]) -> None:
        """Say some sentences."""
        for line in lines:
            self._say(line)


Do = Callable[[Shell, str], Awaitable[None]]
TIME, FINDING, ASKING, PROGRAM = "Through time", "Finding", "Asking and changing", "Program"


class Command(NamedTuple):
    """A command: `short` is its letter, `argument` what must follow; in brackets, what may."""

    name: str
    short: str
    argument: str
    words: str
    group: str
    do: Do


def _moving(method: str, *, takes_text: bool = False) -> Do:
    """Return a command that is a method of the driver."""
    return lambda shell, text: shell.move(getattr(shell.driver, method)(*([text] if takes_text else [])))


def _steps(method: str) -> Do:
    return lambda shell, text: shell.move(getattr(shell.driver, method)(_count(text)), is_step=True)


def _telling(tell: Callable[[View], Iterable[str]]) -> Do:
    async def do(shell: Shell, _: str) -> None:
        shell.tell(tell(shell.driver.now))

    return do


def _count(text: str) -> int:
    if text and not (text.isdecimal() and int(text)):
        raise UserError(text, "is no number of steps", "for example: step 10")
    return int(text or 1)


COMMANDS: Final = (
    Command("step", "s", "[N]", "one step on, or N", TIME, _steps("step")),
    Command("back", "b", "[N]", "one step back, or N", TIME, _steps("back")),
    Command("trap", "t", "", "on to the next exception", TIME, _moving("next_trap")),
    Command("previous", "p", "", "back to the last exception", TIME, _moving("previous_trap")),
    Command("run", "r", "", "run to a breakpoint or the end; Ctrl-C stops", TIME, _moving("run")),
    Command("home", "", "", "to the start of the run", TIME, _moving("home")),
    Command("end", "", "", "as far as the run has come", TIME, _moving("end")),
    Command(
        "goto", "g", "PLACE", "to a position, +N, -N, N%, a mark, symbol or address", TIME,
        _moving("goto", takes_text=True),
    ),
    Command(
        "search", "/", "TEXT", "on to a symbol or a condition, as EC=0x24", FINDING, _moving("search", takes_text=True)
    ),
    Command("next", "n", "", "search for the same again", FINDING, _moving("search_again")),
    Command(
        "breakpoint", "", "PLACE", "set a breakpoint, or take it away", FINDING,
        _moving("toggle_breakpoint", takes_text=True),
    ),
    Command("mark", "M", "NAME", "give this position a name", FINDING, _moving("mark", takes_text=True)),
    Command("marks", "", "", "list the marks and breakpoints", FINDING, _telling(sentences.marks)),
    Command(
        "who", "C", "WHAT", "to the last change of a register, field or memory", FINDING,
        _moving("last_change", takes_text=True),
    ),
    Command("why", "y", "", "why it trapped, or what comes next", ASKING, _telling(sentences.why)),
    Command("whatif", "w", "BIT", "flip a bit on a branch, as HCR_EL2.TWI", ASKING, _moving("flip", takes_text=True)),
    Command("undo", "u", "", "leave the branch: back to where it began", ASKING, _moving("undo")),
    Command("branches", "B", "", "list the branches", ASKING, _telling(sentences.branches)),
    Command("switch", "", "BRANCH", "go to another branch", ASKING, _moving("switch", takes_text=True)),
    Command("registers", "x", "", "the general registers", ASKING, _telling(sentences.registers)),
    Command("walk", "", "ADDRESS", "how an address is translated here", ASKING, Shell.walk),
    Command("explain", "i", "WORD", "what a word means: a register, a bit, WFI, IPA", ASKING, Shell.explain),
    Command("console", "c", "", "what was printed so far", ASKING, Shell.console),
    Command("type", "", "TEXT", "type a line on the console", ASKING, Shell.type),
    Command("look", "", "", "look at the next CPU, or VM", ASKING, Shell.look),
    Command("where", ".", "", "where the run is", PROGRAM, _telling(sentences.happened)),
    Command("save", "S", "FILE", "write the run as a recording", PROGRAM, _moving("save", takes_text=True)),
    Command("help", "?", "", "this list", PROGRAM, Shell.help),
    Command("quit", "q", "", "leave", PROGRAM, Shell.quit),
)  # fmt: skip


def _command(name: str) -> Command:
    """Return the command of a letter, a name, or the beginning of a name. Raises: UserError."""
    found = [one for one in COMMANDS if name in (one.name, one.short)]
    found = found or [one for one in COMMANDS if one.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    cause = f"may be {' or '.join(one.name for one in found)}" if found else "is no command"
    raise UserError(visible(name), cause, "help lists the commands")


def _argument(command: Command, text: str) -> str:
    if command.argument and not command.argument.startswith("[") and not text:
        raise UserError(command.name, f"wants {command.argument}", f"it is {command.words}")
    if text and not command.argument:
        raise UserError(visible(text), f"{command.name} takes nothing", "leave it out")
    return text


# --- the prompt -------------------------------------------------------------------------------------------------------


Make = Callable[[Link, "Options", Callable[[str], None]], Shell]


def run_plain(link: Link, options: Options, make: Make = Shell) -> int:
    """Take commands from standard input until it ends; return the exit status. Raises: UserError, at the start."""
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        with suppress(ImportError):
            import readline  # noqa: F401  # input() has a history then
    shell = make(link, options, print_text)
    with asyncio.Runner() as runner:
        try:
            _run(runner, shell, shell.open())
            for line in _lines(is_terminal):
                _run(runner, shell, shell.do(line))
                if shell.has_quit:
                    return 0
            _run(runner, shell, shell.quit(""))
            return 0
        except KeyboardInterrupt:
            return _INTERRUPTED
        finally:
            runner.run(link.close())


def _sentence(note: str) -> str:
    """Return what the driver says as a sentence, with the commands of this prompt for keys of the full screen."""
    text = note[:1].upper() + note[1:]
    for key, command in _COMMANDS_FOR_KEYS.items():
        text = text.replace(key, command)
    return text if text.endswith(".") else f"{text}."


def _lines(is_terminal: bool) -> Iterator[str]:
    """Give what is typed, until it ends. From a pipe it is shown, too. Raises: KeyboardInterrupt, the second time."""
    was_interrupted = False
    while True:
        try:
            line = input(PROMPT if is_terminal else "")
        except EOFError:
            return
        except KeyboardInterrupt:
            if was_interrupted:
                raise
            was_interrupted = True
            print_text("\nCtrl-C again, or quit, leaves.")
            continue
        was_interrupted = False
        if not is_terminal:
            print_text(f"{PROMPT}{visible(line)}")
        yield line


def _run(runner: asyncio.Runner, shell: Shell, action: Awaitable[None]) -> None:
    """Do something; Ctrl-C has the machine stop first, the second time it is left. Raises: KeyboardInterrupt."""

    async def done() -> None:
        task = asyncio.ensure_future(action)
        with _interrupts(shell.driver.link, task):
            try:
                await task
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None

    runner.run(done())


@contextmanager
def _interrupts(link: Link, task: asyncio.Future[None]) -> Iterator[None]:
    presses: list[int] = []

    def interrupt() -> None:
        presses.append(signal.SIGINT)
        if len(presses) > 1:
            task.cancel()
        else:
            link.stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
