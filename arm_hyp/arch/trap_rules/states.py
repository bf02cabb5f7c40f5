"""Rules about the state of the processing element: illegal state, waiting for nothing, misaligned PC, SP and data.

Read `trap_rules/el3_controls.py` before, `trap_rules/requests.py` after: `InstructionFetch`, `StackAccess` and
`DataAccess` ask for the alignment rows.

Simplified: alignment at EL3 is not checked, because SCTLR_EL3 is not among the controls.
"""

from __future__ import annotations

from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.trap_rules.model import ALL_ELS, BELOW_EL2, HOST, NOT_HOST, Bits, Outcome, Rule, names

BEFORE_DECODING: tuple[Rule, ...] = (
    Rule(
        "PC.alignment",
        ("misaligned PC",),
        "An instruction address that is not a multiple of 4 raises a PC alignment fault.",
        "Arm ARM D1.3.5, pseudocode AArch64.CheckPCAlignment",
        els=ALL_ELS,
        target_el=1,
        ec=EC.PC_ALIGNMENT,
    ),
    Rule(
        "PSTATE.IL",
        ("*",),
        "While PSTATE.IL is 1 every instruction raises an Illegal Execution state exception.",
        "Arm ARM D1.3.4, pseudocode AArch64.CheckIllegalState",
        bits=(Bits("PSTATE", "IL", (1,)),),
        els=ALL_ELS,
        target_el=1,
        ec=EC.ILLEGAL_STATE,
    ),
)


def _no_wait(identity: str, what: str, field: str, text: str) -> Rule:
    return Rule(
        identity,
        names(what),
        text,
        "Arm ARM D1.6, pseudocode Hint_WFI, Hint_WFE",
        bits=(Bits("PE", field, (1,)),),
        els=ALL_ELS,
        outcome=Outcome.NOP,
        target_el=1,
    )


WAITS: tuple[Rule, ...] = (
    _no_wait(
        "WFE.event",
        "WFE, WFET",
        "EventRegister",
        "The Event Register is set: WFE clears it and goes on; it neither waits nor traps.",
    ),
    _no_wait(
        "WFI.pending",
        "WFI, WFIT",
        "InterruptPending",
        "An interrupt is pending: WFI has nothing to wait for, so it neither waits nor traps.",
    ),
    _no_wait(
        "WFxT.expired",
        "WFET, WFIT",
        "TimeoutExpired",
        "The timeout has passed already: WFIT and WFET neither wait nor trap.",
    ),
)


def _misaligned(what: str, el1_field: str, el2_field: str, ec: EC, text: str, ref: str) -> tuple[Rule, ...]:
    """Spell out an alignment check for the regimes EL1&0, EL2 and EL2&0: the field for EL0 may be another one."""

    def row(register: str, field: str, els: tuple[int, ...], regime: tuple[Bits, ...], suffix: str) -> Rule:
        bits = (*regime, Bits(register, field, (1,)))
        name = f"{register.removesuffix('_E2H')}.{field}"
        return Rule(f"{name}{suffix}", names(what), f"{name} {text}.", ref, bits, els, target_el=1, ec=ec)

    if el1_field == el2_field:
        el1 = [row("SCTLR_EL1", el1_field, BELOW_EL2, (NOT_HOST,), "")]
        host = row("SCTLR_EL2_E2H", el1_field, (0,), (HOST,), ".EL0")
    else:
        el1 = [row("SCTLR_EL1", el1_field, (0,), (NOT_HOST,), ""), row("SCTLR_EL1", el2_field, (1,), (), "")]
        host = row("SCTLR_EL2_E2H", el1_field, (0,), (HOST,), "")
    return (*el1, host, row("SCTLR_EL2", el2_field, (2,), (), ""))


ALIGNMENT: tuple[Rule, ...] = (
    *_misaligned(
        "misaligned SP",
        "SA0",
        "SA",
        EC.SP_ALIGNMENT,
        "checks that SP is a multiple of 16 when it is the base of a load or store",
        "Arm ARM D1.3.5, pseudocode CheckSPAlignment",
    ),
    Rule(
        "Device.alignment",
        ("misaligned Device access",),
        "An access to Device memory must be aligned, whatever SCTLR_ELx.A says.",
        "Arm ARM B2.5.2, pseudocode AArch64.S1Translate: alignment fault due to memory type",
        els=ALL_ELS,
        target_el=1,
        ec=EC.DATA_ABORT_SAME,
    ),
    Rule(
        "ordered.alignment",
        ("misaligned ordered access",),
        "Exclusive, acquire and release accesses must be aligned, whatever SCTLR_ELx.A says.",
        "Arm ARM B2.5.2, pseudocode AArch64.UnalignedAccessFaults",
        els=ALL_ELS,
        feature="!LSE2",
        target_el=1,
        ec=EC.DATA_ABORT_SAME,
    ),
    *_misaligned(
        "misaligned access, misaligned ordered access",
        "A",
        "A",
        EC.DATA_ABORT_SAME,
        "checks that data accesses are aligned to their size",
        "Arm ARM B2.5.2, pseudocode AArch64.UnalignedAccessFaults",
    ),
)
