"""What software does to an interrupt, whichever GIC it has: acknowledge, end, deactivate, and its list registers.

Read `model.py` and `machine/gic/cpu_interface.py` before this file, `interrupts.py` and `list_registers.py` after it.
GICv3 has system registers (ICC_*, ICH_*), GICv2 frames (GICC, GICV, GICH): the events differ, the meaning does not.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from arm_hyp.arch.registers import HCR_EL2
from arm_hyp.events import DeviceAccess, RegisterAccess
from arm_hyp.explain.checkers.model import Witness
from arm_hyp.machine.gic.gich import LR0

_SPECIAL: Final = range(1020, 1024)
"""INTIDs that are no interrupts."""
_INTID: Final = 0xFF_FFFF
_INTID_GICV2: Final = 0x3FF
_CPU_REGISTER: Final = re.compile(r"IC[CV]_(IAR|EOIR|DIR)([01]?)_EL1")
_LIST_REGISTER: Final = re.compile(r"ICH_LR(\d+)_EL2")
_GICC: Final = {0x00C: "IAR", 0x010: "EOIR", 0x020: "IAR", 0x024: "EOIR", 0x1000: "DIR"}
_LIST_BYTES: Final = 0x100


class Action(NamedTuple):
    """A read of IAR, or a write of EOIR or DIR: acknowledge, end, deactivate."""

    register: str
    is_virtual: bool
    intid: int


class ListAccess(NamedTuple):
    """List register `n` was read or written."""

    n: int
    is_read: bool


def action_of(event: RegisterAccess | DeviceAccess, witness: Witness) -> Action | None:
    """Return what an access does to an interrupt."""
    action = _of_register(event, witness) if isinstance(event, RegisterAccess) else _of_device(event)
    return None if action is None or action.intid in _SPECIAL else action


def _of_register(event: RegisterAccess, witness: Witness) -> Action | None:
    """Ref: IHI 0069 12.2. At EL1, HCR_EL2.IMO gives ICV_* in place of ICC_* of Group 1, FMO of Group 0, either DIR."""
    found = _CPU_REGISTER.fullmatch(event.register)
    if found is None:
        return None
    hcr = HCR_EL2(witness.register(event.cpu, "HCR_EL2"))
    by_group = {"0": hcr.FMO, "1": hcr.IMO, "": hcr.FMO or hcr.IMO}
    return Action(found[1], event.el == 1 and bool(by_group[found[2]]), event.value & _INTID)


def _of_device(event: DeviceAccess) -> Action | None:
    name = _GICC.get(event.offset) if event.device in ("gicc", "gicv") else None
    if name is None or event.is_write == (name == "IAR"):
        return None
    return Action(name, event.device == "gicv", event.value & _INTID_GICV2)


def list_access_of(event: RegisterAccess | DeviceAccess) -> ListAccess | None:
    """Return the access of a list register: ICH_LR<n>_EL2, or GICH_LRn."""
    if isinstance(event, RegisterAccess):
        found = _LIST_REGISTER.fullmatch(event.register)
        return None if found is None else ListAccess(int(found[1]), event.is_read)
    if event.device != "gich" or not LR0 <= event.offset < LR0 + _LIST_BYTES:
        return None
    return ListAccess((event.offset - LR0) // 4, not event.is_write)
