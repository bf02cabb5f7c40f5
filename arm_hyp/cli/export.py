"""`arm-hyp export run.hyp --to FORMAT`: write a recorded run for another tool, or as pictures.

Read `debug/exports/exporter.py` before this file, `cli/export_pictures.py` after it. The file appears when it is
complete: a run of a large guest takes its time, and whoever ends it early is left with what was there before.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, TextIO

import typer

from arm_hyp.cli.recorded import DIFFERS
from arm_hyp.cli.run_options import one_of
from arm_hyp.cli.terminal import signals_end
from arm_hyp.debug.exports.exporter import Export, Part
from arm_hyp.debug.exports.formats import FORMATS
from arm_hyp.errors import UserError
from arm_hyp.timeline.position import Position, parse_position
from arm_hyp.timeline.process.pipe import RecordingFile
from arm_hyp.timeline.recordings.replay import Replay

if TYPE_CHECKING:
    from arm_hyp.cli.export_pictures import DrawnExport

app = typer.Typer(add_completion=False)

DRAWN: Final[Mapping[str, str]] = {"svg": ".svg", "cast": ".cast", "html": ".html"}
"""What the terminal shows, with the ends of the files' names."""
_ONLY_FOR: Final[Mapping[str, tuple[str, ...]]] = {
    "--at": ("svg",),
    "--steps": ("cast", "html"),
    **dict.fromkeys(("--panel", "--size", "--theme", "--ascii"), tuple(DRAWN)),
}
THEMES: Final = ("dark", "light", "projector", "mono")
_STANDARD: Final = "-"
_BY_SIGNAL: Final = 128


@app.command()
def export(
    recording: Annotated[str, typer.Argument(metavar="RUN.hyp", help="What `arm-hyp run --record` wrote.")],
    to: Annotated[
        str,
        typer.Option(
            help="perfetto, ftrace (KVM's events as Linux prints them), jsonl, csv; or drawn: svg, cast, html."
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to; - is standard output. Else: beside RUN.hyp, by its name."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    from_: Annotated[
        int, typer.Option("--from", help="Leave out what happens before so many instructions.", min=0)
    ] = 0,
    until: Annotated[
        int | None, typer.Option(help="Leave out what happens from so many instructions on.", min=1)
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH", help="A file of the run that is not in it, or a directory to look in. Repeatable."
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="svg: the position, N or N.SEQ. [default: the first exception]")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(help="cast, html: exceptions or instructions. [default: exceptions]")
    ] = None,
    panel: Annotated[str | None, typer.Option(help="Drawn: one panel alone, as ladder, trap, bits.")] = None,
    size: Annotated[str | None, typer.Option(help="Drawn: columns and rows. [default: 120x40]")] = None,
    theme: Annotated[
        str | None, typer.Option(help="Drawn: dark (html: and light), light, projector or mono. [default: dark]")
    ] = None,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Drawn: with ASCII alone.")] = False,
) -> None:
    """Write a recorded run for another tool, or what the terminal shows of it as a picture or a page.

    perfetto, ftrace, jsonl and csv tell its events. svg is a picture of one position; cast a terminal recording
    (asciicast) with a marker at every step; html one page with a slider over the steps, which needs nothing else.

    The run is replayed for it: nobody's code is imported. Exit status: 0, 3 if the replay differs from the recording
    (nothing is written then), 2 on bad input.
    """
    form = one_of("--to", to, (*FORMATS, *DRAWN), "format")
    target = output or str(Path(recording).with_suffix(DRAWN.get(form) or FORMATS[form].suffix))
    wishes = Wishes(at, steps, panel, size, theme, ascii_only)
    wishes.check(form)
    if form in DRAWN:
        source, part = RecordingFile(recording, tuple(files or ())), (from_, until)
        raise typer.Exit(_draw(wishes.export(source, form, part), target, recording, force=force))
    with Replay.open(recording, files or ()) as replay:
        _check_target(target, recording, force=force)
        made = Export(replay, form, Part(from_, until))
        raise typer.Exit(_write(made, target, recording))


class Wishes(NamedTuple):
    """What the options for drawings say, as the user wrote them."""

    at: str | None
    steps: str | None
    panel: str | None
    size: str | None
    theme: str | None
    ascii_only: bool

    def check(self, form: str) -> None:
        """Refuse what means nothing for a format. Raises: UserError."""
        for name, value in zip(_ONLY_FOR, self, strict=True):
            if value and form not in _ONLY_FOR[name]:
                raise UserError(name, f"is not for {form}", f"it is for --to {', '.join(_ONLY_FOR[name])}")

    def export(self, source: RecordingFile, form: str, part: tuple[int, int | None]) -> DrawnExport:
        """Return the export. Raises: UserError."""
        from arm_hyp.cli.export_pictures import Drawing, DrawnExport  # here: the others draw nothing
        from arm_hyp.tui.pictures.steps import KINDS, Steps

        kind = one_of("--steps", self.steps or "exceptions", KINDS, "kind of steps")
        theme = one_of("--theme", self.theme or "dark", THEMES, "theme")
        start, end = part
        if form == "svg" and part != (0, None):
            raise UserError("--from, --until", "a picture is of one place", "say which with --at")
        steps = Steps(kind == "instructions", Position(start), None if end is None else Position(end))
        at = None if self.at is None else parse_position(self.at)
        return DrawnExport(source, form, Drawing(self.size or "120x40", theme, self.ascii_only, self.panel, at, steps))


def _draw(made: DrawnExport, target: str, recording: str, *, force: bool) -> int:
    """Write what is drawn; return the exit status. Raises: UserError."""
    _check_target(target, recording, force=force)
    signals: list[int] = []

    def stop(number: int) -> None:
        signals.append(number)
        made.stop()

    with signals_end(stop), _opened(target) as (file, keep):
        made.write(file)
        if made.is_complete:
            keep()
    if made.difference:
        return _differs(recording, made.difference, target)
    return _told(signals, target, is_complete=made.is_complete, note=made.note)


def _told(signals: list[int], target: str, *, is_complete: bool, note: str = "") -> int:
    """Say what became of the file; return the exit status."""
    if not is_complete:
        print(f"interrupted; {_left(target)}", file=sys.stderr)
        return _BY_SIGNAL + (signals[0] if signals else signal.SIGINT)
    if note:
        print(note, file=sys.stderr)
    print(f"written to {'standard output' if target == _STANDARD else target}", file=sys.stderr)
    return 0


def _check_target(target: str, recording: str, *, force: bool) -> None:
    """Refuse to overwrite what the user has not said may be. Raises: UserError."""
    file = Path(target)
    if target == _STANDARD:
        return
    if file.is_dir() or not file.name:
        raise UserError(f"-o {target}", "is a directory", "name a file")
    if not file.parent.is_dir():
        raise UserError(f"-o {target}", "there is no such directory", "make it, or name another file")
    if file.exists() and Path(recording).exists() and file.samefile(recording):
        raise UserError(f"-o {target}", "is the recording itself", "name another file")
    if file.is_file() and not force:
        raise UserError(target, "is there already", "say --force, or name another file with -o")


def _write(made: Export, target: str, recording: str) -> int:
    """Write the file; return the exit status."""
    signals: list[int] = []

    def stop(number: int) -> None:
        signals.append(number)
        made.stop("the export was interrupted")

    with signals_end(stop), _opened(target) as (file, keep):
        made.write(file, _show if sys.stderr.isatty() else lambda percent: None)
        difference = made.difference
        is_complete = made.is_complete and not difference
        if is_complete:
            keep()
    if difference:
        return _differs(recording, difference, target)
    return _told(signals, target, is_complete=is_complete)


def _differs(recording: str, difference: str, target: str) -> int:
    """Say how a replay differs; return the exit status."""
    print(f"{recording}: the replay differs from the recording: {difference}; {_left(target)}", file=sys.stderr)
    return DIFFERS


def _left(target: str) -> str:
    return "what was written ends early" if target == _STANDARD else f"{target} was not written"


def _show(percent: int) -> None:
    """Show progress, on a line that the next one replaces."""
    sys.stderr.write(f"\r{percent:3} %\r")
    sys.stderr.flush()


@contextmanager
def _opened(target: str) -> Iterator[tuple[TextIO, Callable[[], None]]]:
    """Give a file to write, and a function that says it is complete: only then it takes its place.

    What is no ordinary file (a pipe, a device) is written as it is. Raises: UserError.
    """
    if target == _STANDARD:
        yield sys.stdout, lambda: None
        return
    final = Path(target).resolve()
    is_special = final.exists() and not final.is_file()
    written = final if is_special else final.with_name(f".{final.name[:200]}.{os.getpid()}.partial")
    complete: list[bool] = []
    try:
        with written.open("w", encoding="utf-8", newline="") as file:
            yield file, lambda: complete.append(True)
        if complete and not is_special:
            written.replace(final)
    except OSError as error:
        way_out = "make room, or name another file with -o"
        raise UserError(target, f"cannot be written: {error.strerror or error}", way_out) from None
    finally:
        if not is_special:
            with suppress(OSError):
                written.unlink()
