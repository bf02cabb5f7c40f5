"""Places of panels: they fill the screen, and do not overlap, whatever its size."""

from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.tui.layouts import LEAST_COLUMNS, LEAST_ROWS, Place, arrange, preset_for

sizes = st.tuples(st.integers(LEAST_COLUMNS, 400), st.integers(LEAST_ROWS - 1, 150))


def _cells(place: Place) -> set[tuple[int, int]]:
    return {(x, y) for x in range(place.x, place.x + place.width) for y in range(place.y, place.y + place.height)}


@given(sizes, st.booleans())
def test_panels_fill_the_screen_without_overlap(size: tuple[int, int], has_vms: bool) -> None:
    width, height = size
    places = arrange(preset_for(width, height, has_vms=has_vms), width, height)
    cells = [_cells(place) for place in places]
    assert sum(map(len, cells)) == len(set().union(*cells)), "two panels share a cell"
    assert all(0 <= x < width and 0 <= y < height for x, y in set().union(*cells))
    assert len(set().union(*cells)) >= width * (height - 2), "more than a sliver is left empty"


def test_the_three_sizes_show_more_and_more() -> None:
    shown = [
        {place.panel for place in arrange(preset_for(width, height), width, height - 1)}
        for width, height in ((80, 24), (120, 40), (200, 60))
    ]
    assert shown[0] < shown[1] < shown[2]
    assert shown[0] == {"ladder", "code", "trap", "registers"}


def test_a_chosen_panel_stands_in_its_slot() -> None:
    places = arrange(preset_for(80, 24), 80, 23, {2: "gic"})
    assert [place.panel for place in places] == ["ladder", "code", "gic", "registers"]
