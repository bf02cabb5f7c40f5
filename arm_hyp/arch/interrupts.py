"""Interrupts: which pending one is taken, where to, and whether WFI and WFE go on.

Read `arch/exceptions.py` before and `arch/event_register.py` after this file.

Lines are plain integer flags (`LINE_IRQ`, ...). A physical interrupt goes where SCR_EL3 and HCR_EL2.{TGE, AMO, IMO,
FMO} say. The Arm ARM's table of masking has three letters, and so has this file: *A*, taken whatever PSTATE says (the
target is above and not of the same host); *B*, taken unless PSTATE.{A, I, F} masks it; *C*, not taken (the target is
below). A virtual one comes from HCR_EL2.{VSE, VI, VF} or from the virtual GIC and goes to EL1; it exists only below
EL2, with HCR_EL2.{AMO, IMO, FMO} set and TGE clear.

Simplified: no FEAT_NMI, no delegated SError, no EDSCR.INTdis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from arm_hyp.arch.control_bits import (
    HCR_AMO,
    HCR_E2H_TGE,
    HCR_FMO,
    HCR_IMO,
    HCR_TGE,
    HCR_VF,
    HCR_VI,
    HCR_VSE,
    SCR_EA,
    SCR_FIQ,
    SCR_IRQ,
    SCR_WITHOUT_EL3,
    el2_enabled,
)
from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.pstate import PSTATE_A, PSTATE_F, PSTATE_I

LINE_IRQ: Final = 1 << 0
LINE_FIQ: Final = 1 << 1
LINE_SERROR: Final = 1 << 2
LINE_VIRQ: Final = 1 << 3
"""Virtual IRQ from a virtual GIC; HCR_EL2.VI is read from HCR_EL2 itself."""
LINE_VFIQ: Final = 1 << 4

_HCR_VIRTUAL: Final = HCR_VF | HCR_VI | HCR_VSE


class _Row(NamedTuple):
    """The bits that belong to one kind of interrupt."""

    mask: int
    route: int
    scr: int
    line: int
    virtual_line: int
    virtual_hcr: int


_ROWS: Final[dict[Kind, _Row]] = {
    Kind.SERROR: _Row(PSTATE_A, HCR_AMO, SCR_EA, LINE_SERROR, 0, HCR_VSE),
    Kind.FIQ: _Row(PSTATE_F, HCR_FMO, SCR_FIQ, LINE_FIQ, LINE_VFIQ, HCR_VF),
    Kind.IRQ: _Row(PSTATE_I, HCR_IMO, SCR_IRQ, LINE_IRQ, LINE_VIRQ, HCR_VI),
}

PRIORITY: Final[tuple[tuple[Kind, bool], ...]] = (
    (Kind.SERROR, False),
    (Kind.FIQ, False),
    (Kind.IRQ, False),
    (Kind.IRQ, True),
    (Kind.FIQ, True),
    (Kind.SERROR, True),
)
"""(kind, is virtual), highest first. The architecture leaves this order to the implementation (Arm ARM D1.3,
"Prioritization of asynchronous exceptions"). Ours is QEMU's (FIQ, IRQ, virtual IRQ, virtual FIQ, virtual SError), with
the physical SError, which QEMU does not have, put first."""


class Taken(NamedTuple):
    """The interrupt to take next. Taking a virtual SError clears HCR_EL2.VSE; nothing else is changed by taking one."""

    kind: Kind
    target_el: int
    is_virtual: bool


def interrupt_target(kind: Kind, from_el: int, hcr: int, scr: int = SCR_WITHOUT_EL3) -> int:
    """Return the level that a physical interrupt is routed to. Below `from_el`: then it stays pending.

    HCR_EL2.TGE routes as AMO, IMO and FMO do, for all three. Raises: KeyError for `Kind.SYNC`.
    Ref: Arm ARM D1.3, "Establishing the target Exception level of an asynchronous exception".
    """
    row = _ROWS[kind]
    if scr & row.scr:
        return 3
    return 2 if hcr & (row.route | HCR_TGE) and el2_enabled(scr) else 1


def is_virtual_enabled(kind: Kind, from_el: int, hcr: int, scr: int = SCR_WITHOUT_EL3) -> bool:
    """Tell whether a virtual interrupt of this kind can be taken from `from_el`, PSTATE aside. It goes to EL1.

    Ref: Arm ARM D1.3, "Virtual interrupts"; HCR_EL2.{AMO, IMO, FMO}.
    """
    return from_el < 2 and hcr & (_ROWS[kind].route | HCR_TGE) == _ROWS[kind].route and el2_enabled(scr)


def is_masked(
    kind: Kind, virtual: bool, from_el: int, target_el: int, pstate: int, hcr: int, scr: int = SCR_WITHOUT_EL3
) -> bool:
    """Tell whether an interrupt routed to `target_el` is not taken now, from `from_el` with this PSTATE.

    PSTATE does not mask what goes from below to EL2 or EL3 (A); but EL0 and EL2 are one host with HCR_EL2.{E2H, TGE} =
    {1, 1}, and there PSTATE does (B). Ref: Arm ARM D1.3, "Asynchronous exception masking".
    """
    if virtual and not is_virtual_enabled(kind, from_el, hcr, scr):
        return True
    if target_el < from_el:
        return True
    if target_el > from_el and (target_el == 3 or (target_el == 2 and hcr & HCR_E2H_TGE != HCR_E2H_TGE)):
        return False
    return bool(pstate & _ROWS[kind].mask)


def _pending(lines: int, hcr: int) -> Iterator[tuple[Kind, bool]]:
    """Yield the pending interrupts, highest priority first, as (kind, is virtual)."""
    for kind, virtual in PRIORITY:
        row = _ROWS[kind]
        if (lines & row.virtual_line or hcr & row.virtual_hcr) if virtual else lines & row.line:
            yield kind, virtual


def next_interrupt(lines: int, from_el: int, pstate: int, hcr: int, scr: int = SCR_WITHOUT_EL3) -> Taken | None:
    """Return the pending interrupt that is taken now, the first by `PRIORITY`, or None."""
    if not (lines or hcr & _HCR_VIRTUAL):
        return None
    for kind, virtual in _pending(lines, hcr):
        target = 1 if virtual else interrupt_target(kind, from_el, hcr, scr)
        if not is_masked(kind, virtual, from_el, target, pstate, hcr, scr):
            return Taken(kind, target, virtual)
    return None


def wfi_wakes(lines: int, from_el: int, pstate: int, hcr: int, scr: int = SCR_WITHOUT_EL3) -> bool:
    """Tell whether an interrupt ends a WFI. A WFI with one pending neither waits nor traps.

    Anything that could be taken from `from_el` with PSTATE.{A, I, F} clear (A and B) does; PSTATE is not looked at. At
    EL2 with TGE and the routing bit clear (C) it does not: the classic EL2 program that forgot HCR_EL2.IMO sleeps on.
    Ref: Arm ARM D1.7.2.1, R_VRLPB. (Waking is allowed at any time, and QEMU wakes for C and for virtual ones that are
    not enabled.) At EL0 and EL1 C does not occur, so for the traps this is the pseudocode's InterruptPending.
    """
    del pstate
    return next_interrupt(lines, from_el, 0, hcr, scr) is not None


def wfe_wakes(
    event_register: bool, lines: int, from_el: int, pstate: int, hcr: int, scr: int = SCR_WITHOUT_EL3
) -> bool:
    """Tell whether a WFE goes on: an event, or an interrupt that would be taken now (masked ones do not end a WFE).

    Whether it *traps* depends on the Event Register alone: see `arch/event_register.py`.
    Ref: Arm ARM D1.7.1.4, R_KBMFC.
    """
    return event_register or next_interrupt(lines, from_el, pstate, hcr, scr) is not None


def interrupt_status(lines: int, el: int, hcr: int) -> int:
    """Return ISR_EL1 as read at `el`: what is pending, masked or not, in A<8>, I<7>, F<6>.

    At EL1 a kind that HCR_EL2.{AMO, IMO, FMO} routes to EL2 shows its virtual interrupt in place of the physical one.
    Ref: Arm ARM, ISR_EL1.
    """
    status = 0
    for row in _ROWS.values():
        is_virtual = el == 1 and hcr & row.route
        pending = lines & row.virtual_line or hcr & row.virtual_hcr if is_virtual else lines & row.line
        status |= row.mask if pending else 0
    return status
