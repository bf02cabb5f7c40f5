"""`arm-hyp tui FILE|RUN.hyp`: the terminal. All options of `arm-hyp run` say what machine a FILE runs on.

Read `tui/app.py` before this file. What is imported here, is imported while the machine starts in its own process.
"""

from __future__ import annotations

import gc
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer
from typer.main import get_command

from arm_hyp.cli.run_options import one_of
from arm_hyp.cli.settings import Settings
from arm_hyp.errors import UserError
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.position import Position, parse_position

if TYPE_CHECKING:
    from collections.abc import Callable

    from arm_hyp.tui.app import ArmHypApp, Options
    from arm_hyp.tui.link import Link, Source
    from arm_hyp.tui.plain import Shell
    from arm_hyp.tui.tours.tour import Tour

app = typer.Typer(add_completion=False)

THEMES: Final = ("dark", "light", "projector", "mono")
WITHOUT_SCREEN: Final = {
    "has_limit": "--max-instructions",
    "until": "--until",
    "trace": "--trace",
    "trace_format": "--trace-format",
    "is_realtime": "--realtime",
    "has_statistics": "--stat",
    "always_diagnoses": "--diagnose",
    "dumps": "--dump",
    "input_path": "--input",
    "checks": "--check",
    "embed": "--embed",
    "gdb": "--gdb",
    "symbols": "--symbols",
}
"""Options of `arm-hyp run` that a screen has no use for, by the field of `Settings` that each sets."""


class Asked(NamedTuple):
    """How it is to look, and where to begin."""

    theme: str | None = None
    ascii_only: bool = False
    at: Position | None = None
    plain: bool = False
    reduced_motion: bool = False
    live: bool = False
    record: str | None = None


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def tui(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|RUN.hyp", help="What to run, or a recording.")],
    theme: Annotated[
        str | None, typer.Option(help="dark, light, projector (large contrast) or mono (no colours).")
    ] = None,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII alone.")] = False,
    at: Annotated[str | None, typer.Option(help="Begin at this position: N or N.SEQ.")] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="No full screen: the same at a prompt, line by line, for a screen reader.")
    ] = False,
    reduced_motion: Annotated[
        bool, typer.Option("--reduced-motion", help="Nothing moves by itself: a run is shown where it ends.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Do not run a short guest ahead: it waits for what you type.")
    ] = False,
    record: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write the run as a recording when you quit.")
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Of a recording: a file that is not in it, or a directory. Repeatable."),
    ] = None,
) -> None:
    """Show a run in the terminal: step on and back, trap by trap, ask why, and what if.

    What else is on the line is for `arm-hyp run`: the options that say what machine FILE runs on. Press ? for all keys.
    """
    asked = Asked(
        theme=None if theme is None else one_of("--theme", theme, THEMES, "theme"),
        ascii_only=ascii_only,
        at=None if at is None else parse_position(at),
        plain=plain,
        reduced_motion=reduced_motion,
        live=live,
        record=record,
    )
    if not file.lower().endswith(".hyp"):
        from arm_hyp.cli import run as run_command  # here: a recording needs none of it

        arguments = [file, *ctx.args]
        status = get_command(run_command.app).main(
            arguments, prog_name=ctx.command_path, standalone_mode=False, obj=partial(show, asked)
        )
        raise typer.Exit(status)
    if ctx.args:
        raise UserError(ctx.args[0], "a recording has its own machine", "leave it out")
    from arm_hyp.timeline.process.pipe import RecordingFile

    raise typer.Exit(start(RecordingFile(file, tuple(files or ())), asked))


def show(asked: Asked, configuration: Configuration, settings: Settings) -> int:
    """Show a run that the options of `arm-hyp run` describe. Raises: UserError."""
    plain = Settings(limit=settings.limit)
    for name, option in WITHOUT_SCREEN.items():
        if getattr(settings, name) != getattr(plain, name):
            raise UserError(option, "is for runs without a screen", "leave it out")
    return start(configuration, asked)


def has_screen() -> bool:
    """Tell whether there is a terminal, or a browser that shows one."""
    return "TEXTUAL_DRIVER" in os.environ or (sys.stdin.isatty() and sys.stdout.isatty())


def has_unicode() -> bool:
    """Tell whether the terminal shows more than ASCII: Python writes UTF-8 in the C locale too, whoever reads it."""
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        return False
    named = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    is_asked_for = "PYTHONUTF8" in os.environ or "TEXTUAL_DRIVER" in os.environ or "utf" in named.lower()
    return is_asked_for or not sys.flags.utf8_mode


def start(source: Source, asked: Asked, tour: Tour | None = None, tour_speed: float = 1.0) -> int:
    """Begin: the machine in its process first, then the screen, perhaps with a tour. Raises: UserError."""
    if not asked.plain and not has_screen():
        raise UserError("arm-hyp tui", "there is no terminal", "run it in one, or use --plain")
    if not asked.plain and os.environ.get("TERM") == "dumb" and "TEXTUAL_DRIVER" not in os.environ:
        raise UserError("arm-hyp tui", "this terminal has no cursor to move (TERM=dumb)", "use --plain")
    from arm_hyp.tui.link import ProcessLink

    gc.disable()  # what is imported stays; the screen turns it on again when the machine is there
    link = ProcessLink(source)  # starts at once; the screen is imported meanwhile
    from arm_hyp.tui.app import ArmHypApp, Options
    from arm_hyp.tui.look import ASCII, PALETTES, UNICODE, Look
    from arm_hyp.tui.speeds import CALM, FULL

    theme = asked.theme or ("mono" if os.environ.get("NO_COLOR") else "dark")
    is_configuration = isinstance(source, Configuration)
    is_short = not asked.live and _is_small(source)
    look = Look(PALETTES[theme], ASCII if asked.ascii_only or not has_unicode() else UNICODE, not asked.reduced_motion)
    options = Options(
        look=look,
        speed=FULL if asked.reduced_motion or (is_configuration and not is_short) else CALM,
        is_live=is_configuration and not is_short,
        runs_ahead=is_short or not is_configuration,  # of a recording, what follows is known
        at=asked.at,
        is_recording=not is_configuration,
        handlers=source.hypervisor if isinstance(source, Configuration) and source.hypervisor else None,
        record=asked.record,
        message="press PgDn for the first exception, ? for all keys",
    )
    if asked.plain:
        gc.enable()
        from arm_hyp.tui.plain import Shell, run_plain

        return run_plain(link, options, Shell if tour is None else tour_shell(tour))
    screen = ArmHypApp(link, options) if tour is None else tour_app(link, options, tour, tour_speed)
    if "TEXTUAL_DRIVER" not in os.environ:
        for name in ("COLUMNS", "LINES"):  # a shell that exports them would have a resize go unnoticed
            os.environ.pop(name, None)
    screen.run()
    if screen.failure is not None:
        raise screen.failure
    return screen.return_code or 0


def tour_app(link: Link, options: Options, tour: Tour, speed: float) -> ArmHypApp:
    """Return the application with a tour."""
    from arm_hyp.tui.tours.app import TourApp  # here: most have none

    return TourApp(link, options, tour, speed)


def tour_shell(tour: Tour) -> Callable[[Link, Options, Callable[[str], None]], Shell]:
    """Return what makes a prompt with a tour."""
    from arm_hyp.tui.tours.plain import TourShell  # here: most have none

    return partial(TourShell, tour)


def _is_small(source: Source) -> bool:
    """Tell whether this is a guest to look at trap by trap, and no operating system."""
    if not isinstance(source, Configuration):
        return False
    images = [source.image, *(vm.image for vm in source.vms)]
    return all(image is None or image.lower().endswith(".s") for image in images) and source.bios is None
