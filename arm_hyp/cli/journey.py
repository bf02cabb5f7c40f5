"""A run that a command travels in: a recording, or a guest that is run first. With progress, Ctrl-C and positions.

Read `timeline/timeline.py`, `timeline/recordings/saved.py` and `cli/terminal.py` before this file; `cli/find.py`,
`cli/who.py` and `cli/show.py` after it. Nothing is written: whoever ends it early has lost nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import typer
from typer.main import get_command

from arm_hyp.cli.journey_symbols import Symbols
from arm_hyp.cli.terminal import signals_end
from arm_hyp.errors import UserError
from arm_hyp.machine.loader import read_file
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.position import START, Position, parse_position
from arm_hyp.timeline.recordings.container import MAGIC
from arm_hyp.timeline.search import Search
from arm_hyp.timeline.timeline import Timeline

if TYPE_CHECKING:
    from arm_hyp.cli.settings import Settings
    from arm_hyp.timeline.recordings.recording import End, Recording
    from arm_hyp.timeline.recordings.replay import Replay
    from arm_hyp.timeline.statistics import Statistics

DIFFERS: Final = 3
INTERRUPTED: Final = 130
NOT_FOUND: Final = 1
RUN_CONTEXT: Final = {"allow_extra_args": True, "ignore_unknown_options": True}
"""The settings of a command that leaves options it does not know to `arm-hyp run`."""
FileArgument: Final = typer.Argument(metavar="RUN", help="A recording (run.hyp), or a guest: it is run first.")
FilesOption: Final = typer.Option(
    metavar="PATH", help="A file of the run that is not in its recording, or a directory to look in. Repeatable."
)
SymbolsOption: Final = typer.Option(
    metavar="FILE", help="Names for addresses: an ELF file or a System.map. Linux brings its own. Repeatable."
)
_PIECE: Final = 1 << 24
"""Instructions: so often is progress shown."""
_OPEN_ENDS: Final = ("open", "limit", "stopped")
"""Behind these the run could go on: the recording says exactly where it did not."""


class _Interrupted(Exception):
    """The user has ended a search: it need not come back to where it began."""


class Journey:
    """A timeline and how far it goes: to `last` instructions, or to the text `until` on the console.

    `limit` in instructions is that of the run, and of every branch of it; `replay` what was recorded, if it was.
    """

    def __init__(
        self,
        timeline: Timeline,
        name: str,
        last: Position,
        until: str = "",
        symbols: Sequence[str] = (),
        *,
        replay: Replay | None = None,
    ) -> None:
        self.timeline, self.name, self._last, self._until, self.replay = timeline, name, last, until, replay
        self.limit = last.n if replay is None else _limit(replay.recording)
        self.symbols = Symbols(timeline.runner, symbols)
        self.search = Search(timeline, self._looked)
        self.is_interrupted = self._shows = False

    # --- going -------------------------------------------------------------------------------------------------------

    def go(self, position: Position) -> None:
        """Go to a position, or to the end of the run if it lies beyond."""
        timeline = self.timeline
        if self.replay is not None:
            position = min(position, self._last)  # what would come behind that was not recorded
        while timeline.position < position and not self.is_interrupted:
            before = timeline.position
            timeline.seek(min(position, Position(before.n + _PIECE)))
            if timeline.position == before or timeline.has_ended:
                break
            self.symbols.look(timeline.position.n)
            self._progress(f"{timeline.position.n:,} instructions")
        if timeline.position > position:
            timeline.seek(position)

    def go_to_end(self) -> None:
        """Go to the end of the run."""
        if self._until:
            self.timeline.run(self._last.n, self._until)
            self.symbols.look(self.timeline.position.n)
        else:
            self.go(self._last)

    def go_to(self, text: str, option: str) -> None:
        """Go to what a text means: `start`, `end`, a mark, or N[.SEQ]. Raises: UserError, also behind the end."""
        position = self.position(text, option)
        if text == "end":
            self.go_to_end()
            return
        self.go(position)
        here = self.timeline.position
        if here < position and not self.is_over:
            raise UserError(f"{option} {text}", f"the run ends at {here}", "ask for a position before that, or `end`")

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more is to be told: the user has interrupted it, or this is not the recorded run."""
        return self.is_interrupted or bool(self.timeline.difference)

    @property
    def end_text(self) -> str:
        """Say how the run ended, if the cursor is there; else nothing."""
        outcome = self.timeline.outcome
        return outcome.text if outcome is not None and self.timeline.has_ended else ""

    @property
    def last(self) -> Position:
        """The last position that may be gone to, which may lie behind the end."""
        return self._last

    @property
    def until(self) -> str:
        """The text on the console that ends the run."""
        return self._until

    def position(self, text: str, option: str) -> Position:
        """Return the position that a text means: `start`, `end`, a mark, or N[.SEQ]. Raises: UserError."""
        marks = self.timeline.marks
        if text in marks:
            return marks[text]
        if text in ("start", "end"):
            return START if text == "start" else self._last
        try:
            return parse_position(text)
        except UserError as error:
            known = f"; marks: {', '.join(sorted(marks))}" if marks else ""
            way_out = f"{error.way_out}; or start, end or a mark{known}"
            raise UserError(f"{option} {text}", "is no position and no mark", way_out) from None

    # --- the user ----------------------------------------------------------------------------------------------------

    def _interrupt(self, _signal: int) -> None:
        self.is_interrupted = True
        self.timeline.stop()

    def _looked(self, position: Position) -> None:
        if self.is_interrupted:
            raise _Interrupted
        self.symbols.look(self.timeline.position.n)
        self._progress(f"looked at {position.n:,}")

    def _progress(self, text: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text:60}\r")
            sys.stderr.flush()
            self._shows = True

    def clear(self) -> None:
        """Take the line of progress away, before something is printed."""
        if self._shows:
            sys.stderr.write(f"\r{'':60}\r")
            sys.stderr.flush()
            self._shows = False

    def travel(self, do: Callable[[Journey], int]) -> int:
        """Do what a command does, and return the exit status."""
        try:
            with signals_end(self._interrupt):
                status = do(self)
        except _Interrupted:
            status = INTERRUPTED
        finally:
            self.clear()
        if self.timeline.difference:
            print(f"{self.name}: the run differs from the recording: {self.timeline.difference}", file=sys.stderr)
            return DIFFERS
        if self.is_interrupted:
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        return status


# --- what is travelled in ---------------------------------------------------------------------------------------------


def travel(
    ctx: typer.Context,
    file: str | None,
    files: Sequence[str] | None,
    symbols: Sequence[str] | None,
    do: Callable[[Journey], int],
    statistics: Statistics | None = None,
) -> None:
    """Open a recording, or make the machine of a guest, and do what the command does. Raises: typer.Exit, UserError.

    What is left of the command line is for `arm-hyp run`, where `file` is a guest; None: it is in there, too.
    `statistics`, if there are any, are those of the place where the cursor is.
    """
    if file is not None and is_recording(file):
        if ctx.args:
            raise UserError(ctx.args[0], "a recording has its own options", f"try '{ctx.command_path} --help'")
        raise typer.Exit(_travel_in_recording(file, files or (), symbols or (), do, statistics))
    if files:
        raise UserError("--files", f"{file or 'this run'} is no recording", "leave it out")
    from arm_hyp.cli import run  # here: a recording needs no options of `run`

    use = partial(_travel_in_guest, file, symbols or (), do, statistics)
    line = ctx.args if file is None else [file, *ctx.args]
    status = get_command(run.app).main(line, prog_name=ctx.command_path, standalone_mode=False, obj=use)
    raise typer.Exit(status if isinstance(status, int) else 0)


def is_recording(file: str) -> bool:
    """Tell whether a file is a recording, by what it begins with or by its name."""
    try:
        with open(file, "rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC or file.endswith(".hyp")
    except OSError:
        return file.endswith(".hyp")


def _travel_in_recording(
    file: str,
    files: Sequence[str],
    symbols: Sequence[str],
    do: Callable[[Journey], int],
    statistics: Statistics | None,
) -> int:
    from arm_hyp.timeline.recordings.replay import Replay  # here: a guest needs neither
    from arm_hyp.timeline.recordings.saved import open_timeline

    with Replay.open(file, files) as replay:
        timeline = open_timeline(replay, statistics=statistics).timeline
        return Journey(timeline, file, _end(replay.recording.end), symbols=symbols, replay=replay).travel(do)


def _end(end: End) -> Position:
    """Return where a recording ends: a run that has ended is asked for one instruction more, and says so then."""
    return Position(end.n, end.seq) if end.reason in _OPEN_ENDS else Position(end.n + 1)


def _limit(recording: Recording) -> int:
    """Return how far a branch of a recorded run may go."""
    end = recording.end
    return end.n if end.reason in _OPEN_ENDS else recording.run.limit


def _travel_in_guest(
    file: str | None,
    symbols: Sequence[str],
    do: Callable[[Journey], int],
    statistics: Statistics | None,
    configuration: Configuration,
    settings: Settings,
) -> int:
    for option, value in {"--trace": settings.trace, "--realtime": settings.is_realtime}.items():
        if value:
            raise UserError(option, "this command looks at a run, and does not show it", "leave it out")
    timeline = Timeline(configuration, statistics=statistics)
    for warning in timeline.runner.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if settings.input_path not in (None, "-"):
        timeline.type(read_file(str(settings.input_path)))
    name = file or configuration.image or "the run"
    return Journey(timeline, name, Position(settings.limit), settings.until, symbols).travel(do)
