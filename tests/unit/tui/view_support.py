"""Views of real guests, and texts of panels beside the files that they must equal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Run
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.gather import gather, read_subject
from arm_hyp.tui.look import ASCII, DARK, MONO, Look
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.view import View

EXPECTED = Path(__file__).parent / "expected"
LOOK = Look(DARK)
PLAIN = Look(MONO, ASCII, has_motion=False)


@lru_cache(maxsize=8)
def session_of(guest: str, settings: tuple[str, ...] = (), hypervisor: str | None = None) -> Session:
    """Return a session of a guest of `guests/` that has run to its end, or 10 million instructions."""
    image = str(guests_directory() / guest)
    session = Session(Configuration(image=image, settings=settings, hypervisor=hypervisor))
    session.send(Run(10_000_000))
    return session


def view_of(
    session: Session, panels: Iterable[Panel], whose: ask.Whose | None = None, last: View | None = None
) -> View:
    """Return what some panels want to know of a session where it stands."""

    async def made() -> View:
        async def asked(message: ask.Message):  # type: ignore[no-untyped-def]
            return session.send(message)

        return await gather(asked, await read_subject(asked), panels, whose=whose, last=last)

    return asyncio.run(made())


def view_at(
    guest: str,
    position: tuple[int, int],
    panels: Iterable[Panel],
    settings: tuple[str, ...] = (),
    hypervisor: str | None = None,
    whose: ask.Whose | None = None,
) -> View:
    """Return a view of a guest at a position of its run."""
    session = session_of(guest, settings, hypervisor)
    session.send(ask.Seek(Position(*position)))
    return view_of(session, panels, whose)


def text_of(panel: Panel, view: View, width: int, height: int, look: Look = LOOK) -> str:
    """Return what a panel draws as text, and check the promises of `Panel.lines`."""
    lines = panel.lines(view, width, height, look)
    assert all(line.cell_len <= width for line in lines), [line.plain for line in lines if line.cell_len > width]
    assert not any("\n" in line.plain or "\x1b" in line.plain for line in lines)
    return "\n".join(line.plain.rstrip() for line in lines[: max(height, 1)]) + "\n"


def check_text(name: str, text: str, regenerate: bool) -> None:
    """Compare a text with the file that has it, or write it."""
    path = EXPECTED / f"{name}.txt"
    if regenerate:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{name} has no expected text: run with --regenerate-golden"
    assert text == path.read_text(encoding="utf-8")
