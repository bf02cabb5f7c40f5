"""The gates before the interrupt controller: whether a timer is on, has fired, and shows it.

Read `machine/timers.py` and `explain/diagnosis/gates.py` before this file, `explain/diagnosis/waiting.py` after it.

Ref: Arm ARM D11.2.4, "Operation of the CompareValue views of the timers"; CNT*_CTL.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from arm_hyp.explain.diagnosis.gates import Gate
from arm_hyp.machine.clock import NS_PER_TICK
from arm_hyp.machine.timers import ENABLE, IMASK, TIMERS, Timer
from arm_hyp.machine.wiring import TIMER_INTIDS

_SUFFIX: Final = {row.name: row.suffix for row in TIMERS}


class TimerState(NamedTuple):
    """One timer: its control register, whether its condition is met, and the ns of virtual time until it fires."""

    name: str
    ctl: int
    is_met: bool
    due_ns: int | None

    @property
    def intid(self) -> int:
        """The PPI that it raises."""
        return TIMER_INTIDS[self.name]

    @property
    def register(self) -> str:
        """CNT*_CTL by its full name."""
        return f"{self.name}_CTL_{_SUFFIX[self.name]}"


def timer_state(name: str, timer: Timer, now_ns: int) -> TimerState:
    """Read a timer. `now_ns` is virtual time."""
    due = None if timer.deadline_tick is None else max(0, timer.deadline_tick * NS_PER_TICK - now_ns)
    return TimerState(name, timer.ctl, bool(timer.read_ctl() & ~(ENABLE | IMASK)), due)


def timer_gates(timer: TimerState) -> Iterator[Gate]:
    """Yield the gates of a timer, up to its line."""
    register = timer.register
    yield Gate(bool(timer.ctl & ENABLE), f"is off: {register}.ENABLE is 0", f"write 1 to {register}")
    compare = register.replace("_CTL_", "_CVAL_")
    never = f"is on, but its counter never reaches {compare}"
    yield Gate(timer.is_met or timer.due_ns is not None or bool(timer.ctl & IMASK), never, f"write {compare} anew")
    masked = f"is masked: {register}.IMASK is 1"
    yield Gate(not timer.ctl & IMASK, masked, f"write 1 to {register}")


def in_words(duration_ns: int) -> str:
    """Say a duration in ns, us or ms, rounded down: `3.9 ms`."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if duration_ns >= size:
            return f"{duration_ns * 10 // size / 10:g} {unit}"
    return f"{duration_ns} ns"
