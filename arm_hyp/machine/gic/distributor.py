"""The state of every interrupt, and which pending one a CPU gets next.

Read `machine/gic/priority.py` before this file and `machine/gic/registers.py` after it. A `Bank` holds a row of
interrupts, one bit of an integer each, so that a question about 256 SPIs is a few operations on integers. Each CPU has
a bank of its own for INTID 0 to 31; all share one for the SPIs.

Ref: IHI 0048 3.2.4 (states), 4.3 (the logic of a level-sensitive interrupt's pending status); IHI 0069 4.1, 12.9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from arm_hyp.arch.gic import FIRST_SPI, INTID_COUNT, INTID_SPURIOUS, SPI_COUNT, priority_mask

NOTHING: Final = 0x100 << 16 | INTID_SPURIOUS
"""The *rank* of no interrupt. A rank is priority << 16 | INTID: the smallest wins, then the lowest INTID."""
_SGIS: Final = 0xFFFF
_STATE: Final = ("enabled", "latch", "line", "active", "group", "edge")


def priority_of(rank: int) -> int:
    """Return the priority in a rank; 0x100 for no interrupt."""
    return rank >> 16


def intid_of(rank: int) -> int:
    """Return the INTID in a rank; 1023 for no interrupt."""
    return rank & 0xFFFF


class Bank:
    """Interrupts `base` to `base + count - 1`: bit n of each attribute belongs to INTID `base + n`.

    `latch` is the pending latch, `line` the level of the input. `targets[cpu]` are the interrupts that go to a CPU.
    """

    def __init__(self, base: int, count: int, priority_bits: int, targets: list[int]) -> None:
        self.base, self.count, self.mask = base, count, (1 << count) - 1
        self.enabled = self.latch = self.line = self.active = self.group = 0
        self.edge = _SGIS if base == 0 else 0
        self.always_enabled = 0
        self.priorities = bytearray(count)
        self.targets = targets
        self._priority_mask = priority_mask(priority_bits)
        self._levels: list[tuple[int, int]] | None = None

    @property
    def pending(self) -> int:
        """The pending interrupts: the latch, and the input of those that are level-sensitive."""
        return self.latch | self.line & ~self.edge

    def drive(self, bit: int, level: bool) -> bool:
        """Set the level of an input; return whether it changed. A rising edge pends an edge-triggered interrupt."""
        if bool(self.line & bit) == level:
            return False
        self.line ^= bit
        if level:
            self.latch |= bit & self.edge
        return True

    def activate(self, bit: int) -> None:
        """Move an interrupt from pending to active. A level-sensitive one stays pending while its line is high."""
        self.latch &= ~bit
        self.active |= bit

    def set_priority(self, n: int, priority: int) -> None:
        """Set a priority; the bits that are not implemented are ignored."""
        self.priorities[n] = priority & self._priority_mask
        self._levels = None

    def set_edge(self, edge: int) -> None:
        """Set which interrupts are edge-triggered. SGIs always are."""
        self.edge = edge | (_SGIS if self.base == 0 else 0)

    def best(self, candidates: int) -> int:
        """Return the rank of the most urgent of some interrupts, or `NOTHING`."""
        for priority, members in self._sorted_levels():
            hit = candidates & members
            if hit:
                return priority << 16 | self.base + (hit & -hit).bit_length() - 1
        return NOTHING

    def _sorted_levels(self) -> list[tuple[int, int]]:
        if self._levels is None:
            members: dict[int, int] = {}
            for n, priority in enumerate(self.priorities):
                members[priority] = members.get(priority, 0) | 1 << n
            self._levels = sorted(members.items())
        return self._levels

    def candidates(self, cpu: int, groups: int) -> int:
        """Return what may be signalled to a CPU: pending, not active, enabled, of an enabled group (`groups`<1:0>)."""
        ready = (self.latch | self.line & ~self.edge) & self.enabled & ~self.active & self.targets[cpu]
        if ready and groups != 3:
            ready &= (self.group if groups & 2 else 0) | (~self.group if groups & 1 else 0)
        return ready

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        state: dict[str, Any] = {name: getattr(self, name) for name in _STATE}
        return state | {"priorities": bytes(self.priorities), "targets": list(self.targets)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        for name in _STATE:
            setattr(self, name, state[name])
        self.priorities, self._levels = bytearray(state["priorities"]), None
        self.targets = list(state["targets"])


class Distributor:
    """All banks, and the enables of the two groups (`groups`<1:0>, GICD_CTLR.EnableGrp0 and EnableGrp1).

    `update(cpu)` is told that the interrupts of a CPU may have changed.
    """

    def __init__(self, cpus: int, priority_bits: int, update: Callable[[int], None]) -> None:
        everything = (1 << FIRST_SPI) - 1
        self.private = [Bank(0, FIRST_SPI, priority_bits, [everything] * cpus) for _ in range(cpus)]
        self.shared = Bank(FIRST_SPI, SPI_COUNT, priority_bits, [0] * cpus)
        self.groups = 0
        self.cpus = cpus
        self._update = update

    def bank(self, cpu: int, intid: int) -> tuple[Bank, int]:
        """Return the bank of an interrupt as a CPU sees it, and the interrupt's bit. Raises: ValueError."""
        if not 0 <= intid < INTID_COUNT:
            raise ValueError(f"INTID {intid} is not an SGI, PPI or SPI of this GIC (0 to {INTID_COUNT - 1})")
        bank = self.shared if intid >= FIRST_SPI else self.private[cpu]
        return bank, 1 << intid - bank.base

    def group_of(self, cpu: int, intid: int) -> int:
        """Return the group of an interrupt: 0 or 1."""
        bank, bit = self.bank(cpu, intid)
        return int(bank.group & bit != 0)

    def highest_pending(self, cpu: int, groups: int) -> int:
        """Return the rank of the most urgent candidate of a CPU, of `groups`<1:0> that the distributor enables too."""
        groups &= self.groups
        rank = NOTHING
        if groups:
            for bank in (self.private[cpu], self.shared):
                candidates = bank.candidates(cpu, groups)
                if candidates:
                    rank = min(rank, bank.best(candidates))
        return rank

    def changed(self, cpu: int | None) -> None:
        """Tell that interrupts of one CPU changed, or of all (None)."""
        for each in range(self.cpus) if cpu is None else (cpu,):
            self._update(each)

    def deactivate(self, cpu: int, intid: int) -> None:
        """Clear the active state of an interrupt; its targets may get it again."""
        bank, bit = self.bank(cpu, intid)
        if bank.active & bit:
            bank.active &= ~bit
            self.changed_bit(cpu, bank, bit)

    def changed_bit(self, cpu: int, bank: Bank, bit: int) -> None:
        """Tell that one interrupt changed: its targets, or the CPU that it belongs to, look again."""
        if bank is not self.shared:
            self._update(cpu)
            return
        for each, targeted in enumerate(bank.targets):
            if targeted & bit:
                self._update(each)

    def line(self, cpu: int, intid: int) -> Callable[[bool], None]:
        """Return the input of an interrupt. Raises: ValueError, for a number that no input has."""
        bank, bit = self.bank(cpu, intid)

        def drive(level: bool) -> None:
            if bank.drive(bit, level):
                self.changed_bit(cpu, bank, bit)

        return drive

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "groups": self.groups,
            "private": [bank.snapshot() for bank in self.private],
            "shared": self.shared.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back. The caller then looks at every CPU again."""
        self.groups = state["groups"]
        for bank, saved in zip(self.private, state["private"], strict=True):
            bank.restore(saved)
        self.shared.restore(state["shared"])
