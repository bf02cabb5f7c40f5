"""The ladder as a panel: what it reads, and its two forms: spans, and the density of a longer stretch.

Read the files of this package in the order of its docstring before this one, `tui/app.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import ClassVar, Final

from rich.text import Text

from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import ExceptionsAnswer
from arm_hyp.tui.ladder.caption import Scene, caption
from arm_hyp.tui.ladder.drawing import Picture, draw, ruler
from arm_hyp.tui.ladder.geometry import Axis
from arm_hyp.tui.ladder.lanes import lane_name, shown_lanes, vm_names
from arm_hyp.tui.ladder.spans import Known, spans_of
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import failed
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.view import View, trap_of

ROWS_EACH_SIDE: Final = 80
"""Exceptions and returns to read on each side: more than the widest screen shows, at four cells each."""
_MOST_CAPTION: Final = 3


class LadderPanel(Panel):
    """Exceptions and returns of one CPU, around the cursor."""

    name: ClassVar[str] = "ladder"
    title: ClassVar[str] = "the ladder"

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read what happened around the cursor, and the trap there."""
        return (trap_of(view), before_of(view), after_of(view))

    def heading(self, view: View) -> str:
        """Name the CPU, or the vCPU that is looked at."""
        whose = view.whose
        if whose.vm is None:
            return f"{self.title} · cpu{view.cpu}"
        names = view.status.vms
        name = names[whose.vm] if whose.vm < len(names) else f"vm{whose.vm}"
        return f"{self.title} · {name}/vcpu{whose.index}"

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw it: the ruler, lanes, and the caption under them."""
        wrong = [line for message in (before_of(view), after_of(view)) for line in failed(view, message, width, look)]
        if wrong:
            return wrong
        return _spans_lines(view, width, height, look)


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


def axis_of(view: View) -> Axis:
    """Return the axis of the CPU that is looked at. Both readings must be there."""
    before, after = view.get(before_of(view), ExceptionsAnswer), view.get(after_of(view), ExceptionsAnswer)
    assert before is not None and after is not None
    first_el = next((cpu.el for cpu in view.status.cpus if cpu.index == view.cpu), 0)
    end = view.status.frontier
    end_ns = view.status.time_ns if view.position == end else 0
    return _axis(before, after, view.cpu, first_el, end, end_ns)


@lru_cache(maxsize=8)
def _axis(
    before: ExceptionsAnswer, after: ExceptionsAnswer, cpu: int, first_el: int, end: Position, end_ns: int
) -> Axis:
    rows = tuple(row for row in (*before.rows, *after.rows) if row.cpu == cpu)
    has_start, has_end = before.total == len(before.rows), after.total == len(after.rows)
    spans = spans_of(Known(rows, has_start, has_end, first_el, end, end_ns))
    return Axis.of(spans)


# --- spans ------------------------------------------------------------------------------------------------------------


def _spans_lines(view: View, width: int, height: int, look: Look) -> list[Text]:
    axis, vms = axis_of(view), vm_names(view.status.vms, width)
    scene = _scene(axis, view.position, vms)
    under = caption(view, scene, width, 1, look)
    picture = _picture(view, axis, vms, width)
    spare = height - (picture.row_count + 1 + len(under))
    if spare > 0:
        under = caption(view, scene, width, min(spare + 1, _MOST_CAPTION), look)
    return [*_lanes_lines(picture, view.position, vms, height - len(under), look), *under]


def _scene(axis: Axis, cursor: Position, vms: tuple[str, ...]) -> Scene:
    at, spans = axis.index_at(cursor), axis.spans
    following = spans[at + 1] if at + 1 < len(spans) else None
    return Scene(spans[at], spans[at - 1] if at else None, following, vms)


def _picture(view: View, axis: Axis, vms: tuple[str, ...], width: int) -> Picture:
    """Return the picture with all lanes that are used in the part of the axis that is seen."""
    label_width = max(len(lane_name(span.lane, vms)) for span in axis.spans) + 1
    inside = max(width - label_width, 1)
    offset = axis.window(inside, view.position)
    seen = Picture(axis, offset, inside, (), (), label_width, bool(view.status.outcome))
    return _with_lanes(seen, view.position, vms, len(axis.spans))


def _with_lanes(picture: Picture, cursor: Position, vms: tuple[str, ...], most: int) -> Picture:
    spans = picture.axis.spans
    used = {spans[index].lane for index in picture.visible}
    lanes = shown_lanes(used, spans[picture.axis.index_at(cursor)].lane, most)
    return picture._replace(lanes=lanes, names=tuple(lane_name(lane, vms) for lane in lanes))


def _lanes_lines(picture: Picture, cursor: Position, vms: tuple[str, ...], room: int, look: Look) -> list[Text]:
    """Draw as many lanes as there is room for; the ruler goes first where all fit without it."""
    if picture.row_count + 1 <= room:
        return [ruler(picture, cursor, look), *draw(picture, cursor, look)]
    if picture.row_count <= room:
        return draw(picture, cursor, look)
    fewer = _with_lanes(picture, cursor, vms, max(room // 2, 1))
    hidden = len(picture.lanes) - len(fewer.lanes)
    note = f"+{hidden} lane{'s' * (hidden > 1)}" if hidden else ""
    return [ruler(fewer, cursor, look, note), *draw(fewer, cursor, look)[: max(room - 1, 1)]]
