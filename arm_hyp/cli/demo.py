"""`arm-hyp demo [TOUR]`: a tour in the terminal; or the first trap, with the traces of two runs side by side.

Read `explain/comparison.py` before this file, where what is said of both is made, and `tui/tours/` for the tours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from arm_hyp.cli.run_options import one_of
from arm_hyp.cli.tui import THEMES, Asked, has_screen, start
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.events import Event, RecordingSink
from arm_hyp.explain import comparison
from arm_hyp.explain.comparison import Role, Row
from arm_hyp.resources import guests_directory
from arm_hyp.runner.runner import Configuration, Run, Runner

app = typer.Typer(add_completion=False)

SLOWEST: Final = 0.1
FASTEST: Final = 20.0
GUEST: Final = "02-wfi.s"
LIMIT: Final = 100_000
BIT: Final = "HCR_EL2.TWI"
PICTURE_COLUMNS: Final = 100
WIDE_FROM_COLUMNS: Final = 100
"""From here on there is room for a column of addresses."""
WIDEST_COLUMNS: Final = 132

_STYLES: Final[dict[Role, str]] = {
    "trap": "bold red",
    "return": "cyan",
    "wait": "bold green",
    "end": "dim",
    "plain": "",
}
_LEVEL_STYLES: Final = {0: "blue", 1: "green", 2: "magenta", 3: "yellow"}


class RunOfGuest(NamedTuple):
    """One run: the value that the bit had, the events, and the control registers at the end."""

    bit: int
    events: Sequence[Event]
    controls: dict[str, int]
    symbols: SymbolTable


@app.command()
def demo(
    name: Annotated[
        str | None, typer.Argument(metavar="[TOUR]", help="A tour by its name, or a file of one. [default: the first]")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="No tour: the WFI guest with HCR_EL2.TWI clear and set, side by side.")
    ] = False,
    speed: Annotated[float, typer.Option(help="Of a tour: 2 halves its pauses.", min=SLOWEST, max=FASTEST)] = 1.0,
    theme: Annotated[str | None, typer.Option(help="Of a tour: dark, light, projector or mono.")] = None,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw a tour with ASCII alone.")] = False,
    reduced_motion: Annotated[
        bool, typer.Option("--reduced-motion", help="A tour goes on by keys alone, never by itself.")
    ] = False,
    svg: Annotated[str | None, typer.Option(metavar="FILE", help="Write the comparison as a picture (SVG).")] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Play a TOUR at a prompt; without one, print the comparison with ASCII alone."),
    ] = False,
) -> None:
    """Play a tour in the terminal: a guest, shown and told step by step; any key takes over.

    Without a terminal, or with --compare, the first trap is printed: one guest, run with HCR_EL2.TWI clear and set.
    """
    asked = Asked(
        theme=None if theme is None else one_of("--theme", theme, THEMES, "theme"),
        ascii_only=ascii_only,
        reduced_motion=reduced_motion,
        plain=plain,
    )
    if svg is not None:
        _write(svg, picture(run_guest(0), run_guest(1)))
    elif compare or (name is None and (plain or not has_screen())):
        _print_comparison(plain)
        if name is None and not (compare or plain):
            print_tours()
    else:
        raise typer.Exit(_play(name, asked, speed))


def _print_comparison(plain: bool) -> None:
    clear, trapping = run_guest(0), run_guest(1)
    console = Console(color_system=None, highlight=False) if plain else Console(highlight=False)
    console.width = min(console.width, WIDEST_COLUMNS)
    console.print(render(clear, trapping, wide=console.width >= WIDE_FROM_COLUMNS, ascii_only=plain))


def print_tours() -> None:
    """List the tours, and how to play one."""
    from arm_hyp.tui.tours.tour import tours  # here: to compare needs none

    print("Tours, in a terminal:")
    for one in tours():
        print(f"  arm-hyp demo {one.name:<14} {one.title}")


def _play(name: str | None, asked: Asked, speed: float) -> int:
    from arm_hyp.tui.tours.tour import tour_named, tours

    if name is None:
        print_tours()
    tour = tours()[0] if name is None else tour_named(name)
    return start(tour.configuration, asked, tour=tour, tour_speed=speed)


def run_guest(bit: int, path: Path | None = None) -> RunOfGuest:
    """Run the guest with the bit set to a value before its first instruction."""
    sink = RecordingSink()
    image = str(path or guests_directory() / GUEST)
    runner = Runner(Configuration(image=image, settings=(f"{BIT}={bit}",)), sink)
    runner.send(Run(LIMIT))
    return RunOfGuest(bit, sink.events, runner.machine.core.controls.snapshot(), runner.symbols)


def render(clear: RunOfGuest, trapping: RunOfGuest, *, wide: bool = False, ascii_only: bool = False) -> RenderableType:
    """Return the reason and both traces, for any width from 80 columns on."""
    sentence = comparison.reason(clear.events, clear.controls, trapping.events)
    table = Table.grid(expand=True, padding=0)
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    table.add_row(_panel(clear, trapping, wide, ascii_only), _panel(trapping, clear, wide, ascii_only))
    return Group(Padding(_emphasized(sentence), (0, 1, 1, 1)), table)


def _emphasized(sentence: str) -> Text:
    text = Text(sentence)
    text.highlight_regex(r"\bWF[IE]\b|\b[A-Z]+_EL[0-3]\.\w+( is [01])?", "bold yellow")
    text.highlight_regex(r"\btraps\b", "bold red")
    text.highlight_regex(r"\bwaits\b", "bold green")
    return text


def _panel(run: RunOfGuest, other: RunOfGuest, wide: bool, ascii_only: bool) -> Panel:
    rows = comparison.rows(run.events, other.events, run.symbols)
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    if wide:
        table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for row in rows:
        address = (Text(row.address, "dim"),) if wide else ()
        table.add_row(row.position, _level(row), *address, _text(row))
    style = "red" if run.bit else "green"
    return Panel(
        table,
        title=Text(f"{BIT} = {run.bit}", f"bold {style}"),
        border_style=style,
        box=box.ASCII if ascii_only else box.ROUNDED,
        padding=(0, 1),
    )


def _level(row: Row) -> Text:
    return Text(f"EL{row.el}", _LEVEL_STYLES[row.el] if row.differs else f"dim {_LEVEL_STYLES[row.el]}")


def _text(row: Row) -> Text:
    text = Text(row.headline, _STYLES[row.role] if row.differs else "dim")
    details = "\n".join(row.more)
    return Text.assemble(text, "\n", (details, _detail_style(row))) if details else text


def _detail_style(row: Row) -> str:
    return "" if row.differs and row.role == "trap" else "dim"


def picture(clear: RunOfGuest, trapping: RunOfGuest) -> str:
    """Return what `demo` prints as an SVG that needs nothing from elsewhere: the reader's own monospaced font."""
    from arm_hyp.tui.pictures.svg import svg_of  # here: who prints needs none

    return svg_of(render(clear, trapping, wide=True), PICTURE_COLUMNS, "arm-hyp demo", identity="arm-hyp-demo")


def _write(name: str, content: str) -> None:
    try:
        Path(name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"--svg {name}", f"the picture cannot be written: {error.strerror}", "name another file"
        ) from None
