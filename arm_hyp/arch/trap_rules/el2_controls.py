"""Rules by which EL2's other registers trap: CPTR_EL2, MDCR_EL2, CNTHCTL_EL2, ICH_HCR_EL2, ICC_SRE_EL2.

Read `trap_rules/hcr_el2.py` before, `trap_rules/fine_grained.py` after. CPTR_EL2 and CNTHCTL_EL2 have two layouts, by
HCR_EL2.E2H. CNTHCTL_EL2's controls of EL0 under a host stand beside CNTKCTL_EL1's in `trap_rules/el1_controls.py`.

HSTR_EL2 has no row: it traps AArch32 accesses only, and this machine has none. ICH_HCR_EL2.TSEI has none either: it
traps no instruction.
Simplified: PMU event counters at and above MDCR_EL2.HPMN are not hidden from EL1 and EL0. CPTR_EL2.TTA has no row,
because this machine has no trace registers.
"""

from __future__ import annotations

from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.trap_rules.model import (
    BELOW_EL2,
    BELOW_EL3,
    E2H_0,
    E2H_1,
    GUEST_OF_VHE,
    HOST,
    NOT_HOST,
    Bits,
    Direction,
    Rule,
    hcr,
    names,
)


def _row(
    identity: str,
    what: str,
    text: str,
    bits: tuple[Bits, ...],
    *,
    els: tuple[int, ...] = (1,),
    access: Direction = "both",
    feature: str = "",
    ec: EC = EC.SYSREG,
) -> Rule:
    """Make a rule; its reference is the register field that `identity` starts with."""
    field = ".".join(identity.split(".")[:2])
    return Rule(identity, names(what), text, f"Arm ARM, {field}", bits, els, access, feature, ec=ec)


def _cptr(identity: str, what: str, conditions: tuple[Bits, ...], els: tuple[int, ...], ec: EC) -> Rule:
    sve = ec is EC.SVE
    field = ".".join(identity.split(".")[:2])
    where = {(0,): "EL0", BELOW_EL3: "EL0, EL1 and EL2"}[els]
    text = f"{field} traps {'SVE' if sve else 'FP and SIMD'} instructions and registers from {where}."
    return _row(identity, what, text, conditions, els=els, feature="SVE" if sve else "", ec=ec)


_FP = "FP access, SVE access, FPCR, FPSR"
_SVE = "SVE access, ZCR_EL1, ZCR_EL2, ZCR_EL12"

_CPTR = (
    _row(
        "CPTR_EL2.TCPAC",
        "CPACR_EL1",
        "CPTR_EL2.TCPAC traps CPACR_EL1 from EL1.",
        (Bits("CPTR_EL2", "TCPAC", (1,)),),
    ),
    _row(
        "CPTR_EL2.TAM",
        "AMC*_EL0, AMU*_EL0, AME*_EL0",
        "CPTR_EL2.TAM traps the activity monitor registers from EL1 and EL0.",
        (Bits("CPTR_EL2", "TAM", (1,)),),
        els=BELOW_EL2,
        feature="AMU",
    ),
    _cptr("CPTR_EL2.TZ", _SVE, (E2H_0, Bits("CPTR_EL2", "TZ", (1,))), BELOW_EL3, EC.SVE),
    _cptr("CPTR_EL2.TFP", _FP, (E2H_0, Bits("CPTR_EL2", "TFP", (1,))), BELOW_EL3, EC.FP_ACCESS),
    _cptr("CPTR_EL2.ZEN", _SVE, (E2H_1, Bits("CPTR_EL2_E2H", "ZEN", (0, 2))), BELOW_EL3, EC.SVE),
    _cptr("CPTR_EL2.ZEN.EL0", "SVE access", (HOST, Bits("CPTR_EL2_E2H", "ZEN", (1,))), (0,), EC.SVE),
    _cptr("CPTR_EL2.FPEN", _FP, (E2H_1, Bits("CPTR_EL2_E2H", "FPEN", (0, 2))), BELOW_EL3, EC.FP_ACCESS),
    _cptr("CPTR_EL2.FPEN.EL0", _FP, (HOST, Bits("CPTR_EL2_E2H", "FPEN", (1,))), (0,), EC.FP_ACCESS),
)


_DCC = "MDCCSR_EL0, DBGDTR*_EL0"
_DEBUG = (
    "DBGBVR*_EL1, DBGBCR*_EL1, DBGWVR*_EL1, DBGWCR*_EL1, DBGCLAIM*_EL1, DBGAUTHSTATUS_EL1, MDSCR_EL1, MDCCINT_EL1, "
    "OSDTR*_EL1, OSECCR_EL1, " + _DCC
)


def _debug(field: str, what: str, text: str) -> Rule:
    """Make a rule of a debug trap bit: MDCR_EL2.TDE implies it."""
    shown = f"MDCR_EL2.{field} (or TDE, which implies it) traps {text} from EL1."
    return _row(f"MDCR_EL2.{field}", what, shown, (Bits("MDCR_EL2", f"TDE,{field}", (1, 2, 3)),))


_PMU_EL0 = "PMC*_EL0, PMO*_EL0, PMS*_EL0, PMX*_EL0, PMU*_EL0, PMEV*_EL0"

_MDCR = (
    _row(
        "MDCR_EL2.TDCC",
        _DCC + ", OSDTR*_EL1, MDCCINT_EL1",
        "MDCR_EL2.TDCC traps the debug communication channel from EL1 and EL0.",
        (Bits("MDCR_EL2", "TDCC", (1,)),),
        els=BELOW_EL2,
        feature="FGT",
    ),
    _row(
        "HCR_EL2.TGE.TDA",
        _DCC,
        "HCR_EL2.TGE traps the debug communication channel from EL0, as if MDCR_EL2.TDA were 1.",
        (hcr("TGE"),),
        els=(0,),
    ),
    _row(
        "MDCR_EL2.TDA.EL0",
        _DCC,
        "MDCR_EL2.TDA (or TDE, which implies it) traps the debug communication channel from EL0.",
        (Bits("MDCR_EL2", "TDE,TDA", (1, 2, 3)),),
        els=(0,),
    ),
    _debug("TDA", _DEBUG, "the debug registers"),
    _debug("TDOSA", "OSLAR_EL1, OSLSR_EL1, OSDLR_EL1, DBGPRCR_EL1", "the OS lock and debug power registers"),
    _debug("TDRA", "MDRAR_EL1", "the debug ROM address register"),
    _row(
        "MDCR_EL2.TPMCR",
        "PMCR_EL0",
        "MDCR_EL2.TPMCR traps PMCR_EL0 from EL1 and EL0.",
        (Bits("MDCR_EL2", "TPMCR", (1,)),),
        els=BELOW_EL2,
        feature="PMUv3",
    ),
    _row(
        "MDCR_EL2.TPM",
        _PMU_EL0 + ", PMINTEN*_EL1, PMMIR_EL1",
        "MDCR_EL2.TPM traps the performance monitor registers from EL1 and EL0.",
        (Bits("MDCR_EL2", "TPM", (1,)),),
        els=BELOW_EL2,
        feature="PMUv3",
    ),
    _row(
        "MDCR_EL2.TTRF",
        "TRFCR_EL1",
        "MDCR_EL2.TTRF traps the trace filter control from EL1.",
        (Bits("MDCR_EL2", "TTRF", (1,)),),
        feature="TRF",
    ),
    _row(
        "MDCR_EL2.TPMS",
        "PMSCR_EL1, PMS*EVFR_EL1, PMSFCR_EL1, PMSICR_EL1, PMSIDR_EL1, PMSIRR_EL1, PMSLATFR_EL1",
        "MDCR_EL2.TPMS traps the statistical profiling registers from EL1.",
        (Bits("MDCR_EL2", "TPMS", (1,)),),
        feature="SPE",
    ),
    _row(
        "MDCR_EL2.E2PB",
        "PMBLIMITR_EL1, PMBPTR_EL1, PMBSR_EL1",
        "MDCR_EL2.E2PB keeps the profiling buffer from EL1.",
        (Bits("MDCR_EL2", "E2PB", (0, 2)),),
        feature="SPE",
    ),
    _row(
        "MDCR_EL2.E2TB",
        "TRBBASER_EL1, TRBLIMITR_EL1, TRBMAR_EL1, TRBPTR_EL1, TRBSR_EL1, TRBTRG_EL1",
        "MDCR_EL2.E2TB keeps the trace buffer from EL1.",
        (Bits("MDCR_EL2", "E2TB", (0, 2)),),
        feature="TRBE",
    ),
)

_PHYSICAL_COUNTER = "CNTPCT_EL0, CNTPCTSS_EL0"
_PHYSICAL_TIMER = "CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTP_TVAL_EL0"


def _timer(field: str, bits: tuple[Bits, ...], what: str, thing: str, feature: str = "", suffix: str = "") -> Rule:
    verb = "traps" if field.startswith("EL1T") else "is 0, which traps"
    text = f"CNTHCTL_EL2.{field} {verb} {thing} from EL1 and EL0."
    return _row(f"CNTHCTL_EL2.{field}{suffix}", what, text, bits, els=BELOW_EL2, feature=feature)


_E2H_COUNTER = (GUEST_OF_VHE, Bits("CNTHCTL_EL2_E2H", "EL1PCTEN", (0,)))

_CNTHCTL = (
    _timer("EL1PCTEN", (E2H_0, Bits("CNTHCTL_EL2", "EL1PCTEN", (0,))), _PHYSICAL_COUNTER, "the physical counter"),
    _timer("EL1PCTEN", _E2H_COUNTER, _PHYSICAL_COUNTER, "the physical counter", suffix=".E2H"),
    _timer("EL1PCEN", (E2H_0, Bits("CNTHCTL_EL2", "EL1PCEN", (0,))), _PHYSICAL_TIMER, "the physical timer"),
    _timer("EL1PTEN", (GUEST_OF_VHE, Bits("CNTHCTL_EL2_E2H", "EL1PTEN", (0,))), _PHYSICAL_TIMER, "the physical timer"),
    _timer(
        "EL1TVCT",
        (NOT_HOST, Bits("CNTHCTL_EL2", "EL1TVCT", (1,))),
        "CNTVCT_EL0, CNTVCTSS_EL0",
        "the virtual counter",
        "ECV",
    ),
    _timer(
        "EL1TVT",
        (NOT_HOST, Bits("CNTHCTL_EL2", "EL1TVT", (1,))),
        "CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTV_TVAL_EL0",
        "the virtual timer",
        "ECV",
    ),
)

GROUP_0 = "ICC_AP0R?_EL1, ICC_BPR0_EL1, ICC_EOIR0_EL1, ICC_HPPIR0_EL1, ICC_IAR0_EL1, ICC_IGRPEN0_EL1"
GROUP_1 = "ICC_AP1R?_EL1, ICC_BPR1_EL1, ICC_EOIR1_EL1, ICC_HPPIR1_EL1, ICC_IAR1_EL1, ICC_IGRPEN1_EL1, ICC_NMIAR1_EL1"
SOFTWARE_GENERATED = "ICC_SGI0R_EL1, ICC_SGI1R_EL1, ICC_ASGI1R_EL1"
COMMON = "ICC_CTLR_EL1, ICC_DIR_EL1, ICC_PMR_EL1, ICC_RPR_EL1"


def _gic(field: str, what: str, thing: str) -> Rule:
    text = f"ICH_HCR_EL2.{field} traps {thing} from EL1."
    return _row(f"ICH_HCR_EL2.{field}", what, text, (Bits("ICH_HCR_EL2", field, (1,)),), feature="GICv3")


_GIC = (
    _row(
        "ICC_SRE_EL2.Enable",
        "ICC_SRE_EL1",
        "ICC_SRE_EL2.Enable is 0, so ICC_SRE_EL1 traps from EL1.",
        (Bits("ICC_SRE_EL2", "Enable", (0,)),),
        feature="GICv3",
    ),
    _row(
        "ICC_SRE_EL2.SRE",
        "ICC_[!S]*_EL1, ICC_SGI?R_EL1, ICH_*_EL2",
        "ICC_SRE_EL2.SRE is 0, so the system registers of the interrupt controller trap at EL2.",
        (Bits("ICC_SRE_EL2", "SRE", (0,)),),
        els=(2,),
        feature="GICv3",
    ),
    _gic("TC", f"{COMMON}, {SOFTWARE_GENERATED}", "the interrupt controller registers common to both groups"),
    _gic("TALL0", GROUP_0, "the Group 0 interrupt controller registers"),
    _gic("TALL1", GROUP_1, "the Group 1 interrupt controller registers"),
    _gic("TDIR", "ICC_DIR_EL1", "ICC_DIR_EL1"),
    _row(
        "HCR_EL2.FMO.SGI",
        SOFTWARE_GENERATED,
        "HCR_EL2.FMO or IMO makes interrupts virtual, and there is no virtual SGI register: it traps from EL1.",
        (Bits("HCR_EL2", "FMO,IMO", (1, 2, 3)),),
        feature="GICv3",
    ),
)

RULES: tuple[Rule, ...] = (*_CPTR, *_MDCR, *_CNTHCTL, *_GIC)
