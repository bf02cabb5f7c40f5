"""A CPU interface: which interrupt is signalled, acknowledge, priority drop, deactivate.

Read `machine/gic/distributor.py` before this file; `machine/gic/gicv2.py` and `machine/gic/gicv3.py` put registers in
front of it.

Ref: IHI 0048 3.2, 3.3 and 4.4; IHI 0069 4.8 and the pseudocode of ICC_IAR1_EL1, ICC_EOIR1_EL1, ICC_DIR_EL1.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from arm_hyp.arch.gic import IDLE_PRIORITY, clamp_bpr, group_priority, minimum_bpr, priority_mask
from arm_hyp.machine.gic.distributor import NOTHING, Distributor, intid_of, priority_of
from arm_hyp.machine.gic.priority import ActivePriorities, running_priority
from arm_hyp.machine.seams import IrqLine

_STATE: Final = ("pmr", "bpr0", "bpr1", "cbpr", "split", "groups", "fiq_enabled")


class CpuLines(NamedTuple):
    """The physical interrupt inputs of one CPU."""

    irq: IrqLine
    fiq: IrqLine


class CpuInterface:
    """The CPU interface of one CPU. `fiq_enabled`: Group 0 is signalled as FIQ, else as IRQ.

    `groups`<1:0> are the group enables, `split` is EOImode, `bpr0` and `bpr1` the binary points of the groups.
    """

    def __init__(self, cpu: int, distributor: Distributor, priority_bits: int, lines: CpuLines) -> None:
        self.cpu, self.distributor = cpu, distributor
        self.priority_bits = priority_bits
        self.pmr = self.groups = 0
        self.bpr0, self.bpr1 = minimum_bpr(priority_bits, 0), minimum_bpr(priority_bits, 1)
        self.cbpr = self.split = self.fiq_enabled = False
        self.active = (ActivePriorities(priority_bits), ActivePriorities(priority_bits))
        self._lines, self._driven = lines, 0

    # --- what is signalled -------------------------------------------------------------------------------------

    def highest_pending(self) -> int:
        """Return the rank of the most urgent pending interrupt, whatever the mask and the running priority."""
        return self.distributor.highest_pending(self.cpu, self.groups)

    def signalled(self) -> int:
        """Return the rank of the interrupt that is signalled, or `NOTHING`.

        It must be more urgent than the priority mask, and its group priority than the group priority of what runs. Both
        are split by the binary point of its own group, as on QEMU; this matters only when the two groups' binary points
        differ, or changed meanwhile. Ref: IHI 0048 3.3.3, IHI 0069 4.8.6.
        """
        rank = self.highest_pending()
        if priority_of(rank) >= self.pmr:
            return NOTHING
        running = running_priority(*self.active)
        if running == IDLE_PRIORITY:
            return rank
        group = self.group_of(rank)
        preempts = self._group_priority(priority_of(rank), group) < self._group_priority(running, group)
        return rank if preempts else NOTHING

    def group_of(self, rank: int) -> int:
        """Return the group of the interrupt in a rank."""
        return self.distributor.group_of(self.cpu, intid_of(rank))

    def _group_priority(self, priority: int, group: int) -> int:
        return group_priority(priority, group, self.bpr0, self.bpr1, self.cbpr)

    def update(self) -> None:
        """Drive the CPU's interrupt lines according to what is signalled."""
        rank = self.signalled()
        level = 0
        if rank != NOTHING:
            level = 2 if self.fiq_enabled and self.group_of(rank) == 0 else 1
        if level != self._driven:
            self._drive(level)

    def _drive(self, level: int) -> None:
        self._driven = level
        self._lines.irq(level == 1)
        self._lines.fiq(level == 2)

    # --- the life of an interrupt ------------------------------------------------------------------------------

    def acknowledge(self, rank: int) -> int:
        """Make the signalled interrupt active, and its group priority the running priority; return its INTID."""
        intid = intid_of(rank)
        bank, bit = self.distributor.bank(self.cpu, intid)
        group = self.group_of(rank)
        self.active[group].activate(self._group_priority(priority_of(rank), group))
        bank.activate(bit)
        self.distributor.changed_bit(self.cpu, bank, bit)
        return intid

    def end(self, intid: int, group: int) -> None:
        """End an interrupt: drop the running priority of a group, and deactivate unless the two are split."""
        self.active[group].drop_highest()
        if not self.split:
            self.distributor.deactivate(self.cpu, intid)
        self.update()

    def set_bpr(self, group: int, value: int) -> None:
        """Write a group's binary point; too small a value becomes the minimum."""
        value = clamp_bpr(value, self.priority_bits, group)
        self.bpr0, self.bpr1 = (value, self.bpr1) if group == 0 else (self.bpr0, value)
        self.update()

    def set_pmr(self, value: int) -> None:
        """Write the priority mask; the bits that are not implemented are RAZ/WI."""
        self.pmr = value & priority_mask(self.priority_bits)
        self.update()

    def set_active_priorities(self, group: int, n: int, value: int) -> None:
        """Write register n of a group's active priorities."""
        self.active[group].set_register(n, value)
        self.update()

    # --- state -------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        state: dict[str, Any] = {name: getattr(self, name) for name in _STATE}
        return state | {"active": [active.snapshot() for active in self.active]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back; `redrive` follows when the distributor has its own."""
        for name in _STATE:
            setattr(self, name, state[name])
        for active, bits in zip(self.active, state["active"], strict=True):
            active.restore(bits)

    def redrive(self) -> None:
        """Drive both lines, whether or not they changed."""
        self._driven = -1
        self.update()
