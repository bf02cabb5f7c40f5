"""Journals made up for the ladder, by hand and by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process.answers import ExceptionRow
from arm_hyp.tui.ladder.spans import Known

LATER_NS = 1 << 40


def taken(
    n: int, seq: int, from_el: int, to_el: int, ec: int = 0x16, kind: str = "sync", **fields: object
) -> ExceptionRow:
    """Return an exception."""
    return row(n, seq, "taken", from_el, to_el, kind, ec << 26 if kind == "sync" else None, **fields)


def returned(n: int, seq: int, from_el: int, to_el: int, **fields: object) -> ExceptionRow:
    """Return an ERET."""
    return row(n, seq, "returned", from_el, to_el, "", None, **fields)


def row(
    n: int, seq: int, what: str, from_el: int, to_el: int, kind: str, esr: int | None, **fields: object
) -> ExceptionRow:
    """Return a row of a journal, of CPU 0, at the virtual time that its instructions took."""
    given = {"position": Position(n, seq), "what": what, "cpu": 0, "from_el": from_el, "to_el": to_el, "kind": kind}
    return ExceptionRow(**{**given, "esr": esr, "elr": 0, "spsr": 0, "far": None, "time_ns": n} | fields)  # type: ignore[arg-type]


def known(*rows: ExceptionRow, end: Position | None = None, is_open: bool = True) -> Known:
    """Return what is known of a run from its start to its end."""
    last = end or (rows[-1].position if rows else START)
    return Known(rows, 2, START, 0, last, last.n, is_open)


@st.composite
def journals(draw: st.DrawFn) -> Known:
    """Make any journal of one CPU: levels that do not fit to each other, resets, times that jump, VMs or none."""
    n, seq, time_ns, rows = draw(st.integers(0, 50)), 0, 0, []
    begin = draw(st.sampled_from([START, Position(n, 0)]))
    for _ in range(draw(st.integers(0, 40))):
        grown = draw(st.one_of(st.just(0), st.integers(0, 40), st.integers(0, 10**12)))
        n, seq = n + grown, 1 if grown else seq + draw(st.integers(1, 3))
        time_ns += grown + draw(st.one_of(st.just(0), st.integers(0, 10**11)))
        vm = draw(st.sampled_from([None, 0, 1, 2]))
        from_el, to_el = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        fields = {"vm": vm, "python": draw(st.booleans()), "virtual": draw(st.booleans()), "time_ns": time_ns}
        if draw(st.booleans()):
            kind = draw(st.sampled_from(["sync", "sync", "irq", "fiq", "serror"]))
            rows.append(row(n, seq, "taken", from_el, to_el, kind, draw(st.integers(0, 2**32 - 1)), **fields))
        else:
            rows.append(row(n, seq, "returned", from_el, to_el, "", None, **(fields | {"python": False})))
    last = rows[-1].position if rows else begin
    is_open = draw(st.booleans())
    end = Position(last.n + draw(st.sampled_from([0, 1, 7, 10**6]))) if is_open else last
    return Known(tuple(rows), 2, begin, 0, max(end, last), time_ns, is_open)
