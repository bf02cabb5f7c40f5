"""GICH: the hypervisor's registers of a GICv2's virtual interface.

Read `machine/gic/virtual.py` and `machine/gic/registers.py` before this file and `machine/gic/gicv.py` after it.

Ref: IHI 0048 5.3.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.registers.gic_virtual import ICH_LR_EL2, LR_STATES
from arm_hyp.machine.gic.registers import Frame, Word, read_only, whole
from arm_hyp.machine.gic.virtual import VirtualInterface

LR0: Final = 0x100
_ICH_PRIORITY: Final = ICH_LR_EL2.Priority.lsb + 3


class GICH_LR(Register):
    """List register of a GICv2. Ref: IHI 0048 5.3.9, GICH_LRn."""

    WIDTH = 32
    HW = Field(31, values={0: "software only", 1: "linked to PhysicalID"}, meaning="linked to a physical interrupt")
    Grp1 = Field(30, meaning="group")
    State = Field(29, 28, LR_STATES, meaning="state of the virtual interrupt")
    Priority = Field(27, 23, meaning="priority <7:3>, 0 is the most urgent")
    PhysicalID = Field(19, 10, meaning="physical INTID if HW is 1; else <12:10> CPUID of an SGI, <19> EOI")
    VirtualID = Field(9, 0, meaning="virtual INTID that the guest sees")


_MOVES: Final = (
    (GICH_LR.HW, ICH_LR_EL2.HW.lsb),
    (GICH_LR.Grp1, ICH_LR_EL2.Group.lsb),
    (GICH_LR.State, ICH_LR_EL2.State.lsb),
    (GICH_LR.Priority, _ICH_PRIORITY),
    (GICH_LR.PhysicalID, ICH_LR_EL2.pINTID.lsb),
    (GICH_LR.VirtualID, ICH_LR_EL2.vINTID.lsb),
)
"""Where each field of GICH_LRn lies in ICH_LR<n>_EL2. EOI, bit 9 of PhysicalID, becomes bit 9 of pINTID."""


def decode_gich_lr(value: int) -> int:
    """Return a GICH_LRn value in the layout of ICH_LR<n>_EL2; bits <22:20> are RES0."""
    return sum((value >> field.lsb & field.max) << lsb for field, lsb in _MOVES)


def encode_gich_lr(lr: int) -> int:
    """Return an ICH_LR<n>_EL2 value, of a GICv2, in the layout of GICH_LRn."""
    return sum((lr >> lsb & field.max) << field.lsb for field, lsb in _MOVES)


class Gich(Frame):
    """The GICH frame of one CPU. It saves and restores the whole virtual interface, GICV's state included.

    EISR1 and ELRSR1 stand for list registers 32 to 63 and are zero. Anything else that is not here is RAZ/WI; so is
    every access that is not a whole word.
    Simplified: the aliases by which some GICs show one CPU the registers of another do not exist, as on QEMU's `virt`.
    """

    def __init__(self, interface: VirtualInterface) -> None:
        self._interface = interface
        super().__init__(_common_words(interface) | _list_words(interface))

    def snapshot(self) -> dict[str, Any]:
        """Return the state of the virtual interface."""
        return self._interface.snapshot()

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of the virtual interface back and drive its lines."""
        self._interface.restore(state)


def _common_words(interface: VirtualInterface) -> dict[int, Word]:
    return {
        0x00: whole(lambda: interface.hcr, interface.write_hcr),
        0x04: read_only(lambda: interface.vtr),
        0x08: whole(lambda: interface.vmcr, interface.write_vmcr),
        0x10: read_only(lambda: interface.maintenance_status),
        0x20: read_only(lambda: interface.end_status),
        0x30: read_only(lambda: interface.empty_status),
        0xF0: whole(partial(interface.active_priorities, 0), partial(interface.write_active_priorities, 0)),
    }


def _list_words(interface: VirtualInterface) -> dict[int, Word]:
    return {LR0 + 4 * n: _list_word(interface, n) for n in range(interface.list_register_count)}


def _list_word(interface: VirtualInterface, n: int) -> Word:
    return whole(
        lambda: encode_gich_lr(interface.list_register(n)),
        lambda value: interface.write_list_register(n, decode_gich_lr(value)),
    )
