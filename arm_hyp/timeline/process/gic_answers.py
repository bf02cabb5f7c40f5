"""Answers about interrupts, as the GIC has them for one CPU.

Read `timeline/process/answers.py` beside this file, `timeline/process/reads.py` after it.
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
