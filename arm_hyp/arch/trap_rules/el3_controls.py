"""Rules by which SCR_EL3 and ICC_SRE_EL3 trap to EL3, where this machine's firmware is.

Read `trap_rules/fine_grained.py` before, `trap_rules/states.py` after.

Simplified: CPTR_EL3 and MDCR_EL3 are not modelled: the firmware lets lower levels have all that they control.
SCR_EL3.HCE stands in `trap_rules/undefined.py`.
"""

from __future__ import annotations

from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.trap_rules.el2_controls import COMMON, GROUP_0, GROUP_1, SOFTWARE_GENERATED
from arm_hyp.arch.trap_rules.model import BELOW_EL3, Bits, Outcome, Rule, names

FINE_GRAINED = "HFGRTR_EL2, HFGWTR_EL2, HFGITR_EL2, HDFGRTR_EL2, HDFGWTR_EL2"


def _row(
    field: str,
    what: str,
    text: str,
    *,
    value: int = 1,
    els: tuple[int, ...] = (1, 2),
    bits: tuple[Bits, ...] = (),
    feature: str = "",
    ec: EC = EC.SYSREG,
    suffix: str = "",
) -> Rule:
    verb = "traps" if value else "is 0, which traps"
    return Rule(
        f"SCR_EL3.{field}{suffix}",
        names(what),
        f"SCR_EL3.{field} {verb} {text} to EL3.",
        f"Arm ARM, SCR_EL3.{field}",
        bits=(*bits, Bits("SCR_EL3", field, (value,))),
        els=els,
        feature=f"{feature}+!NoEL3" if feature else "!NoEL3",
        target_el=3,
        ec=ec,
    )


def _interrupts(field: str, what: str, virtual: str, identity: str, values: tuple[int, ...]) -> tuple[Rule, Rule]:
    """Registers of physical interrupts that belong to EL3; at EL1 only while the interrupts are not virtual."""

    def row(els: tuple[int, ...], bits: tuple[Bits, ...], suffix: str) -> Rule:
        return Rule(
            f"SCR_EL3.{identity}{suffix}",
            names(what),
            f"SCR_EL3.{field} takes these physical interrupts to EL3, and traps their controller registers too.",
            "GIC architecture (IHI 0069), the registers' access rules",
            bits=(*bits, Bits("SCR_EL3", field, values)),
            els=els,
            feature="GICv3+!NoEL3",
            target_el=3,
        )

    fields = "FMO,IMO" if virtual == "both" else virtual
    return row((1,), (Bits("HCR_EL2", fields, (0,)),), ".EL1"), row((2,), (), "")


def _icc_sre(field: str, what: str, text: str, els: tuple[int, ...]) -> Rule:
    return Rule(
        f"ICC_SRE_EL3.{field}",
        names(what),
        f"ICC_SRE_EL3.{field} is 0, so {text}.",
        f"GIC architecture (IHI 0069), ICC_SRE_EL3.{field}",
        bits=(Bits("ICC_SRE_EL3", field, (0,)),),
        els=els,
        feature="GICv3+!NoEL3",
        target_el=3,
    )


_SYSTEM_REGISTERS = "ICC_[!S]*_EL1, ICC_SGI?R_EL1, ICC_CTLR_EL3, ICC_IGRPEN1_EL3, ICH_*_EL2"

RULES: tuple[Rule, ...] = (
    _row("TWI", "WFI, WFIT", "a WFI that would wait", els=BELOW_EL3, ec=EC.WFX),
    _row("TWE", "WFE, WFET", "a WFE that would wait", els=BELOW_EL3, ec=EC.WFX),
    Rule(
        "SCR_EL3.SMD",
        ("SMC",),
        "SCR_EL3.SMD disables SMC: it is UNDEFINED, unless HCR_EL2.TSC has trapped it before.",
        "Arm ARM, SCR_EL3.SMD, pseudocode AArch64.CheckForSMCUndefOrTrap",
        bits=(Bits("SCR_EL3", "SMD", (1,)),),
        els=(1, 2, 3),
        feature="!NoEL3",
        outcome=Outcome.UNDEFINED,
        target_el=1,
    ),
    _row("API", "PAuth *", "pointer authentication instructions", value=0, els=BELOW_EL3, feature="PAuth", ec=EC.PAUTH),
    _row("APK", "AP*Key??_EL1", "the pointer authentication keys", value=0, feature="PAuth"),
    _row("TLOR", "LOR*_EL1", "the LOR registers", feature="LOR"),
    _row(
        "TERR",
        "ERR*_EL1, ERXADDR_EL1, ERXCTLR_EL1, ERXFR_EL1, ERXMISC?_EL1, ERXSTATUS_EL1",
        "error records",
        feature="RAS",
    ),
    _row("FIEN", "ERXPFG*_EL1", "the fault injection registers", value=0, feature="RASv1p1"),
    _row("EnSCXT", "SCXTNUM_EL0", "SCXTNUM_EL0", value=0, els=BELOW_EL3, feature="CSV2_2", suffix=".EL0"),
    _row("EnSCXT", "SCXTNUM_EL1, SCXTNUM_EL2, SCXTNUM_EL12", "SCXTNUM_ELx", value=0, feature="CSV2_2"),
    _row("SCTLR2En", "SCTLR2_EL1, SCTLR2_EL2, SCTLR2_EL12", "SCTLR2_ELx", value=0, feature="SCTLR2"),
    _row("TCR2En", "TCR2_EL1, TCR2_EL2, TCR2_EL12", "TCR2_ELx", value=0, feature="TCR2"),
    _row("FGTEn", FINE_GRAINED, "the fine-grained trap registers", value=0, els=(2,), feature="FGT"),
    _row("HXEn", "HCRX_EL2", "HCRX_EL2", value=0, els=(2,), feature="HCX"),
    _row("TRNDR", "RNDR, RNDRRS", "the random number registers", els=BELOW_EL3),
    _icc_sre("Enable", "ICC_SRE_EL1, ICC_SRE_EL2", "ICC_SRE_EL1 and ICC_SRE_EL2 trap from EL1 and EL2 to EL3", (1, 2)),
    _icc_sre("SRE", _SYSTEM_REGISTERS, "the system registers of the interrupt controller trap at EL3", els=(3,)),
    *_interrupts("FIQ", GROUP_0, "FMO", "FIQ", (1,)),
    *_interrupts("IRQ", GROUP_1, "IMO", "IRQ", (1,)),
    *_interrupts("IRQ,FIQ", f"{COMMON}, {SOFTWARE_GENERATED}", "both", "IRQ,FIQ", (3,)),
)
