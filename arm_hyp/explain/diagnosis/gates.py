"""The path of an interrupt from a device to a CPU, gate by gate, and the first gate that holds it back.

Read `arch/interrupts.py` and `machine/gic/distributor.py` before this file, `explain/diagnosis/waiting.py` after it.
The same gates serve the machine's interrupt controller and that of a VM: `interrupts_of_cpu` reads the one from its
snapshot, `virtual_cpus.py` the other.

Ref: IHI 0048 chapters 3 and 4, IHI 0069 chapter 4; Arm ARM D1.3, "Asynchronous exception masking".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.gic import FIRST_PPI, FIRST_SPI, IDLE_PRIORITY, active_priority_of
from arm_hyp.arch.interrupts import interrupt_target, is_masked
from arm_hyp.machine import board

TIMER_NAMES: Final = {
    "CNTV": "the virtual timer (CNTV, INTID 27)",
    "CNTP": "the physical timer (CNTP, INTID 30)",
    "CNTHP": "the EL2 physical timer (CNTHP, INTID 26)",
    "CNTHV": "the EL2 virtual timer (CNTHV, INTID 28)",
    "CNTPS": "the secure timer (CNTPS, INTID 29)",
}
_DEVICES: Final = {
    board.INTID_MAINTENANCE: "the GIC's maintenance interrupt",
    board.INTID_VIRTUAL_TIMER: "the virtual timer",
    board.INTID_PHYSICAL_TIMER: "the physical timer",
    board.INTID_HYP_TIMER: "the EL2 physical timer",
    board.INTID_HYP_VIRTUAL_TIMER: "the EL2 virtual timer",
    board.INTID_SECURE_TIMER: "the secure timer",
    board.INTID_PMU: "the PMU",
    board.INTID_PL031: "the real-time clock",
    board.INTID_PL061: "the power button",
}
_MASK_BIT: Final = {Kind.IRQ: "I", Kind.FIQ: "F"}
_ROUTE_BIT: Final = {Kind.IRQ: "IMO", Kind.FIQ: "FMO"}


class Gate(NamedTuple):
    """One condition on the way. `held` says why it is not met, `advice` what would meet it."""

    is_open: bool
    held: str
    advice: str


class Interrupt(NamedTuple):
    """One interrupt as the controller knows it, for one CPU. `priority` <7:0>, 0 the most urgent."""

    intid: int
    pending: bool
    enabled: bool
    active: bool
    group: int
    priority: int
    is_target: bool


class Interface(NamedTuple):
    """A distributor and a CPU interface: group enables <1:0> of both, priority mask, running priority (0xff: idle)."""

    version: int
    distributor_groups: int
    groups: int
    pmr: int
    running: int
    fiq_enabled: bool


class Held(NamedTuple):
    """An interrupt that is held back: how many gates it has passed, and what the next one says."""

    intid: int
    passed: int
    text: str
    advice: str


def name_of_intid(intid: int) -> str:
    """Return who raises an interrupt, with its number."""
    if intid < FIRST_PPI:
        return f"SGI {intid}"
    slot = intid - board.INTID_VIRTIO
    if intid == board.INTID_PL011:
        return f"input at the console (pl011, INTID {intid})"
    device = f"virtio {slot}" if 0 <= slot < board.VIRTIO_SLOTS else _DEVICES.get(intid, "")
    return f"{device} (INTID {intid})" if device else f"INTID {intid}"


# --- the controller's gates -------------------------------------------------------------------------------------------


def controller_gates(one: Interrupt, at: Interface) -> Iterator[Gate]:
    """Yield the gates of the interrupt controller, from the distributor to the CPU's input."""
    n, bit, group, v3 = one.intid // 32, one.intid % 32, one.group, at.version == 3
    enable = f"GICR_ISENABLER0<{bit}>" if v3 and n == 0 else f"GICD_ISENABLER{n}<{bit}>"
    yield Gate(one.enabled, f"is not enabled: {enable} is 0", f"write {1 << bit:#x} to {enable.split('<')[0]}")
    ended = "ICC_EOIR1_EL1" if v3 else "GICC_EOIR"
    yield Gate(not one.active, "is active already: it was acknowledged and not ended", f"write its INTID to {ended}")
    yield Gate(*_group_off(at.distributor_groups, group, f"GICD_CTLR.EnableGrp{group}", "in the distributor"))
    target = f"GICD_IROUTER{one.intid}" if v3 else f"GICD_ITARGETSR{one.intid // 4}"
    yield Gate(one.is_target, f"is not for this CPU: see {target}", f"name this CPU in {target}")
    own = f"ICC_IGRPEN{group}_EL1.Enable" if v3 else f"GICC_CTLR.EnableGrp{group}"
    yield Gate(*_group_off(at.groups, group, own, "in the CPU interface"))
    pmr = "ICC_PMR_EL1" if v3 else "GICC_PMR"
    held = f"has priority {one.priority:#04x}, and {pmr} is {at.pmr:#04x}: only lower values pass"
    yield Gate(one.priority < at.pmr, held, f"write 0xff to {pmr}, or give it a lower priority value")
    held = f"has priority {one.priority:#04x}, and an interrupt of priority {at.running:#04x} is being handled"
    yield Gate(one.priority < at.running or at.running == IDLE_PRIORITY, held, f"end that one: write to {ended}")


def _group_off(groups: int, group: int, bit: str, where: str) -> tuple[bool, str, str]:
    return bool(groups >> group & 1), f"is of Group {group}, which is off {where}: {bit} is 0", f"set {bit}"


# --- the CPU's gates --------------------------------------------------------------------------------------------------


def kind_of(one: Interrupt, at: Interface) -> Kind:
    """Return whether an interrupt is signalled as IRQ or FIQ."""
    return Kind.FIQ if one.group == 0 and at.fiq_enabled else Kind.IRQ


def cpu_gates(kind: Kind, pstate: int, hcr: int, *, can_be_masked: bool) -> Iterator[Gate]:
    """Yield the gates of the CPU. A WFI ends whatever PSTATE masks: then not `can_be_masked`."""
    el, route, mask = pstate >> 2 & 3, _ROUTE_BIT[kind], _MASK_BIT[kind]
    target = interrupt_target(kind, el, hcr)
    held = f"is for EL{target}, as HCR_EL2.{route} and TGE are 0, and at EL{el} it stays pending"
    yield Gate(target >= el, held, f"set HCR_EL2.{route}")
    masked = can_be_masked and is_masked(kind, False, el, target, pstate, hcr)
    yield Gate(not masked, f"is masked: PSTATE.{mask} is 1", f"clear PSTATE.{mask}: msr daifclr, #{_DAIF[kind]}")


_DAIF: Final = {Kind.IRQ: 2, Kind.FIQ: 1}


def first_closed(intid: int, gates: Iterable[Gate], passed: int = 0) -> Held | None:
    """Return the first gate that holds an interrupt back, or None if all are open."""
    for gate in gates:
        if not gate.is_open:
            return Held(intid, passed, gate.held, gate.advice)
        passed += 1
    return None


def furthest(held: Iterable[Held]) -> Held | None:
    """Return the interrupt that came furthest on its way, the lowest INTID of several."""
    return min(held, key=lambda one: (-one.passed, one.intid), default=None)


# --- the machine's controller -----------------------------------------------------------------------------------------


def interface_of_cpu(version: int, gic: dict[str, Any], cpu: int) -> Interface:
    """Read the interface of a CPU from the snapshot of a GIC of a version."""
    saved = gic["interfaces"][cpu]
    bits = 5 if version == 3 else 8
    active = [active_priority_of((word & -word).bit_length() - 1, bits) for word in saved["active"] if word]
    running = min(active, default=IDLE_PRIORITY)
    groups, pmr, fiq = saved["groups"], saved["pmr"], saved["fiq_enabled"]
    return Interface(version, gic["distributor"]["groups"], groups, pmr, running, fiq)


def interrupts_of_cpu(gic: dict[str, Any], cpu: int) -> Iterator[Interrupt]:
    """Read all interrupts that concern a CPU: its own, and the shared ones that are for it or for nobody."""
    own, shared = gic["distributor"]["private"][cpu], gic["distributor"]["shared"]
    for base, bank in ((0, own), (FIRST_SPI, shared)):
        anybody = 0
        for targets in bank["targets"]:
            anybody |= targets
        wanted = bank["targets"][cpu] | ~anybody
        for n, priority in enumerate(bank["priorities"]):
            if wanted >> n & 1:
                yield _interrupt(bank, base, n, priority, cpu)


def _interrupt(bank: dict[str, Any], base: int, n: int, priority: int, cpu: int) -> Interrupt:
    pending = bank["latch"] | bank["line"] & ~bank["edge"]
    enabled, active, is_target = (
        bool(word >> n & 1) for word in (bank["enabled"], bank["active"], bank["targets"][cpu])
    )
    return Interrupt(base + n, bool(pending >> n & 1), enabled, active, bank["group"] >> n & 1, priority, is_target)
