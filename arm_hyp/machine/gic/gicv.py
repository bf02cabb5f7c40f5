"""GICV: the CPU interface that a guest sees on a GICv2, in the layout of GICC.

Read `machine/gic/gich.py` before this file.

Ref: IHI 0048 5.5.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from arm_hyp.arch.gic import INTID_OTHER_GROUP
from arm_hyp.arch.registers.gic_virtual import ICH_VMCR_EL2
from arm_hyp.machine.gic.registers import Frame, Word, constant, read_only, whole, write_only
from arm_hyp.machine.gic.virtual import BOTH_GROUPS, GROUP0, GROUP1, VirtualInterface

IIDR: Final = 0x0002_043B
"""GICV_IIDR as on QEMU's `virt`: architecture version 2, implementer Arm."""

_VMCR: Final = ICH_VMCR_EL2
_CTLR: Final = 0x21F
"""GICV_CTLR<9,4:0>: the same bits as in GICH_VMCR."""
_IDENTIFIER: Final = 0x1FFF


class Gicv(Frame):
    """The GICV frame of one CPU: 8 KiB. Its state is in GICH's.

    What is not here is RAZ/WI; so is every access that is not a whole word.
    """

    def __init__(self, interface: VirtualInterface) -> None:
        super().__init__(_state_words(interface) | _interrupt_words(interface) | _group1_words(interface))


def _state_words(interface: VirtualInterface) -> dict[int, Word]:
    """CTLR, PMR, BPR, RPR, ABPR, APR0 and IIDR. With 5 bits of priority APR1 to APR3 do not exist."""
    return {
        0x00: whole(lambda: interface.vmcr & _CTLR, partial(_write_ctlr, interface)),
        0x04: whole(partial(interface.field, _VMCR.VPMR), interface.write_priority_mask),
        0x08: whole(partial(interface.field, _VMCR.VBPR0), partial(interface.write_binary_point, 0)),
        0x14: read_only(lambda: interface.running_priority),
        0x1C: whole(partial(interface.field, _VMCR.VBPR1), partial(interface.write_binary_point, 1)),
        0xD0: whole(partial(interface.active_priorities, 0), partial(interface.write_active_priorities, 0)),
        0xFC: constant(IIDR),
    }


def _interrupt_words(interface: VirtualInterface) -> dict[int, Word]:
    """IAR, EOIR, HPPIR and DIR. IAR and HPPIR show Group 1 as 1022 unless GICV_CTLR.AckCtl is 1."""
    return {
        0x0C: read_only(lambda: interface.acknowledge(_shown_groups(interface), INTID_OTHER_GROUP)),
        0x10: write_only(lambda value: interface.end(_shown_groups(interface), value & _IDENTIFIER)),
        0x18: read_only(lambda: interface.highest_pending(_shown_groups(interface), INTID_OTHER_GROUP)),
        0x1000: write_only(lambda value: interface.deactivate(value & _IDENTIFIER)),
    }


def _group1_words(interface: VirtualInterface) -> dict[int, Word]:
    """AIAR, AEOIR and AHPPIR: Group 1 only; Group 0 is shown as 1023."""
    return {
        0x20: read_only(lambda: interface.acknowledge(GROUP1)),
        0x24: write_only(lambda value: interface.end(GROUP1, value & _IDENTIFIER)),
        0x28: read_only(lambda: interface.highest_pending(GROUP1)),
    }


def _write_ctlr(interface: VirtualInterface, value: int) -> None:
    interface.write_vmcr(interface.vmcr & ~_CTLR | value & _CTLR)


def _shown_groups(interface: VirtualInterface) -> int:
    return BOTH_GROUPS if interface.field(_VMCR.VAckCtl) else GROUP0
