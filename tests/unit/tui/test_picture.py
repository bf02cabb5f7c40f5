"""A picture is what the application shows; as SVG it needs nothing from elsewhere."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ElementTree

import pytest
from rich.text import Text

from arm_hyp.errors import UserError
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Run
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.app import ArmHypApp, Options
from arm_hyp.tui.look import LIGHT, MONO, Look
from arm_hyp.tui.picture import Painter, Size, Wanted, top_line
from arm_hyp.tui.pictures.svg import svg_of
from arm_hyp.tui.session_link import SessionLink

AT = Position(10, 2)


def link_to(guest: str, hypervisor: str | None = None) -> SessionLink:
    """Return a link to a guest of `guests/` that has run to its end."""
    image = str(guests_directory() / guest)
    session = Session(Configuration(image=image, settings=("HCR_EL2.TWI=1",), hypervisor=hypervisor))
    session.send(Run(100_000))
    return SessionLink(session)


async def painted(wanted: Wanted, guest: str = "02-wfi.s", hypervisor: str | None = None) -> list[Text]:
    painter = Painter(link_to(guest, hypervisor), wanted)
    await painter.open(AT)
    return painter.lines()


async def shown(size: Size, guest: str, hypervisor: str | None) -> list[str]:
    """Return the lines that the application shows."""
    app = ArmHypApp(link_to(guest, hypervisor), Options(at=AT))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await app.work.is_idle.wait()
        await pilot.pause()
        strips = [strip.text for strip in app.screen._compositor.render_strips(app.size)]
    return strips


@pytest.mark.parametrize("size", [Size(80, 24), Size(120, 40), Size(200, 60)])
@pytest.mark.parametrize(("guest", "hypervisor"), [("02-wfi.s", None), ("25-demand-paging.s", "")])
def test_a_picture_is_what_the_application_shows(size: Size, guest: str, hypervisor: str | None) -> None:
    lines = asyncio.run(painted(Wanted(size), guest, hypervisor))
    assert [line.plain for line in lines] == asyncio.run(shown(size, guest, hypervisor))
    assert {line.cell_len for line in lines} == {size.width} and len(lines) == size.height


def test_one_panel_alone_fills_the_picture() -> None:
    lines = [line.plain for line in asyncio.run(painted(Wanted(Size(60, 20), panel="bits")))]
    assert "4 bits" in lines[0] and lines[-2].startswith("┗") and not any("ladder" in line for line in lines)


@pytest.mark.parametrize(
    ("count", "height", "top", "anchor", "first"),
    [(5, 10, 0, None, 0), (50, 10, 45, None, 40), (50, 10, 0, 9, 0), (50, 10, 0, 10, 5), (50, 10, 20, 3, 0)],
)
def test_the_anchor_is_in_sight(count: int, height: int, top: int, anchor: int | None, first: int) -> None:
    assert top_line(count, height, top, anchor) == first


@pytest.mark.parametrize("text", ["120", "x", "120x", "ax4", "39x40", "120x11", "120x4000", "-1x40"])
def test_a_size_that_is_none(text: str) -> None:
    with pytest.raises(UserError, match=f"size {text}"):
        Size.parse(text)


def test_a_panel_that_there_is_not() -> None:
    with pytest.raises(UserError, match="there are ladder, code"):
        Wanted(panel="nonsense")


@pytest.mark.parametrize(("look", "ground"), [(Look(LIGHT), "#ffffff"), (Look(), "#10141a"), (Look(MONO), "#ffffff")])
def test_an_svg_needs_nothing_from_elsewhere(look: Look, ground: str) -> None:
    lines = asyncio.run(painted(Wanted(Size(80, 24), look)))
    text = svg_of(Text("\n").join(lines), 80, "a <title>", look=look)
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and f'fill="{ground}"' in text
    assert "url(http" not in text and "@font-face" not in text and "@import" not in text and "<image" not in text
    assert "HCR_EL2.TWI" in "".join(root.itertext()).replace("\xa0", " ")
