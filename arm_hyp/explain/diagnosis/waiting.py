"""A CPU that waits in WFI or WFE: what it waits for, and what holds that back.

Read `explain/diagnosis/gates.py` and `explain/diagnosis/timers.py` before this file, `diagnose.py` after it. What is
asked here of a CPU, `virtual_cpus.py` asks of a vCPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from arm_hyp.arch.gic import FIRST_PPI, FIRST_SPI
from arm_hyp.explain.diagnosis.gates import (
    TIMER_NAMES,
    Held,
    Interface,
    Interrupt,
    controller_gates,
    cpu_gates,
    first_closed,
    furthest,
    kind_of,
    name_of_intid,
)
from arm_hyp.explain.diagnosis.timers import TimerState, in_words, timer_gates

_NAMED = 4


class Cause(NamedTuple):
    """Why an interrupt does not come, and what to do. `timer` is the one that is off, `reasons` say more."""

    text: str
    advice: str = ""
    timer: str = ""
    reasons: tuple[str, ...] = ()


class Inputs(NamedTuple):
    """All that could interrupt one CPU or vCPU, and its state. `pstate` has the layout of SPSR_ELx."""

    timers: Sequence[TimerState]
    interrupts: Sequence[Interrupt]
    interface: Interface
    pstate: int
    hcr: int


def held_back(inputs: Inputs, *, can_be_masked: bool) -> Cause | None:
    """Say what holds back the interrupt that came furthest on its way to the CPU. None: none is on its way.

    For a WFI, PSTATE does not matter: then not `can_be_masked`.
    """
    by_intid = {one.intid: one for one in inputs.interrupts}
    held = [*_pending(inputs, can_be_masked), *_timers(inputs, by_intid)]
    best = furthest(held)
    if best is None:
        return None
    off = next((timer.name for timer in inputs.timers if timer.intid == best.intid and not best.passed), "")
    return Cause(_sentence(best, by_intid, inputs.timers), best.advice, off)


def _pending(inputs: Inputs, can_be_masked: bool) -> Iterator[Held]:
    """Yield what is pending at the controller, and why it is not taken."""
    for one in inputs.interrupts:
        if one.pending:
            gates = [*controller_gates(one, inputs.interface)]
            kind = kind_of(one, inputs.interface)
            gates += cpu_gates(kind, inputs.pstate, inputs.hcr, can_be_masked=can_be_masked)
            held = first_closed(one.intid, gates, passed=3)  # it has passed those of a timer
            if held is not None:
                yield held


def _timers(inputs: Inputs, interrupts: dict[int, Interrupt]) -> Iterator[Held]:
    """Yield the timers that are on or whose interrupt is enabled, and do not raise it."""
    for timer in inputs.timers:
        is_expected = timer.intid in interrupts and interrupts[timer.intid].enabled
        held = first_closed(timer.intid, timer_gates(timer))
        if held is not None and (held.passed or is_expected):
            yield held


def _sentence(held: Held, interrupts: dict[int, Interrupt], timers: Sequence[TimerState]) -> str:
    timer = next((one for one in timers if one.intid == held.intid), None)
    name = name_of_intid(held.intid) if timer is None else TIMER_NAMES[timer.name]
    one = interrupts.get(held.intid)
    if held.passed >= 3:
        return f"{name} is pending, but {held.text}"
    enabled = "is enabled at the GIC, but " if one is not None and one.enabled else ""
    fired = "has fired, but " if timer is not None and timer.is_met else enabled
    return f"{name} {fired}{held.text}"


class Due(NamedTuple):
    """A timer that will interrupt: in how many ns of virtual time, and its name."""

    ns: int
    name: str

    def __str__(self) -> str:
        return f"{TIMER_NAMES[self.name]}, due in {in_words(self.ns)}"


def due_timers(inputs: Inputs, *, can_be_masked: bool) -> list[Due]:
    """Return the timers that are due, and whose interrupt nothing will hold back then; the next one first."""
    by_intid = {one.intid: one for one in inputs.interrupts}
    return sorted(
        Due(timer.due_ns, timer.name)
        for timer in inputs.timers
        if timer.due_ns is not None and not timer.is_met and _passes(by_intid[timer.intid], inputs, can_be_masked)
    )


def _passes(one: Interrupt, inputs: Inputs, can_be_masked: bool) -> bool:
    kind = kind_of(one, inputs.interface)
    gates = cpu_gates(kind, inputs.pstate, inputs.hcr, can_be_masked=can_be_masked)
    return all(gate.is_open for gate in (*controller_gates(one, inputs.interface), *gates))


def awaited(inputs: Inputs) -> list[str]:
    """Return who can still end a WFI: timers that are due, and devices whose interrupt nothing would hold back."""
    devices = [one.intid for one in inputs.interrupts if one.intid >= FIRST_SPI and _passes(one, inputs, False)]
    return [*map(str, due_timers(inputs, can_be_masked=False)), *map(name_of_intid, devices)]


def either(names: Sequence[str]) -> str:
    """Return the first of the names, as alternatives."""
    shown = list(names[:_NAMED])
    return " or ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]])) or "another CPU"


def nothing_comes(inputs: Inputs) -> Cause:
    """Say why nothing will end a wait where no interrupt is under way."""
    devices = [name_of_intid(one.intid) for one in inputs.interrupts if one.intid >= FIRST_SPI and one.enabled]
    if devices:
        return Cause(f"it waits for {either(devices)}, and nothing will raise that", "")
    if not any(one.enabled for one in inputs.interrupts if one.intid >= FIRST_PPI):
        return Cause("no timer is on, and no interrupt is enabled", "start a timer, and enable its interrupt")
    return Cause("no timer is on, and no device has raised an interrupt", "start a timer")
