"""Other handlers from the cursor on, on a new branch: any path of seeks comes to the states of a run straight there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reload_support import FILES, begun, load, state, walked

from arm_hyp.machine import machine
from arm_hyp.timeline import checkpoints
from arm_hyp.timeline.position import Position

GRID = 16
PATHS = settings(
    max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
NUMBERS = st.integers(0, 10_000)


@pytest.fixture(autouse=True)
def _small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let short runs have several checkpoints."""
    monkeypatch.setattr(machine, "EARLY_GRID", GRID)
    monkeypatch.setattr(checkpoints, "EARLY_GRID", GRID)


def straight(path: Path, handlers: str, loads: list[tuple[Position, str]]) -> dict[Position, tuple[Any, ...]]:
    """Return the state at every place of a run that only goes forward, and loads handlers on its way."""
    timeline = begun(path, handlers)
    states: dict[Position, tuple[Any, ...]] = {}
    for place, name in loads:
        states |= walked(timeline, place)
        assert timeline.position == place
        load(timeline, path, name)
    return states | walked(timeline)


@pytest.mark.parametrize("handlers", ["first", ""])
@PATHS
@given(data=st.data())
def test_any_path_comes_to_the_states_of_a_run_straight_there(
    handlers: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("reload")
    timeline = begun(path / "a", handlers)
    timeline.run(1000)
    places = sorted(straight(path / "b", handlers, []))[:-1]
    loads: list[tuple[Position, str]] = []
    states: dict[Position, tuple[Any, ...]] = {}
    for name in data.draw(st.lists(st.sampled_from(sorted(FILES)), min_size=1, max_size=3)):
        behind = [place for place in places if not loads or place > loads[-1][0]]
        if not behind:
            break
        place = behind[data.draw(NUMBERS) % len(behind)]
        assert timeline.seek(place) == place
        load(timeline, path / "a", name)
        loads.append((place, name))
        states = straight(path / "b", handlers, loads)
        places = sorted(states)[:-1]  # at the last one the guest may wait for ever, and two states are there
        for number in data.draw(st.lists(NUMBERS, max_size=4)):
            wanted = places[number % len(places)]
            assert timeline.seek(wanted) == wanted
            assert state(timeline) == states[wanted], (loads, wanted)
    for number in data.draw(st.lists(NUMBERS, max_size=6)):
        wanted = places[number % len(places)]
        assert timeline.seek(wanted) == wanted
        assert state(timeline) == states[wanted], (loads, wanted)
        assert timeline.step_back() == places[max(number % len(places) - 1, 0)]
        assert state(timeline) == states[timeline.position], (loads, wanted)
