"""Rules that make an instruction UNDEFINED: it does not exist here, or not at this exception level.

Read `trap_rules/model.py` before, `trap_rules/el1_controls.py` after.

HCR_EL2.TIDCP and HCR_EL2.NV stand here because they catch what would be UNDEFINED otherwise, and so come before.
Simplified: the controls of EL0 over implementation defined encodings (SCTLR_ELx.TIDCP) are not modelled: from EL0
they are UNDEFINED. With HCR_EL2.NV2 the architecture turns some accesses into memory accesses; here they trap as with
NV alone.
"""

from __future__ import annotations

from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.trap_rules.model import ALL_ELS, BELOW_EL3, Bits, Fact, Outcome, Rule, hcr, names

IMPLEMENTATION_DEFINED = names("S1_?_C11_*, S1_?_C15_*, S3_?_C11_*, S3_?_C15_*")
SYSTEM_REGISTER_ACCESS = "Arm ARM, pseudocode AArch64.SysRegRead/SysRegWrite: UNDEFINED"

RULES: tuple[Rule, ...] = (
    Rule(
        "HCR_EL2.TIDCP",
        IMPLEMENTATION_DEFINED,
        "HCR_EL2.TIDCP traps implementation defined registers and operations (CRn 11 and 15) from EL1.",
        "Arm ARM, HCR_EL2.TIDCP",
        bits=(hcr("TIDCP"),),
    ),
    Rule(
        "UNDEFINED.unallocated",
        ("*",),
        "This machine has no register or operation with this encoding.",
        "Arm ARM C5.1.3, unallocated encodings; DBGBCR<n>_EL1 and other numbered registers: not implemented, UNDEFINED",
        els=ALL_ELS,
        outcome=Outcome.UNDEFINED,
        target_el=1,
        fact=Fact.UNALLOCATED,
    ),
    Rule(
        "UNDEFINED.direction",
        ("*",),
        "A read-only register cannot be written, a write-only register or an operation cannot be read.",
        "Arm ARM C5.1.3, unallocated encodings",
        els=ALL_ELS,
        outcome=Outcome.UNDEFINED,
        target_el=1,
        fact=Fact.WRONG_DIRECTION,
    ),
    Rule(
        "HCR_EL2.NV",
        ("*",),
        "HCR_EL2.NV traps what EL1 does with registers and operations of EL2, so that a hypervisor can run at EL1.",
        "Arm ARM D8.10, HCR_EL2.NV",
        bits=(hcr("NV"),),
        feature="NV",
        fact=Fact.FOR_EL2,
    ),
    Rule(
        "UNDEFINED.el",
        ("*",),
        "This register or operation is for a higher exception level.",
        SYSTEM_REGISTER_ACCESS,
        els=BELOW_EL3,
        outcome=Outcome.UNDEFINED,
        target_el=1,
        fact=Fact.EL_TOO_LOW,
    ),
    Rule(
        "UNDEFINED._EL12",
        names("*_EL12, *_EL02"),
        "The _EL12 and _EL02 names exist only while HCR_EL2.E2H is 1.",
        "Arm ARM D17.1.3, HCR_EL2.E2H",
        bits=(hcr("E2H", 0),),
        els=(2, 3),
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
    Rule(
        "UNDEFINED.SP_EL0",
        ("SP_EL0",),
        "While PSTATE.SP is 0 the current stack pointer is SP_EL0, and its name as a register is UNDEFINED.",
        "Arm ARM, SP_EL0: accessing",
        bits=(Bits("PSTATE", "M", (0b0100, 0b1000, 0b1100)),),
        els=(1, 2, 3),
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
    Rule(
        "UNDEFINED.EL0",
        names("HVC, SMC, ERET, ERETAA, ERETAB"),
        "HVC, SMC and ERET are UNDEFINED at EL0.",
        "Arm ARM C6.2, HVC, SMC, ERET",
        els=(0,),
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
    Rule(
        "UNDEFINED.debug_state",
        names("DCPS, DRPS"),
        "DCPS<n> and DRPS exist in Debug state only.",
        "Arm ARM C6.2, DCPS1, DRPS",
        els=ALL_ELS,
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
    Rule(
        "UNDEFINED.HLT",
        ("HLT",),
        "HLT is UNDEFINED because no debugger allows halting (EDSCR.HDE is 0).",
        "Arm ARM C6.2, HLT",
        els=ALL_ELS,
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
    Rule(
        "UNDEFINED.WFxT",
        names("WFET, WFIT"),
        "WFET and WFIT exist with FEAT_WFxT only.",
        "Arm ARM C6.2, WFET, WFIT",
        els=ALL_ELS,
        feature="!WFxT",
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
    Rule(
        "UNDEFINED.DSB_nXS",
        ("DSB_NXS",),
        "DSB with nXS exists with FEAT_XS only.",
        "Arm ARM C6.2, DSB",
        els=ALL_ELS,
        feature="!XS",
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
    Rule(
        "SCR_EL3.HCE",
        ("HVC",),
        "SCR_EL3.HCE is 0, so HVC is UNDEFINED.",
        "Arm ARM C6.2, HVC; SCR_EL3.HCE",
        bits=(Bits("SCR_EL3", "HCE", (0,)),),
        els=(1, 2, 3),
        feature="!NoEL3",
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
    Rule(
        "HCR_EL2.HCD",
        ("HVC",),
        "HCR_EL2.HCD makes HVC UNDEFINED; the bit counts only where EL3 is not implemented.",
        "Arm ARM C6.2, HVC; HCR_EL2.HCD",
        bits=(hcr("HCD"),),
        els=(1, 2),
        feature="NoEL3",
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
    Rule(
        "HCR_EL2.TSC.nested",
        ("SMC",),
        "HCR_EL2.TSC with HCR_EL2.NV traps SMC from EL1 even where EL3 is not implemented.",
        "Arm ARM, pseudocode AArch64.CheckForSMCUndefOrTrap",
        bits=(hcr("TSC"), hcr("NV")),
        feature="NV+NoEL3",
        ec=EC.SMC64,
    ),
    Rule(
        "UNDEFINED.SMC",
        ("SMC",),
        "SMC is UNDEFINED where EL3 is not implemented.",
        "Arm ARM, pseudocode AArch64.CheckForSMCUndefOrTrap",
        els=(1, 2),
        feature="NoEL3",
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
)
