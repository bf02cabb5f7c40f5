"""The counters and timers of a CPU or vCPU, as they stand. Reading leaves no mark.

Read `machine/timers.py` and `hypervisor/vtimer.py` before this file, `timeline/process/session.py` after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.machine import board
from arm_hyp.machine.timers import ENABLE, IMASK, ISTATUS, Timer
from arm_hyp.timeline.process.gic_answers import TimersAnswer, TimerState
from arm_hyp.timeline.process.registers import find_core, find_vcpu

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.runner.runner import Runner
    from arm_hyp.timeline.process import messages as ask

_M64: Final = (1 << 64) - 1


class _Row(NamedTuple):
    name: str
    intid: int
    words: str


_ROWS: Final = {
    "CNTV": _Row("CNTV", board.INTID_VIRTUAL_TIMER, "EL1 virtual timer"),
    "CNTP": _Row("CNTP", board.INTID_PHYSICAL_TIMER, "EL1 physical timer"),
    "CNTHP": _Row("CNTHP", board.INTID_HYP_TIMER, "EL2 physical timer"),
    "CNTHV": _Row("CNTHV", board.INTID_HYP_VIRTUAL_TIMER, "EL2 virtual timer"),
}
"""The timers that are shown: not the Secure one, which nobody here can reach."""


def read_timers(runner: Runner, asked: ask.Timers) -> TimersAnswer:
    """Return the counters and timers of a CPU or vCPU. Raises: UserError."""
    vcpu = find_vcpu(runner, asked.whose)
    return _of_cpu(runner, asked.whose.index) if vcpu is None else _of_vcpu(runner, vcpu)


def _of_cpu(runner: Runner, index: int) -> TimersAnswer:
    find_core(runner, index)
    timers, ticks = runner.machine.board.timers[index], runner.machine.clock.ticks
    virtual = ticks - timers.cntvoff & _M64
    counts = {"CNTV": virtual}
    rows = [
        _state(_ROWS[name], timer, counts.get(name, ticks)) for name, timer in timers.timers.items() if name in _ROWS
    ]
    return TimersAnswer(f"CPU {index}", ticks, virtual, timers.cntvoff, tuple(rows))


def _of_vcpu(runner: Runner, vcpu: Vcpu) -> TimersAnswer:
    """Return those of a vCPU: its virtual timer is the CPU's own while it is on one, the physical one is emulated."""
    ticks, offset, own = runner.machine.clock.ticks, vcpu.vm.cntvoff, vcpu.timers
    virtual = ticks - offset & _M64
    where, timer = ("saved", own.virtual)
    if vcpu.cpu is not None:
        where, timer = "loaded", runner.machine.board.timers[vcpu.cpu.index].timers["CNTV"]
    rows = _state(_ROWS["CNTV"], timer, virtual, where), _state(_ROWS["CNTP"], own.physical, ticks, "emulated")
    return TimersAnswer(vcpu.name, ticks, virtual, offset, rows)


def _state(row: _Row, timer: Timer, count: int, where: str = "hardware") -> TimerState:
    ctl = timer.read_ctl()
    return TimerState(
        name=row.name,
        words=row.words,
        enable=bool(ctl & ENABLE),
        imask=bool(ctl & IMASK),
        istatus=bool(ctl & ISTATUS),
        cval=timer.cval,
        left_ticks=timer.cval - count,
        intid=row.intid,
        level=timer.level,
        where=where,
    )
