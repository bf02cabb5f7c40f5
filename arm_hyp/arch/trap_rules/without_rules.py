"""Why a control bit has no trap rule: what it does instead, or what this machine lacks of it.

Read `trap_rules/__init__.py` before. A test holds this against the register layouts: every field of a control register
has a rule or stands here.

Ref: Arm ARM D17.2, D17.3, D17.8; the description of each field.
"""

from __future__ import annotations

from collections.abc import Mapping

from arm_hyp.arch.registers.fine_grained import TRAP_BITS

_MEMORY = "It acts on translation and memory types; no instruction traps because of it."
_ROUTE = "It routes exceptions and interrupts; no instruction traps because of it."
_PENDING = "It makes a virtual interrupt pending; no instruction traps because of it."
_AARCH32 = "It acts on AArch32 only, and this machine is AArch64-only."
_EVENTS = "It governs the event stream, offset or mask of a timer; no instruction traps because of it."
_COUNTING = "It governs what the event counters count; no instruction traps because of it."
_VGIC = "It governs the virtual CPU interface and its maintenance interrupt; no instruction traps because of it."
_BEHAVIOUR = "It changes what instructions do, not whether they trap."
_SPE_TRACE = "It governs the trace unit, and this machine has none: ID_AA64DFR0_EL1.TraceVer is 0."
_DEBUG = "It governs debug events, debug state and the debug communication channel; no instruction traps because of it."
_DELAY = "It delays the trap of WFE (FEAT_TWED), which changes when it traps, not whether."
_NOT_HERE = "Its feature has no registers or instructions in this machine's tables, and no model claims it."

_REASONS: Mapping[str, Mapping[str, str]] = {
    "HCR_EL2": {
        _MEMORY: "VM PTW DC CD ID FWB DCT MIOCNCE",
        _ROUTE: "AMO TEA GPF",
        _PENDING: "VF VI VSE",
        _AARCH32: "TID0 RW",
        _BEHAVIOUR: "SWIO FB BSU AMVOFFEN",
        _DELAY: "TWEDEL TWEDEn",
        _NOT_HERE: "TME",
        "It traps the allocation tag registers (GCR_EL1 and the like); FEAT_MTE2 is not modelled.": "ATA",
    },
    "CPTR_EL2": {_SPE_TRACE: "TTA", _NOT_HERE: "TSM"},
    "CPTR_EL2_E2H": {_SPE_TRACE: "TTA", _NOT_HERE: "SMEN E0POE"},
    "CPACR_EL1": {_SPE_TRACE: "TTA", _NOT_HERE: "SMEN E0POE"},
    "MDCR_EL2": {
        _COUNTING: "HPMFZS PMSSE HPMFZO MTPME HLP HCCD HPMD HPME",
        "It hides event counters at and above its value from EL1 and EL0; that is not modelled as a trap.": "HPMN",
        _NOT_HERE: "EnSPM",
    },
    "HSTR_EL2": {_AARCH32: "T0 T1 T2 T3 T5 T6 T7 T8 T9 T10 T11 T12 T13 T15"},
    "CNTHCTL_EL2": {
        _EVENTS: "CNTPMASK CNTVMASK EVNTIS ECV EVNTI EVNTDIR EVNTEN",
        "It traps _EL02 timer accesses of a nested hypervisor (FEAT_NV2), which is not modelled.": "EL1NVVCT EL1NVPCT",
    },
    "CNTKCTL_EL1": {_EVENTS: "EVNTIS EVNTI EVNTDIR EVNTEN"},
    "SCTLR_EL1": {
        _MEMORY: "M C I WXN SPAN EPAN EE E0E CMOW",
        _AARCH32: "CP15BEN ITD SED",
        _BEHAVIOUR: "EOS EIS IESB DSSBS BT0 BT1 nAA LSMAOE nTLSMD TCF TCF0 ITFSB ATA ATA0 NMI SPINTMASK",
        _DELAY: "TWEDEL TWEDEn",
        _NOT_HERE: "EnALS EnAS0 EnASR TME TME0 TMT TMT0 MSCEn",
        "It traps TPIDR2_EL0 from EL0 (FEAT_SME), which is not modelled.": "EnTP2",
        "It traps implementation defined encodings from EL0 (FEAT_TIDCP1), which is not modelled.": "TIDCP",
    },
    "SCTLR_EL2": {
        _MEMORY: "M C I WXN EE",
        _BEHAVIOUR: "EOS EIS IESB DSSBS BT nAA TCF ITFSB ATA NMI SPINTMASK",
        _NOT_HERE: "TME TMT",
    },
    "SCR_EL3": {
        _ROUTE: "EA NMEA EASE TMEA GPF",
        "It says in which Security state the levels below EL3 are; here they are Non-secure.": "NS NSE EEL2 SIF",
        "It says that the next lower level is AArch64, as always here.": "RW",
        "It lets Secure EL1 use the secure timer, and this machine's EL1 is Non-secure.": "ST",
        _DELAY: "TWEDEL TWEDEn",
        _BEHAVIOUR: "AMVOFFEN ECVEn ATA",
        "It traps TPIDR2_EL0 (FEAT_SME), which is not modelled.": "EnTP2",
        "It traps writes of error record registers (FEAT_RASv2), which is not modelled.": "TWERR",
        _NOT_HERE: "PFAREn EnFPM MECEn D128En AIEn PIEn RCWMASKEn GCSEn ADEn EnAS0 TME",
    },
    "PMUSERENR_EL0": {"It belongs to PMUv3p9 or to FEAT_PMUv3_ICNTR, which no model claims.": "TID IR UEN"},
    "MDSCR_EL1": {
        _DEBUG: "EHBWE EMBWE TFO RXfull TXfull RXO TXU INTdis TDA SC2 MDE HDE KDE ERR SS",
        _SPE_TRACE: "TTA",
        _NOT_HERE: "EnSPM",
    },
    "ICH_HCR_EL2": {
        _VGIC: "EOIcount DVIM vSGIEOICount VGrp1DIE VGrp1EIE VGrp0DIE VGrp0EIE NPIE LRENPIE UIE En",
        "It takes locally made SErrors of the CPU interface to EL2; no instruction traps because of it.": "TSEI",
    },
    "ICC_SRE_EL1": {"It disables the bypass of interrupts; no instruction traps because of it.": "DIB DFB"},
    "ICC_SRE_EL2": {"It disables the bypass of interrupts; no instruction traps because of it.": "DIB DFB"},
    "ICC_SRE_EL3": {"It disables the bypass of interrupts; no instruction traps because of it.": "DIB DFB"},
    "HCRX_EL2": {
        _ROUTE: "TMEA MCE2",
        _BEHAVIOUR: "VFNMI VINMI FnXS PTTWI CMOW SMPME EnSDERR EnSNERR",
        _NOT_HERE: "GCSEn EnIDCP128 D128En MSCEn EnASR EnALS EnAS0",
    },
}
_BY_FIELD: Mapping[tuple[str, str], str] = {
    (register, field): reason
    for register, reasons in _REASONS.items()
    for reason, fields in reasons.items()
    for field in fields.split()
}
_FINE_GRAINED = {(row.register, row.field): _NOT_HERE for row in TRAP_BITS if not row.what}
_ALIKE = {"SCTLR_EL2_E2H": ("SCTLR_EL1", "SCTLR_EL2"), "CNTHCTL_EL2_E2H": ("CNTHCTL_EL2",)}
"""Layouts that share fields with others."""


def why_no_rule(register: str, field: str) -> str | None:
    """Say why a field of a control register has no trap rule, or return None where nothing is known of it.

    `register` names a layout: CNTHCTL_EL2_E2H is CNTHCTL_EL2 with HCR_EL2.E2H = 1.
    """
    layouts = (register, *_ALIKE.get(register, ()))
    known = next((_BY_FIELD[layout, field] for layout in layouts if (layout, field) in _BY_FIELD), None)
    return known or _FINE_GRAINED.get((register, field))
