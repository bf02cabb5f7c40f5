"""Which interface an access to ICC_* reaches: the physical one, or at EL1 the virtual one, ICV_*.

Read `machine/gic/icc.py` before this file. Both have the same encodings. HCR_EL2.FMO gives EL1 the virtual Group 0
registers, HCR_EL2.IMO those of Group 1, either of them the common ones. ICC_SGI0R_EL1, ICC_SGI1R_EL1 and
ICC_ASGI1R_EL1 have no virtual form: there the trap rules send EL1 to EL2.

Ref: IHI 0069 9.1 and the pseudocode of each ICC_*_EL1 register, "elsif EL2Enabled() && HCR_EL2.IMO == '1' then".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from arm_hyp.arch.control_bits import HCR_FMO, HCR_IMO
from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.seams import CpuView

_GROUP_0: Final = ("IAR0", "EOIR0", "HPPIR0", "BPR0", "IGRPEN0", "AP0R0", "AP0R1", "AP0R2", "AP0R3")
_GROUP_1: Final = ("IAR1", "EOIR1", "HPPIR1", "BPR1", "IGRPEN1", "AP1R0", "AP1R1", "AP1R2", "AP1R3")
_COMMON: Final = ("CTLR", "DIR", "PMR", "RPR")

VIRTUALIZED_BY: Final[Mapping[Encoding, int]] = {
    by_name(f"ICC_{name}_EL1").encoding: bits
    for names, bits in ((_GROUP_0, HCR_FMO), (_GROUP_1, HCR_IMO), (_COMMON, HCR_FMO | HCR_IMO))
    for name in names
}
"""The bits of HCR_EL2, any of which makes an access from EL1 a virtual one."""


def select_ports(
    physical: Mapping[Encoding, RegisterPort], virtual: Mapping[Encoding, RegisterPort], view: CpuView
) -> dict[Encoding, RegisterPort]:
    """Return the ports of both interfaces as one table, each choosing at every access.

    A register, or a direction, that only one of the two interfaces has is not there. Raises: KeyError, for a virtual
    port of a register that has no virtual form.
    """
    ports = dict(physical)
    for encoding, virtual_port in virtual.items():
        chosen = _is_virtual(VIRTUALIZED_BY[encoding], view)
        port = physical.get(encoding, RegisterPort(None, None))
        ports[encoding] = RegisterPort(
            _choose_read(port.read, virtual_port.read, chosen), _choose_write(port.write, virtual_port.write, chosen)
        )
    return ports


def _is_virtual(bits: int, view: CpuView) -> Callable[[], bool]:
    return lambda: view.el == 1 and view.control("hcr_el2") & bits != 0


def _choose_read(
    physical: Callable[[], int] | None, virtual: Callable[[], int] | None, is_virtual: Callable[[], bool]
) -> Callable[[], int] | None:
    if physical is None or virtual is None:
        return None
    return lambda: virtual() if is_virtual() else physical()


def _choose_write(
    physical: Callable[[int], None] | None, virtual: Callable[[int], None] | None, is_virtual: Callable[[], bool]
) -> Callable[[int], None] | None:
    if physical is None or virtual is None:
        return None
    return lambda value: virtual(value) if is_virtual() else physical(value)
