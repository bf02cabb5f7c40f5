"""The ladder as a panel: what it reads, and its two forms: spans, and the density of a longer stretch.

Read the files of this package in the order of its docstring before this one, `tui/app.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import DensityAnswer, ExceptionsAnswer
from arm_hyp.tui.ladder.caption import Scene, caption
from arm_hyp.tui.ladder.density import (
    Columns,
    columns_of,
    draw_columns,
    instructions_of,
    stretch,
    used_lanes,
    whole_level,
)
from arm_hyp.tui.ladder.drawing import Picture, draw, ruler
from arm_hyp.tui.ladder.geometry import Axis
from arm_hyp.tui.ladder.lanes import lane_name, shown_lanes, vm_names
from arm_hyp.tui.ladder.legend import density_legend, legend
from arm_hyp.tui.ladder.milestones import console_of, density_ruler, milestones_of
from arm_hyp.tui.ladder.spans import Known, Lane, lane_of, spans_of
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import failed, visible
from arm_hyp.tui.panels.panel import Panel, PanelKey
from arm_hyp.tui.view import View, trap_of

ROWS_EACH_SIDE: Final = 80
"""Exceptions and returns to read on each side: more than the widest screen shows, at four cells each."""
_MOST_CAPTION: Final = 3
_NEAR: Final = 8
_TYPICAL_WIDTH: Final = 100
_LONG_RUN: Final = 1_000
"""A run of so many instructions is shown as a whole, too, where there is room under what is near."""
_OVERVIEW_ROWS: Final = 4


class LadderPanel(Panel):
    """Exceptions and returns of one CPU, around the cursor: each by itself, or from afar."""

    name: ClassVar[str] = "ladder"
    title: ClassVar[str] = "the ladder"
    keys: ClassVar[tuple[PanelKey, ...]] = (PanelKey("asterisk", "zoom_all", "the whole run, and back"),)

    def __init__(self) -> None:
        """Begin with single exceptions."""
        self.level = 0
        """How far from afar: 0 shows single exceptions."""

    def zoom_out(self, view: View) -> None:
        """Show more of the run, with less detail."""
        self.level = min(self.level + 1 if self.level else nearest_level(view), whole_level(view.status.frontier))

    def zoom_in(self, view: View) -> None:
        """Show more detail, of less."""
        nearer = min(self.level, whole_level(view.status.frontier)) - 1
        self.level = nearer if nearer >= nearest_level(view) else 0

    def zoom_all(self, view: View) -> None:
        """Show the whole run; again: single exceptions."""
        furthest = whole_level(view.status.frontier)
        self.level = 0 if self.level >= furthest else furthest

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read what happened around the cursor, and the trap there; from afar how much, too, and what was printed."""
        yield from (trap_of(view), before_of(view), after_of(view))
        if self.level or view.status.frontier.n >= _LONG_RUN:
            console = console_of(view)
            yield self._density_of(view)
            yield from () if console is None else (console,)

    def _density_of(self, view: View) -> ask.Density:
        cpu = view.cpu if view.subject.cpus > 1 else None
        return stretch(self.level or whole_level(view.status.frontier), view.position, view.status.frontier, cpu)

    def heading(self, view: View) -> str:
        """Name the CPU, or the vCPU that is looked at."""
        whose = view.whose
        if whose.vm is None:
            return f"{self.title}: cpu{view.cpu}"
        names = view.status.vms
        name = names[whose.vm] if whose.vm < len(names) else f"vm{whose.vm}"
        return f"{self.title}: {visible(name)}/vcpu{whose.index}"

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw it: the ruler, lanes, and the caption under them."""
        readings: list[ask.OneReading] = [
            before_of(view),
            after_of(view),
            *([self._density_of(view)] if self.level else []),
        ]
        wrong = [line for message in readings for line in failed(view, message, width, look)]
        if wrong or any(view.get(message, ExceptionsAnswer) is None for message in readings[:2]):
            return wrong  # what is not read yet will be in a moment
        page = _page(view, width, height)
        answer = view.get(self._density_of(view), DensityAnswer)
        if self.level and answer is not None:
            return _density_lines(page, answer, self.level >= whole_level(view.status.frontier), look)
        near = _spans_lines(page, look)
        more = [] if answer is None else _overview(page, answer, height - len(near) - 1, look)
        return _explained([*near, *more], page, look)


def before_of(view: View) -> ask.Exceptions:
    """Return the message that reads what happened up to the cursor, itself included."""
    n, seq = view.position
    return ask.Exceptions(end=Position(n, seq + 1), at_most=_at_most(view), is_from_end=True)


def after_of(view: View) -> ask.Exceptions:
    """Return the message that reads what happened behind the cursor."""
    n, seq = view.position
    return ask.Exceptions(start=Position(n, seq + 1), at_most=_at_most(view))


def _at_most(view: View) -> int:
    """Return how many rows to read: those of all CPUs come together."""
    return min(ROWS_EACH_SIDE * max(view.subject.cpus, 1), ask.MOST_ROWS)


def nearest_level(view: View) -> int:
    """Return the first level from afar that shows more than single exceptions do here."""
    if view.get(before_of(view), ExceptionsAnswer) is None or view.get(after_of(view), ExceptionsAnswer) is None:
        return 1
    axis, level = axis_of(view), 1
    at = axis.index_at(view.position)
    near = axis.spans[max(at - _NEAR, 0) : at + _NEAR]
    while instructions_of(level) * _TYPICAL_WIDTH < 2 * (near[-1].end.n - near[0].start.n):
        level += 1
    return min(level, whole_level(view.status.frontier))


def axis_of(view: View) -> Axis:
    """Return the axis of the CPU that is looked at. Both readings must be there."""
    before, after = view.get(before_of(view), ExceptionsAnswer), view.get(after_of(view), ExceptionsAnswer)
    assert before is not None and after is not None
    first_el = next((cpu.el for cpu in view.status.cpus if cpu.index == view.cpu), 0)
    status = view.status
    end_ns = status.time_ns if view.position == status.frontier else 0
    return _axis(before, after, view.cpu, first_el, status.frontier, end_ns)


@lru_cache(maxsize=8)
def _axis(
    before: ExceptionsAnswer, after: ExceptionsAnswer, cpu: int, first_el: int, frontier: Position, frontier_ns: int
) -> Axis:
    rows = (*before.rows, *after.rows)
    is_start, is_open = before.total == len(before.rows), after.total == len(after.rows)
    begin = (START, 0) if is_start else (rows[0].position, rows[0].time_ns)
    end = (frontier, frontier_ns) if is_open else (rows[-1].position, rows[-1].time_ns)
    own = tuple(row for row in rows if row.cpu == cpu)
    return Axis.of(spans_of(Known(own, first_el, *begin, *end, is_open)))


class Page(NamedTuple):
    """What both forms need: the view, the size, the axis around the cursor, and the names of VMs."""

    view: View
    width: int
    height: int
    axis: Axis
    vms: tuple[str, ...]

    @property
    def cursor(self) -> Position:
        """Where the run stands."""
        return self.view.position

    @property
    def here(self) -> int:
        """The span at the cursor."""
        return self.axis.index_at(self.cursor)

    def caption(self, spare: int, look: Look) -> list[Text]:
        """Return the caption: one line, or some of those that are to spare."""
        at, spans = self.here, self.axis.spans
        following = spans[at + 1] if at + 1 < len(spans) else None
        scene = Scene(spans[at], spans[at - 1] if at else None, following, self.vms)
        return caption(self.view, scene, self.width, min(max(spare, 1), _MOST_CAPTION), look)

    def label_width(self, lanes: Iterable[Lane]) -> int:
        """Return how wide the names of lanes are, with the space behind them."""
        return max(cell_len(lane_name(lane, self.vms)) for lane in lanes) + 1


def _page(view: View, width: int, height: int) -> Page:
    return Page(view, width, height, axis_of(view), vm_names(view.status.vms, width))


def _note(hidden: int) -> str:
    return f"+{hidden} lane{'s' * (hidden > 1)}" if hidden else ""


# --- spans ------------------------------------------------------------------------------------------------------------


def _spans_lines(page: Page, look: Look) -> list[Text]:
    picture = _picture(page)
    under = page.caption(page.height - picture.row_count - 1, look)
    return [*_lanes_lines(picture, page, page.height - len(under), look), *under]


def _explained(lines: list[Text], page: Page, look: Look) -> list[Text]:
    """Return the lines, with the meaning of the signs at the bottom where that is empty."""
    empty = page.height - len(lines) - 1
    if empty < 0:
        return lines
    return [*lines, *[Text()] * empty, legend(_picture(page), page.width, look)]


def _picture(page: Page) -> Picture:
    """Return the picture with all lanes that are used in the part of the axis that is seen."""
    axis = page.axis
    label_width = page.label_width(span.lane for span in axis.spans)
    inside = max(page.width - label_width, 1)
    offset = axis.window(inside, page.cursor)
    seen = Picture(axis, offset, inside, (), (), label_width, bool(page.view.status.outcome))
    return _with_lanes(seen, page, len(axis.spans))


def _with_lanes(picture: Picture, page: Page, most: int) -> Picture:
    spans = picture.axis.spans
    lanes = shown_lanes({spans[index].lane for index in picture.visible}, spans[page.here].lane, most)
    return picture._replace(lanes=lanes, names=tuple(lane_name(lane, page.vms) for lane in lanes))


def _lanes_lines(picture: Picture, page: Page, room: int, look: Look) -> list[Text]:
    """Draw as many lanes as there is room for; the ruler goes first where all fit without it."""
    if picture.row_count + 1 <= room:
        return [ruler(picture, page.cursor, look), *draw(picture, page.cursor, look)]
    if picture.row_count <= room:
        return draw(picture, page.cursor, look)
    fewer = _with_lanes(picture, page, max(room // 2, 1))
    note = _note(len(picture.lanes) - len(fewer.lanes))
    return [ruler(fewer, page.cursor, look, note), *draw(fewer, page.cursor, look)[: max(room - 1, 1)]]


# --- from afar --------------------------------------------------------------------------------------------------------


def _density_lines(page: Page, answer: DensityAnswer, is_whole: bool, look: Look) -> list[Text]:
    afar = _afar(page, answer, is_whole)
    under = page.caption(page.height - 2 * len(used_lanes(afar.columns)) - 1, look)
    lines = [*afar.lines(page, page.height - len(under) - 1, look), *under]
    empty = page.height - len(lines) - 1
    return lines if empty < 0 else [*lines, *[Text()] * empty, density_legend(page.width, look)]


def _overview(page: Page, answer: DensityAnswer, room: int, look: Look) -> list[Text]:
    """Return the whole run, behind an empty line, if there is room for it."""
    if room < _OVERVIEW_ROWS:
        return []
    return [Text(), *_afar(page, answer, True).lines(page, room - 1, look)]


class _Afar(NamedTuple):
    """A stretch in columns, and how wide the names of its lanes are."""

    columns: Columns
    label_width: int
    inside: int

    def lines(self, page: Page, room: int, look: Look) -> list[Text]:
        """Draw the ruler, and as many lanes as `room` lines have."""
        lanes = shown_lanes(used_lanes(self.columns), page.axis.spans[page.here].lane, max((room + 1) // 2, 1))
        rows = draw_columns(self.columns, lanes, page.vms, self.label_width, page.cursor, look)[: max(room, 1)]
        milestones = milestones_of(page.view)
        return [density_ruler(self.columns, milestones, self.label_width, self.inside, page.cursor, look), *rows]


def _afar(page: Page, answer: DensityAnswer, is_whole: bool) -> _Afar:
    lanes = {lane_of(one.el, one.vm) for one in answer.lanes} | {page.axis.spans[page.here].lane}
    label_width = page.label_width(lanes)
    inside = max(page.width - label_width, 1)
    return _Afar(columns_of(answer, inside, page.cursor, is_whole=is_whole), label_width, inside)
