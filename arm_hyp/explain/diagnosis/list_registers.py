"""The path of a virtual interrupt from a list register to EL1, gate by gate, where guest code sits at EL2.

Read `machine/gic/virtual.py` and `explain/diagnosis/gates.py` before this file, `physical_cpus.py` after it.

Ref: IHI 0069 chapter 6, IHI 0048 chapter 5; HCR_EL2.{IMO, VI}.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.interrupts import is_virtual_enabled
from arm_hyp.arch.pstate import PSTATE_I
from arm_hyp.arch.registers.gic_virtual import ICH_VMCR_EL2
from arm_hyp.explain.diagnosis.gates import Gate, first_closed, furthest
from arm_hyp.explain.diagnosis.waiting import Cause
from arm_hyp.machine.gic.virtual_list import PENDING, group_of, priority_of, state_of, virtual_intid_of

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

_HCR_VI: Final = 1 << 7
_EN: Final = 1


def held_virtual(core: Core, interface: dict[str, Any], *, can_be_masked: bool) -> Cause | None:
    """Say what holds a virtual interrupt back that is for EL1. `interface` is the snapshot of a VirtualInterface."""
    if core.el >= 2:
        return None
    hcr = interface.get("hcr", core.controls.values.ich_hcr_el2)
    pending = [lr for lr in interface["list_registers"] if state_of(lr) == PENDING]
    found = [
        first_closed(
            virtual_intid_of(lr), [*_gates(lr, hcr, interface["vmcr"], core.gic), *_of_cpu(core, can_be_masked)]
        )
        for lr in pending
    ]
    best = furthest(held for held in found if held is not None)
    if best is not None:
        return Cause(f"virtual INTID {best.intid} is pending in a list register, but {best.text}", best.advice)
    closed = first_closed(0, _of_cpu(core, can_be_masked)) if core.controls.values.hcr_el2 & _HCR_VI else None
    return (
        None if closed is None else Cause(f"HCR_EL2.VI makes a virtual IRQ pending, but {closed.text}", closed.advice)
    )


def _gates(lr: int, hcr: int, vmcr: int, version: int) -> Iterator[Gate]:
    """Yield the gates of the virtual CPU interface."""
    control, own, pmr = _NAMES[version]
    yield Gate(bool(hcr & _EN), f"the virtual CPU interface is off: {control}.En is 0", f"set {control}.En")
    fields, group, priority = ICH_VMCR_EL2(vmcr), group_of(lr), priority_of(lr)
    bit = own.format(group)
    is_on = bool((fields.VENG1 if group else fields.VENG0) & 1)
    yield Gate(is_on, f"is of Group {group}, which its guest has not enabled: {bit} is 0", f"have the guest set {bit}")
    mask = int(fields.VPMR)
    held = f"has priority {priority:#04x}, and the guest's {pmr} is {mask:#04x}: only lower values pass"
    yield Gate(priority < mask, held, f"have the guest write 0xff to {pmr}")


_NAMES: Final = {
    2: ("GICH_HCR", "GICV_CTLR.EnableGrp{}", "GICV_PMR"),
    3: ("ICH_HCR_EL2", "ICC_IGRPEN{}_EL1.Enable", "ICC_PMR_EL1"),
}


def _of_cpu(core: Core, can_be_masked: bool) -> Iterator[Gate]:
    is_enabled = is_virtual_enabled(Kind.IRQ, core.el, core.controls.values.hcr_el2)
    yield Gate(is_enabled, "HCR_EL2.IMO is 0, and only with it are there virtual IRQs", "set HCR_EL2.IMO")
    is_open = not (can_be_masked and core.pstate & PSTATE_I)
    yield Gate(is_open, "it is masked: PSTATE.I is 1", "clear PSTATE.I: msr daifclr, #2")
