"""Rules by which HCR_EL2 traps EL1 and EL0: the heart of a hypervisor's view.

Read `trap_rules/el1_controls.py` before, `trap_rules/el2_controls.py` after.
Ref of every row: Arm ARM, HCR_EL2, the field named.

Rows that catch EL0 too do not count under a host (E2H and TGE both 1). HCR_EL2.{TID0, DCT, ...} that act on AArch32 or
on memory only have no row. TGE is no row but a route: see `Rule.target_el`.
"""

from __future__ import annotations

from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.trap_rules.model import BELOW_EL2, NOT_HOST, Direction, Rule, hcr, names


def _row(
    field: str,
    what: str,
    text: str,
    *,
    value: int = 1,
    el0: bool = False,
    access: Direction = "both",
    feature: str = "",
    ec: EC = EC.SYSREG,
    suffix: str = "",
) -> Rule:
    """Make a rule of one field. `text` goes on after "HCR_EL2.<field> traps" (or "is 0, which traps")."""
    verb = "traps" if value else "is 0, which traps"
    where = "EL1 and EL0" if el0 else "EL1"
    return Rule(
        f"HCR_EL2.{field}{suffix}",
        names(what),
        f"HCR_EL2.{field} {verb} {text} from {where}.",
        f"Arm ARM, HCR_EL2.{field}",
        bits=(NOT_HOST, hcr(field, value)) if el0 else (hcr(field, value),),
        els=BELOW_EL2 if el0 else (1,),
        access=access,
        feature=feature,
        ec=ec,
    )


_VIRTUAL_MEMORY = (
    "SCTLR_EL1, TTBR0_EL1, TTBR1_EL1, TCR_EL1, ESR_EL1, FAR_EL1, AFSR0_EL1, AFSR1_EL1, MAIR_EL1, AMAIR_EL1, "
    "CONTEXTIDR_EL1, TCR2_EL1, SCTLR2_EL1"
)
_CACHE_ID = "CCSIDR_EL1, CCSIDR2_EL1, CLIDR_EL1, CSSELR_EL1"
_BY_SET_AND_WAY = "DC ISW, DC CSW, DC CISW, DC IGSW, DC IGDSW, DC CGSW, DC CGDSW, DC CIGSW, DC CIGDSW"
_TO_COHERENCY = "DC IVAC, DC CIVAC, DC CVAC, DC CVAP, DC CVADP, DC IG*VAC, DC CG*VA*, DC CIG*VAC"

_IDENTIFICATION = (
    _row("TID1", "REVIDR_EL1, AIDR_EL1, SMIDR_EL1", "reads of REVIDR_EL1, AIDR_EL1 and SMIDR_EL1", access="read"),
    _row("TID2", "CTR_EL0", "reads of CTR_EL0", el0=True, access="read", suffix=".CTR_EL0"),
    _row("TID2", _CACHE_ID, "cache identification registers"),
    _row("TID4", _CACHE_ID, "cache identification registers", feature="EVT"),
    _row("TID3", "S3_0_C0_C[1-7]_?", "reads of feature identification registers", access="read"),
    _row("TID5", "GMID_EL1", "reads of GMID_EL1", access="read", feature="MTE2"),
)

_MEMORY = (
    _row("TVM", _VIRTUAL_MEMORY, "writes of the virtual memory controls", access="write"),
    _row("TRVM", _VIRTUAL_MEMORY, "reads of the virtual memory controls", access="read"),
    _row("TLOR", "LOR*_EL1", "the LOR registers", feature="LOR"),
)

_MAINTENANCE = (
    _row("TSW", _BY_SET_AND_WAY, "data cache maintenance by set and way", access="write"),
    _row("TPCP", _TO_COHERENCY, "cache maintenance to the points of coherency and persistence", el0=True),
    _row("TPU", "IC IVAU, DC CVAU", "cache maintenance to the point of unification", el0=True),
    _row("TPU", "IC IALLU, IC IALLUIS", "invalidation of all instruction caches", suffix=".IALLU"),
    _row("TOCU", "IC IVAU, DC CVAU", "cache maintenance to the point of unification", el0=True, feature="EVT"),
    _row("TOCU", "IC IALLU", "IC IALLU", feature="EVT", suffix=".IALLU"),
    _row("TICAB", "IC IALLUIS", "IC IALLUIS", feature="EVT"),
    _row("TDZ", "DC ZVA, DC GVA, DC GZVA", "DC ZVA", el0=True),
    _row("TTLB", "TLBI *", "all TLB maintenance"),
    _row("TTLBIS", "TLBI *IS, TLBI *ISNXS", "TLB maintenance for the inner shareable domain", feature="EVT2"),
    _row("TTLBOS", "TLBI *OS, TLBI *OSNXS", "TLB maintenance for the outer shareable domain", feature="EVT2"),
)

_ERRORS = "ERRIDR_EL1, ERRSELR_EL1, ERXADDR_EL1, ERXCTLR_EL1, ERXFR_EL1, ERXMISC?_EL1, ERXSTATUS_EL1"
_FAULT_INJECTION = "ERXPFGCDN_EL1, ERXPFGCTL_EL1, ERXPFGF_EL1"

_OTHER_REGISTERS = (
    _row("TACR", "ACTLR_EL1", "the auxiliary control register"),
    _row("TERR", _ERRORS, "the error record registers", feature="RAS"),
    _row("FIEN", _FAULT_INJECTION, "the fault injection registers", value=0, feature="RASv1p1"),
    _row("APK", "AP*Key??_EL1", "the pointer authentication keys", value=0, feature="PAuth"),
    _row("EnSCXT", "SCXTNUM_EL1", "SCXTNUM_EL1", value=0, feature="CSV2_2"),
    _row("EnSCXT", "SCXTNUM_EL0", "SCXTNUM_EL0", value=0, el0=True, feature="CSV2_2", suffix=".EL0"),
)

_NESTING = (
    _row("AT", "AT S1E[01]*", "address translation instructions", feature="NV"),
    Rule(
        "HCR_EL2.NV1",
        names("VBAR_EL1, ELR_EL1, SPSR_EL1, SCXTNUM_EL1"),
        "HCR_EL2.NV1, with NV and without NV2, traps VBAR_EL1, ELR_EL1 and SPSR_EL1 from EL1.",
        "Arm ARM, HCR_EL2.NV1",
        bits=(hcr("NV"), hcr("NV1"), hcr("NV2", 0)),
        feature="NV",
    ),
    _row("NV", "ERET, ERETAA, ERETAB", "ERET", feature="NV", ec=EC.ERET, suffix=".ERET"),
)

_INSTRUCTIONS = (
    _row("TWI", "WFI, WFIT", "a WFI that would wait", el0=True, ec=EC.WFX),
    _row("TWE", "WFE, WFET", "a WFE that would wait", el0=True, ec=EC.WFX),
    _row("TSC", "SMC", "SMC", ec=EC.SMC64, feature="!NoEL3"),
    _row("API", "PAuth *", "pointer authentication instructions", value=0, el0=True, ec=EC.PAUTH, feature="PAuth"),
)

RULES: tuple[Rule, ...] = (
    *_IDENTIFICATION,
    *_MEMORY,
    *_MAINTENANCE,
    *_OTHER_REGISTERS,
    *_NESTING,
    *_INSTRUCTIONS,
)
