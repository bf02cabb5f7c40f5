"""The whole application as pictures, on recordings: `--snapshot-update` draws them anew; look at each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from app_support import RECORDINGS, Driven
from textual.pilot import Pilot

from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.tui.app import ArmHypApp, Options
from arm_hyp.tui.look import ASCII, DARK, LIGHT, MONO, PROJECTOR, Look
from arm_hyp.tui.session_link import SessionLink

SIZES = [(80, 24), (120, 40), (200, 60)]
Compare = Callable[..., bool]
MakeApp = Callable[..., ArmHypApp]


@pytest.fixture
def made() -> Iterator[MakeApp]:
    """Make the application at a recording, with a look."""
    with ExitStack() as stack:

        def make(recording: str, look: Look | None = None) -> ArmHypApp:
            replay = stack.enter_context(Replay.open(str(RECORDINGS / f"{recording}.hyp")))
            options = Options(look or Look(DARK), is_recording=True, runs_ahead=True)
            return ArmHypApp(SessionLink(Session(replay)), options)

        yield make


def pressing(*keys: str) -> Callable[[Pilot[None]], object]:
    """Return who presses keys once there is something to see, and waits for the end of it all."""

    async def press(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, ArmHypApp)
        driven = Driven(app, pilot)
        await driven.settle()
        for key in keys:
            await driven.press(key)

    return press


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("recording", ["bare", "handlers"])
def test_at_an_exception(snap_compare: Compare, made: MakeApp, recording: str, size: tuple[int, int]) -> None:
    assert snap_compare(made(recording), terminal_size=size, run_before=pressing("pagedown", "pagedown"))


@pytest.mark.parametrize(
    "look", [Look(DARK, ASCII), Look(MONO), Look(LIGHT), Look(PROJECTOR)], ids=["ascii", "mono", "light", "projector"]
)
def test_in_other_looks(snap_compare: Compare, made: MakeApp, look: Look) -> None:
    assert snap_compare(made("handlers", look), terminal_size=(80, 24), run_before=pressing("pagedown"))


@pytest.mark.parametrize("key", ["question_mark", "g", "y", "B"])
def test_what_comes_over_the_panels(snap_compare: Compare, made: MakeApp, key: str) -> None:
    assert snap_compare(made("handlers"), terminal_size=(80, 24), run_before=pressing("pagedown", key))
