"""GICv2: the distributor and the CPU interfaces, as on QEMU's `virt` without Security Extensions.

Read `machine/gic/cpu_interface.py` before this file, then `machine/gic/gicc.py`, `machine/gic/gicv2_sgi.py`.

As there: 288 INTIDs, 8 bits of priority (the lowest binary point is 0, so there are 4 active priorities registers),
SGIs always enabled, both groups, Group 0 signalled as IRQ unless GICC_CTLR.FIQEn is set.

Ref: IHI 0048 chapters 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from arm_hyp.arch.gic import FIRST_SPI, INTID_COUNT
from arm_hyp.machine.gic.cpu_interface import CpuInterface, CpuLines
from arm_hyp.machine.gic.distributor import Bank, Distributor
from arm_hyp.machine.gic.gicc import Gicc
from arm_hyp.machine.gic.gicv2_sgi import SoftwareInterrupts
from arm_hyp.machine.gic.inputs import Inputs
from arm_hyp.machine.gic.registers import BankWords, Frame, Word, constant, identification, whole, write_only
from arm_hyp.machine.seams import Device

PRIORITY_BITS: Final = 8
IIDR: Final = 0x43B
"""GICD_IIDR: implementer Arm (0x43b), product and revision 0."""
IDENTIFICATION: Final = (0x04, 0, 0, 0, 0x90, 0xB4, 0x2B, 0x00, 0x0D, 0xF0, 0x05, 0xB1)
"""PIDR4 to PIDR7, PIDR0 to PIDR3, CIDR0 to CIDR3. PIDR2<7:4> is the architecture: 2."""
_FRAME_END: Final = 0x1000


class Gicv2(Inputs):
    """A GICv2 for 1 to 8 CPUs. `lines[cpu]` are the inputs of each CPU that it drives.

    GICD and GICC have registers of each CPU's own, so every CPU's bus maps its own view of them.
    """

    def __init__(self, lines: Sequence[CpuLines]) -> None:
        if not 1 <= len(lines) <= 8:
            raise ValueError(f"a GICv2 has 1 to 8 CPU interfaces, not {len(lines)}")
        cpus = range(len(lines))
        self._distributor = Distributor(len(lines), PRIORITY_BITS, self._update)
        self._interfaces = [CpuInterface(cpu, self._distributor, PRIORITY_BITS, lines[cpu]) for cpu in cpus]
        self._sgis = SoftwareInterrupts(self._distributor)
        for bank in self._distributor.private:
            bank.enabled = bank.always_enabled = 0xFFFF
        if len(lines) == 1:
            self._distributor.shared.targets[0] = self._distributor.shared.mask
        self._frames = [Frame(self._distributor_words(cpu)) for cpu in cpus]
        self._gicc = [Gicc(interface, self._sgis) for interface in self._interfaces]

    def _update(self, cpu: int) -> None:
        self._interfaces[cpu].update()

    # --- what the board connects -------------------------------------------------------------------------------

    def distributor(self, cpu: int) -> Device:
        """Return GICD as one CPU sees it: 4 KiB of registers."""
        return self._frames[cpu]

    def cpu_interface(self, cpu: int) -> Device:
        """Return GICC of one CPU: 8 KiB of registers."""
        return self._gicc[cpu].frame

    def reset_cpu_interface(self, cpu: int) -> None:
        """Do nothing: GICC is part of the GIC, and is not reset with a CPU. Ref: IHI 0048 2.3."""

    # --- the distributor's registers ---------------------------------------------------------------------------

    def _distributor_words(self, cpu: int) -> dict[int, Word]:
        distributor = self._distributor
        table: dict[int, Word] = {
            0x000: whole(lambda: distributor.groups, self._write_control),
            0x004: constant((INTID_COUNT // 32 - 1) | (distributor.cpus - 1) << 5),
            0x008: constant(IIDR),
            0xF00: write_only(partial(self._sgis.generate, cpu)),
        }
        for bank, whose in ((distributor.private[cpu], cpu), (distributor.shared, None)):
            table |= BankWords(bank, partial(distributor.changed, whose), sgi_pending_writable=False).words()
        table |= self._target_words(cpu) | self._sgis.words(cpu)
        return table | identification(_FRAME_END, IDENTIFICATION)

    def _write_control(self, value: int) -> None:
        self._distributor.groups = value & 3
        self._distributor.changed(None)

    def _target_words(self, cpu: int) -> dict[int, Word]:
        """Return GICD_ITARGETSR: a byte of CPUs for each INTID; RAZ/WI with one CPU. Ref: IHI 0048 4.3.12."""
        cpus = self._distributor.cpus
        if cpus == 1:
            return {}
        own = constant(0x0101_0101 << cpu)._replace(bytes_allowed=True)
        table = {0x800 + n: own for n in range(0, FIRST_SPI, 4)}
        shared = self._distributor.shared
        for n in range(0, shared.count, 4):
            table[0x800 + FIRST_SPI + n] = Word(_targets(shared, n), self._retarget(shared, n), bytes_allowed=True)
        return table

    def _retarget(self, bank: Bank, first: int) -> Callable[[int, int], None]:
        def write(value: int, lanes: int) -> None:
            for lane in range(4):
                if lanes >> 8 * lane & 0xFF:
                    _set_targets(bank, 1 << first + lane, value >> 8 * lane)
            self._distributor.changed(None)

        return write

    # --- state -------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain data."""
        return {
            "distributor": self._distributor.snapshot(),
            "interfaces": [interface.snapshot() for interface in self._interfaces],
            "gicc": [gicc.snapshot() for gicc in self._gicc],
            "sgis": self._sgis.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back and drive all lines accordingly."""
        self._distributor.restore(state["distributor"])
        self._sgis.restore(state["sgis"])
        for interface, saved in zip(self._interfaces, state["interfaces"], strict=True):
            interface.restore(saved)
        for gicc, saved in zip(self._gicc, state["gicc"], strict=True):
            gicc.restore(saved)
        for interface in self._interfaces:
            interface.redrive()


def _targets(bank: Bank, first: int) -> Callable[[], int]:
    def read() -> int:
        return sum(
            (targeted >> first + lane & 1) << 8 * lane + cpu
            for cpu, targeted in enumerate(bank.targets)
            for lane in range(4)
        )

    return read


def _set_targets(bank: Bank, bit: int, cpus: int) -> None:
    for cpu, targeted in enumerate(bank.targets):
        bank.targets[cpu] = targeted | bit if cpus >> cpu & 1 else targeted & ~bit
