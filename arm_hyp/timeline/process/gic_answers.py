"""Answers about interrupts, as the GIC has them for one CPU, and about the timers that raise them.

Read `timeline/process/answers.py` beside this file, `timeline/process/reads.py` and `timers.py` after it.
"""

from __future__ import annotations

import msgspec


class InterruptState(msgspec.Struct, frozen=True):
    """One interrupt as the controller has it for a CPU. `held` says what holds it back, where it is pending."""

    intid: int
    name: str
    pending: bool
    enabled: bool
    active: bool
    group: int
    priority: int
    held: str = ""


class GicAnswer(msgspec.Struct, frozen=True, tag="gic_answer"):
    """The GIC of a CPU: interface, interrupts, list registers in ICH_LR<n>_EL2's layout. Or a VM's vGIC as text.

    `groups` are the groups that are enabled at the CPU's interface, `distributor_groups` those at the distributor.
    """

    version: int
    interrupts: tuple[InterruptState, ...] = ()
    list_registers: tuple[int, ...] = ()
    pmr: int = 0
    running: int = 0xFF
    text: str = ""
    groups: int = 0
    distributor_groups: int = 0


class TimerState(msgspec.Struct, frozen=True):
    """A timer: CTL.ENABLE <0>, IMASK <1> and ISTATUS <2>, CVAL, and how far it is away: not above 0 where it is due.

    `level` is its output, the line `intid`. `where` is hardware for a CPU's own; a vCPU's is loaded into the CPU's,
    saved while the vCPU is on no CPU, or emulated.
    """

    name: str
    words: str
    enable: bool
    imask: bool
    istatus: bool
    cval: int
    left_ticks: int
    intid: int
    level: bool
    where: str


class TimersAnswer(msgspec.Struct, frozen=True, tag="timers_answer"):
    """The counters, in ticks of 16 ns, as EL1 has them with CNTVOFF_EL2; and the timers."""

    name: str
    cntpct: int
    cntvct: int
    cntvoff: int
    timers: tuple[TimerState, ...]
