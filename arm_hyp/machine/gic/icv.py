"""ICV_*: the system registers of the CPU interface that a guest sees on a GICv3, under the encodings of ICC_*.

Read `machine/gic/ich.py` before this file. Whether an access reaches ICC_* or ICV_* is decided by the physical side.

Ref: IHI 0069 chapter 12, ICV_*, and the pseudocode VirtualReadIAR0 and its siblings.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from arm_hyp.arch.bitfields import Field
from arm_hyp.arch.gic import common_bpr1
from arm_hyp.arch.registers.gic import ICV_CTLR_EL1
from arm_hyp.arch.registers.gic_virtual import ICH_VMCR_EL2
from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.gic.ich import active_priorities_port
from arm_hyp.machine.gic.virtual import GROUP0, GROUP1, VirtualInterface
from arm_hyp.machine.gic.virtual_layout import PRIORITY_BITS

_VMCR: Final = ICH_VMCR_EL2
_CTLR: Final = int(ICV_CTLR_EL1.of(A3V=1, IDbits=1, PRIbits=PRIORITY_BITS - 1))
"""The read-only bits of ICV_CTLR_EL1: 24-bit INTIDs, affinity 3, 5 bits of priority; no SErrors, no range selector."""


def icv_ports(interface: VirtualInterface) -> dict[Encoding, RegisterPort]:
    """Return the ports of one CPU's ICV_* registers, by the encodings of the ICC_* registers.

    ICV_AP<m>R1_EL1 to R3 do not exist with 5 bits of preemption, nor ICV_NMIAR1_EL1: UNDEFINED, they have no port.
    """
    ports = _common_ports(interface)
    for group, members in enumerate((GROUP0, GROUP1)):
        ports |= _group_ports(interface, group, members)
    return {by_name(name).encoding: port for name, port in ports.items()}


def _common_ports(interface: VirtualInterface) -> dict[str, RegisterPort]:
    return {
        "ICV_PMR_EL1": RegisterPort(partial(interface.field, _VMCR.VPMR), interface.write_priority_mask),
        "ICV_CTLR_EL1": RegisterPort(partial(_read_ctlr, interface), partial(_write_ctlr, interface)),
        "ICV_RPR_EL1": RegisterPort(lambda: interface.running_priority, None),
        "ICV_DIR_EL1": RegisterPort(None, interface.deactivate),
        "ICV_BPR0_EL1": RegisterPort(partial(interface.field, _VMCR.VBPR0), partial(interface.write_binary_point, 0)),
        "ICV_BPR1_EL1": RegisterPort(partial(_read_bpr1, interface), partial(_write_bpr1, interface)),
        "ICV_IGRPEN0_EL1": _field_port(interface, _VMCR.VENG0),
        "ICV_IGRPEN1_EL1": _field_port(interface, _VMCR.VENG1),
    }


def _group_ports(interface: VirtualInterface, group: int, members: int) -> dict[str, RegisterPort]:
    return {
        f"ICV_IAR{group}_EL1": RegisterPort(partial(interface.acknowledge, members), None),
        f"ICV_EOIR{group}_EL1": RegisterPort(None, partial(interface.end, members)),
        f"ICV_HPPIR{group}_EL1": RegisterPort(partial(interface.highest_pending, members), None),
        f"ICV_AP{group}R0_EL1": active_priorities_port(interface, group),
    }


def _field_port(interface: VirtualInterface, field: Field) -> RegisterPort:
    return RegisterPort(partial(interface.field, field), partial(interface.write_field, field))


def _read_ctlr(interface: VirtualInterface) -> int:
    eoi_mode, cbpr = interface.field(_VMCR.VEOIM), interface.field(_VMCR.VCBPR)
    return _CTLR | eoi_mode << ICV_CTLR_EL1.EOImode.lsb | cbpr << ICV_CTLR_EL1.CBPR.lsb


def _write_ctlr(interface: VirtualInterface, value: int) -> None:
    vmcr = ICH_VMCR_EL2(interface.vmcr)
    eoi_mode, cbpr = value >> ICV_CTLR_EL1.EOImode.lsb & 1, value >> ICV_CTLR_EL1.CBPR.lsb & 1
    interface.write_vmcr(vmcr.replace(VEOIM=eoi_mode, VCBPR=cbpr))


def _read_bpr1(interface: VirtualInterface) -> int:
    """Read Group 1's binary point; with CBPR that of Group 0 plus one, at most 7."""
    if interface.field(_VMCR.VCBPR):
        return common_bpr1(interface.field(_VMCR.VBPR0))
    return interface.field(_VMCR.VBPR1)


def _write_bpr1(interface: VirtualInterface, value: int) -> None:
    """Write Group 1's binary point; ignored with CBPR."""
    if not interface.field(_VMCR.VCBPR):
        interface.write_binary_point(1, value)
