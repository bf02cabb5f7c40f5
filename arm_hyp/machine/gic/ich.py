"""ICH_*: the hypervisor's system registers of a GICv3's virtual interface, except ICH_HCR_EL2.

Read `machine/gic/virtual.py` and `cpu/system_registers.py` before this file and `machine/gic/icv.py` after it.
ICH_HCR_EL2 is a control register of the core: see `VirtualInterface.filter_control` and `control_written`.

Ref: IHI 0069 chapter 12, ICH_*.
"""

from __future__ import annotations

from functools import partial

from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.gic.virtual import VirtualInterface


def ich_ports(interface: VirtualInterface) -> dict[Encoding, RegisterPort]:
    """Return the ports of one CPU's ICH_* registers.

    With 5 bits of preemption only ICH_AP0R0_EL2 and ICH_AP1R0_EL2 exist; the others, and the list registers that this
    GIC has not, are UNDEFINED: they have no port.
    """
    ports = {
        "ICH_VTR_EL2": RegisterPort(lambda: interface.vtr, None),
        "ICH_VMCR_EL2": RegisterPort(lambda: interface.vmcr, interface.write_vmcr),
        "ICH_MISR_EL2": RegisterPort(lambda: interface.maintenance_status, None),
        "ICH_EISR_EL2": RegisterPort(lambda: interface.end_status, None),
        "ICH_ELRSR_EL2": RegisterPort(lambda: interface.empty_status, None),
    }
    for group in (0, 1):
        ports[f"ICH_AP{group}R0_EL2"] = active_priorities_port(interface, group)
    for n in range(interface.list_register_count):
        ports[f"ICH_LR{n}_EL2"] = RegisterPort(
            partial(interface.list_register, n), partial(interface.write_list_register, n)
        )
    return {by_name(name).encoding: port for name, port in ports.items()}


def active_priorities_port(interface: VirtualInterface, group: int) -> RegisterPort:
    """Return the port of a group's active priorities: ICH_AP<group>R0_EL2, ICV_AP<group>R0_EL1."""
    return RegisterPort(partial(interface.active_priorities, group), partial(interface.write_active_priorities, group))
