"""Rules by which EL1 (or a host at EL2) limits what EL0 may do, and EL1 itself.

Read `trap_rules/undefined.py` before, `trap_rules/hcr_el2.py` after.

A rule to EL1 that catches EL0 is taken to EL2 while HCR_EL2.TGE is 1. Under a host (E2H and TGE both 1) SCTLR_EL2,
CPTR_EL2 and CNTHCTL_EL2 take the place of SCTLR_EL1, CPACR_EL1 and CNTKCTL_EL1; PMUSERENR_EL0 and MDSCR_EL1 stay.
"""

from __future__ import annotations

from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.trap_rules.model import BELOW_EL2, HOST, NOT_HOST, Bits, Direction, Outcome, Rule, names


def _sctlr(
    field: str, what: str, text: str, *, value: int = 0, ec: EC = EC.SYSREG, feature: str = ""
) -> tuple[Rule, Rule]:
    """Spell out a control of EL0 for both owners: SCTLR_EL1, and SCTLR_EL2 under a host."""
    ref = f"Arm ARM, SCTLR_EL1.{field}, SCTLR_EL2.{field}"
    return (
        Rule(
            f"SCTLR_EL1.{field}",
            names(what),
            f"SCTLR_EL1.{field} is {value}, so {text} at EL0 traps.",
            ref,
            bits=(NOT_HOST, Bits("SCTLR_EL1", field, (value,))),
            els=(0,),
            feature=feature,
            target_el=1,
            ec=ec,
        ),
        Rule(
            f"SCTLR_EL2.{field}",
            names(what),
            f"SCTLR_EL2.{field} is {value} and HCR_EL2.E2H and TGE are 1, so {text} at EL0 traps.",
            ref,
            bits=(HOST, Bits("SCTLR_EL2_E2H", field, (value,))),
            els=(0,),
            feature=feature,
            ec=ec,
        ),
    )


def _pmu(identity: str, what: str, fields: str, access: Direction, text: str) -> Rule:
    return Rule(
        f"PMUSERENR_EL0.{identity}",
        names(what),
        f"{text}, so the access from EL0 traps.",
        "Arm ARM, PMUSERENR_EL0",
        bits=(Bits("PMUSERENR_EL0", fields, (0,)),),
        els=(0,),
        access=access,
        feature="PMUv3",
        target_el=1,
    )


def _counter(fields: str, what: str, text: str, both: bool = False) -> tuple[Rule, Rule]:
    """Spell out a timer control of EL0 for both owners: CNTKCTL_EL1, and CNTHCTL_EL2 under a host."""
    shown = f"<{fields}>" if both else fields
    are = "are both 0" if both else "is 0"
    return (
        Rule(
            f"CNTKCTL_EL1.{fields}",
            names(what),
            f"CNTKCTL_EL1.{shown} {are}, so {text} traps from EL0.",
            "Arm ARM, CNTKCTL_EL1",
            bits=(NOT_HOST, Bits("CNTKCTL_EL1", fields, (0,))),
            els=(0,),
            target_el=1,
        ),
        Rule(
            f"CNTHCTL_EL2.{fields}",
            names(what),
            f"CNTHCTL_EL2.{shown} {are} and HCR_EL2.E2H and TGE are 1, so {text} traps from EL0.",
            "Arm ARM, CNTHCTL_EL2 with HCR_EL2.E2H = 1",
            bits=(HOST, Bits("CNTHCTL_EL2_E2H", fields, (0,))),
            els=(0,),
        ),
    )


def _pauth(key: str) -> tuple[Rule, ...]:
    """Say where a key is not enabled, which makes its instructions void: not a trap, but the end of the question."""
    field = f"En{key}"
    rows = (
        ("SCTLR_EL1", "", BELOW_EL2, (NOT_HOST,)),
        ("SCTLR_EL2", "", (2,), ()),
        ("SCTLR_EL2", ".EL0", (0,), (HOST,)),
    )
    return tuple(
        Rule(
            f"{register}.{field}{suffix}",
            (f"PAuth {key}",),
            f"{register}.{field} is 0, so instructions that use key {key} leave the pointer as it is and do not trap.",
            "Arm ARM D8.8, pseudocode AddPACIA, AuthIA and the like",
            bits=(*regime, Bits(register, field, (0,))),
            els=els,
            feature="PAuth",
            outcome=Outcome.NOP,
            target_el=1,
        )
        for register, suffix, els, regime in rows
    )


_DC_ZVA = "DC ZVA, DC GVA, DC GZVA"
_EL0_CACHE = "IC IVAU, DC CVAU, DC CIVAC, DC CVAC, DC CVAP, DC CVADP, DC CG*VA*, DC CIG*VAC"
_DAIF = "DAIF, DAIFSet (immediate), DAIFClr (immediate)"

_SYSTEM = (
    *_sctlr("nTWI", "WFI, WFIT", "a WFI that would wait", ec=EC.WFX),
    *_sctlr("nTWE", "WFE, WFET", "a WFE that would wait", ec=EC.WFX),
    *_sctlr("UCT", "CTR_EL0", "reading CTR_EL0"),
    *_sctlr("UCI", _EL0_CACHE, "cache maintenance by address"),
    *_sctlr("DZE", _DC_ZVA, "DC ZVA"),
    *_sctlr("EnRCTX", "CFP RCTX, DVP RCTX, CPP RCTX", "prediction restriction", feature="SPECRES"),
    *_sctlr("TSCXT", "SCXTNUM_EL0", "SCXTNUM_EL0", value=1, feature="CSV2_2"),
    Rule(
        "SCTLR_EL1.UMA",
        names(_DAIF),
        "SCTLR_EL1.UMA is 0, so EL0 may not touch the interrupt masks: DAIF, DAIFSet and DAIFClr trap.",
        "Arm ARM, SCTLR_EL1.UMA, pseudocode AArch64.CheckDAIFAccess",
        bits=(NOT_HOST, Bits("SCTLR_EL1", "UMA", (0,))),
        els=(0,),
        target_el=1,
    ),
    Rule(
        "HCR_EL2.TGE.DAIF",
        names(_DAIF),
        "HCR_EL2.E2H and TGE are 1, and under a host EL0 may never touch the interrupt masks.",
        "Arm ARM, DAIF, pseudocode AArch64.CheckDAIFAccess",
        bits=(HOST,),
        els=(0,),
    ),
    *(row for key in ("IA", "IB", "DA", "DB") for row in _pauth(key)),
)


def _cpacr(field: str, value: tuple[int, ...], els: tuple[int, ...], suffix: str, what: str, ec: EC) -> Rule:
    feature, thing = ("SVE", "SVE") if field == "ZEN" else ("", "FP and SIMD")
    where = "EL0" if els == (0,) else "EL0 and EL1"
    return Rule(
        f"CPACR_EL1.{field}{suffix}",
        names(what),
        f"CPACR_EL1.{field} traps {thing} instructions and registers from {where}.",
        f"Arm ARM, CPACR_EL1.{field}, pseudocode AArch64.Check{'SVE' if field == 'ZEN' else 'FPAdvSIMD'}Enabled",
        bits=(NOT_HOST, Bits("CPACR_EL1", field, value)),
        els=els,
        feature=feature,
        target_el=1,
        ec=ec,
        ec_rerouted=None if field == "ZEN" else EC.UNKNOWN,
    )


_FP = "FP access, SVE access, FPCR, FPSR"
_FLOATING_POINT = (
    _cpacr("ZEN", (0, 2), BELOW_EL2, "", "SVE access, ZCR_EL1", EC.SVE),
    _cpacr("ZEN", (1,), (0,), ".EL0", "SVE access", EC.SVE),
    _cpacr("FPEN", (0, 2), BELOW_EL2, "", _FP, EC.FP_ACCESS),
    _cpacr("FPEN", (1,), (0,), ".EL0", _FP, EC.FP_ACCESS),
)

_TIMERS = (
    *_counter("EL0VCTEN", "CNTVCT_EL0, CNTVCTSS_EL0", "the virtual counter"),
    *_counter("EL0PCTEN", "CNTPCT_EL0, CNTPCTSS_EL0", "the physical counter"),
    *_counter("EL0PCTEN,EL0VCTEN", "CNTFRQ_EL0", "CNTFRQ_EL0", both=True),
    *_counter("EL0VTEN", "CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTV_TVAL_EL0", "the virtual timer"),
    *_counter("EL0PTEN", "CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTP_TVAL_EL0", "the physical timer"),
)

_EVENT_COUNTERS = "PMEVCNTR*_EL0, PMXEVCNTR_EL0"
_OTHER_PMU = (
    "PMCR_EL0, PMCNTENSET_EL0, PMCNTENCLR_EL0, PMOVSSET_EL0, PMOVSCLR_EL0, PMCEID*_EL0, PMXEVTYPER_EL0, "
    "PMEVTYPER*_EL0, PMCCFILTR_EL0"
)
_PERFORMANCE = (
    _pmu("CR", "PMCCNTR_EL0", "CR,EN", "read", "PMUSERENR_EL0.CR and EN are both 0"),
    _pmu("EN.PMCCNTR", "PMCCNTR_EL0", "EN", "write", "PMUSERENR_EL0.EN is 0"),
    _pmu("ER", _EVENT_COUNTERS, "ER,EN", "read", "PMUSERENR_EL0.ER and EN are both 0"),
    _pmu("EN.PMEVCNTR", _EVENT_COUNTERS, "EN", "write", "PMUSERENR_EL0.EN is 0"),
    _pmu("ER.PMSELR", "PMSELR_EL0", "ER,EN", "both", "PMUSERENR_EL0.ER and EN are both 0"),
    _pmu("SW", "PMSWINC_EL0", "SW,EN", "write", "PMUSERENR_EL0.SW and EN are both 0"),
    _pmu("EN", _OTHER_PMU, "EN", "both", "PMUSERENR_EL0.EN is 0"),
)

_OTHERS = (
    Rule(
        "MDSCR_EL1.TDCC",
        names("MDCCSR_EL0, DBGDTR*_EL0"),
        "MDSCR_EL1.TDCC traps the debug communication channel from EL0.",
        "Arm ARM, MDSCR_EL1.TDCC",
        bits=(Bits("MDSCR_EL1", "TDCC", (1,)),),
        els=(0,),
        target_el=1,
    ),
    Rule(
        "ICC_SRE_EL1.SRE",
        names("ICC_[!S]*_EL1, ICC_SGI?R_EL1"),
        "ICC_SRE_EL1.SRE is 0, so the system registers of the interrupt controller trap at EL1.",
        "GIC architecture (IHI 0069), ICC_SRE_EL1.SRE",
        bits=(Bits("ICC_SRE_EL1", "SRE", (0,)),),
        feature="GICv3",
        target_el=1,
    ),
)

RULES: tuple[Rule, ...] = (*_SYSTEM, *_FLOATING_POINT, *_TIMERS, *_PERFORMANCE, *_OTHERS)
