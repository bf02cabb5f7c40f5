"""Cases by hand of the fine-grained traps: one instruction for each bit of the five registers, and HCRX_EL2.

Where a bit of HFGITR_EL2 is about a TLBI, there are two cases more, of the form with nXS (FEAT_XS).

Read `trap_cases.py` before, `test_traps_by_hand.py` after. A line is a run of consecutive bits as in the register's
diagram (Arm ARM D17.2 and D17.3): the first bit number, then what to execute, a name for each bit. `name=field` gives
the field where it is not the name of the register, `-` leaves a bit out (RES0, or a register that the tables have no
name of), `name@1` asks at EL1 although the name ends in _EL0. A register that EL0 may access is asked about at EL0.
"""

from __future__ import annotations

from trap_cases import TrapCase, trap_cases

_HFG = """
0 AFSR0_EL1 AFSR1_EL1 AIDR_EL1! AMAIR_EL1 APDAKeyLo_EL1=APDAKey APDBKeyHi_EL1=APDBKey APGAKeyLo_EL1=APGAKey
7 APIAKeyHi_EL1=APIAKey APIBKeyLo_EL1=APIBKey CCSIDR_EL1! CLIDR_EL1! CONTEXTIDR_EL1 CPACR_EL1 CSSELR_EL1 CTR_EL0!
15 DCZID_EL0! ESR_EL1 FAR_EL1 ISR_EL1! LORC_EL1 LOREA_EL1 LORID_EL1! LORN_EL1 LORSA_EL1 MAIR_EL1 MIDR_EL1! MPIDR_EL1!
27 PAR_EL1 REVIDR_EL1! SCTLR_EL1 SCXTNUM_EL1 SCXTNUM_EL0 TCR_EL1 TPIDR_EL1 TPIDRRO_EL0@ TPIDR_EL0 TTBR0_EL1 TTBR1_EL1
38 VBAR_EL1 ICC_IGRPEN1_EL1=ICC_IGRPENn_EL1 ERRIDR_EL1! ERRSELR_EL1 ERXFR_EL1! ERXCTLR_EL1 ERXSTATUS_EL1
45 ERXMISC2_EL1=ERXMISCn_EL1 ERXPFGF_EL1! ERXPFGCTL_EL1 ERXPFGCDN_EL1 ERXADDR_EL1
55 TPIDR2_EL0=nTPIDR2_EL0
"""
_HDFG = """
0 DBGBCR3_EL1=DBGBCRn_EL1 DBGBVR15_EL1=DBGBVRn_EL1 DBGWCR0_EL1=DBGWCRn_EL1 DBGWVR9_EL1=DBGWVRn_EL1 MDSCR_EL1
5 DBGCLAIMCLR_EL1=DBGCLAIM DBGAUTHSTATUS_EL1! DBGPRCR_EL1 OSLAR_EL1? OSLSR_EL1! OSECCR_EL1 OSDLR_EL1
12 PMEVCNTR30_EL0=PMEVCNTRn_EL0 PMEVTYPER7_EL0=PMEVTYPERn_EL0 PMCCFILTR_EL0 PMCCNTR_EL0 PMCNTENSET_EL0=PMCNTEN
17 PMINTENCLR_EL1=PMINTEN PMOVSSET_EL0=PMOVS PMSELR_EL0 PMSWINC_EL0? PMCR_EL0? PMMIR_EL1! PMBLIMITR_EL1 PMBPTR_EL1
25 PMBSR_EL1 PMSCR_EL1 PMSEVFR_EL1 PMSFCR_EL1 PMSICR_EL1 PMSIDR_EL1! PMSIRR_EL1 PMSLATFR_EL1
49 TRFCR_EL1? TRBBASER_EL1 TRBIDR_EL1! TRBLIMITR_EL1 TRBMAR_EL1 TRBPTR_EL1 TRBSR_EL1 TRBTRG_EL1 PMUSERENR_EL0@
58 PMCEID1_EL0=PMCEIDn_EL0!
62 PMSNEVFR_EL1=nPMSNEVFR_EL1 PMBIDR_EL1!
"""
"""`!`: the bit is in the register of reads only; `?`: in that of writes only; `@`: EL0 may not write it."""

_HFGI = """
0 IC IALLUIS, IC IALLU, IC IVAU, DC IGDVAC=DCIVAC, DC IGSW=DCISW, DC CSW, DC CIGDSW=DCCISW, DC CVAU, DC CGVAP=DCCVAP
9 DC CVADP, DC CIGDVAC=DCCIVAC, DC GZVA=DCZVA, AT S1E1R, AT S1E1W, AT S1E0R, AT S1E0W, AT S1E1RP, AT S1E1WP
18 TLBI VMALLE1OS, TLBI VAE1OS, TLBI ASIDE1OS, TLBI VAAE1OS, TLBI VALE1OS, TLBI VAALE1OS
24 TLBI RVAE1OS, TLBI RVAAE1OS, TLBI RVALE1OS, TLBI RVAALE1OS
28 TLBI VMALLE1IS, TLBI VAE1IS, TLBI ASIDE1IS, TLBI VAAE1IS, TLBI VALE1IS, TLBI VAALE1IS
34 TLBI RVAE1IS, TLBI RVAAE1IS, TLBI RVALE1IS, TLBI RVAALE1IS
38 TLBI RVAE1, TLBI RVAAE1, TLBI RVALE1, TLBI RVAALE1
42 TLBI VMALLE1, TLBI VAE1, TLBI ASIDE1, TLBI VAAE1, TLBI VALE1, TLBI VAALE1
48 CFP RCTX, DVP RCTX, CPP RCTX
54 DC CVAC
"""
_EL0_OPERATIONS = ("IC IVAU", "DC CVAU", "DC CV", "DC CG", "DC CIGDVAC", "DC GZVA", "CFP", "DVP", "CPP")


def _row(kind: str, register: str, bit: int, item: str) -> str:
    name, _, field = item.rstrip("!?@").partition("=")
    field = field or name.replace(" ", "")
    at_el0 = name.endswith("_EL0") and not (item.endswith("@") and kind == "msr")
    if kind == "":
        name, at_el0 = name.lower(), name.startswith(_EL0_OPERATIONS) and not name.startswith(("DC CGSW", "DC CGDSW"))
    value = 0 if field.startswith("n") else 1
    columns = (
        f"{kind} {name}".strip(),
        f"{0 if at_el0 else 1} guest",
        f"{register}<{bit}>={value} SCR_EL3<27>=1",
        "EL2 0x18",
        f"{register}.{field}",
        f"{name}: EL{0 if at_el0 else 1}, {register}.{field}",
    )
    return " | ".join(columns)


def _run(kind: str, register: str, line: str) -> list[str]:
    start, _, rest = line.partition(" ")
    items = [item.strip() for item in rest.split("," if kind == "" else None)]
    left_out = {"mrs": "?", "msr": "!"}.get(kind, " ")
    return [_row(kind, register, int(start) + at, item) for at, item in enumerate(items) if not item.endswith(left_out)]


_RUNS = (
    ("mrs", "HFGRTR_EL2", _HFG),
    ("msr", "HFGWTR_EL2", _HFG),
    ("", "HFGITR_EL2", _HFGI),
    ("mrs", "HDFGRTR_EL2", _HDFG),
    ("msr", "HDFGWTR_EL2", _HDFG),
)

_OTHERS = """
eret | 1 guest | HFGITR_EL2<51>=1 SCR_EL3<27>=1 | EL2 0x1A | HFGITR_EL2.ERET | AArch64.CheckForERetTrap
eretab | 1 vhe | HFGITR_EL2<51>=1 SCR_EL3<27>=1 | EL2 0x1A | HFGITR_EL2.ERET | AArch64.CheckForERetTrap: ISS<1:0> = 11
svc | 0 guest | HFGITR_EL2<52>=1 SCR_EL3<27>=1 !HFGITR_EL2<53>=1 | EL2 0x15 | HFGITR_EL2.SVC_EL0 | \
    AArch64.CheckForSVCTrap: EL0
svc | 1 guest | HFGITR_EL2<53>=1 SCR_EL3<27>=1 !HFGITR_EL2<52>=1 | EL2 0x15 | HFGITR_EL2.SVC_EL1 | \
    AArch64.CheckForSVCTrap: EL1
mrs PMXEVCNTR_EL0 | 0 guest | HDFGRTR_EL2<12>=1 SCR_EL3<27>=1 | EL2 0x18 | HDFGRTR_EL2.PMEVCNTRn_EL0 | \
    PMXEVCNTR_EL0: EL0, HDFGRTR_EL2.PMEVCNTRn_EL0
mrs CTR_EL0 | 0 tge | HFGRTR_EL2<14>=1 SCR_EL3<27>=1 | EL2 0x18 | HFGRTR_EL2.CTR_EL0 | \
    CTR_EL0: EL0, not ELIsInHost(EL0)
msr SCTLR_EL1 | 1 guest | HCR_EL2<26>=1 !HFGWTR_EL2<29>=1 | EL2 0x18 | HCR_EL2.TVM | \
    SCTLR_EL1: MSR, EL1, HCR_EL2.TVM is asked before HFGWTR_EL2
msr SCTLR2_EL1 | 1 guest | HCR_EL2<26>=1 !HFGWTR_EL2<29>=1 !HCRX_EL2<15>=0 | EL2 0x18 | HCR_EL2.TVM | \
    SCTLR2_EL1: MSR, EL1, HCR_EL2.TVM is asked before HFGWTR_EL2, and that before HCRX_EL2
mrs SCTLR2_EL1 | 1 guest | HCR_EL2<30>=1 !SCR_EL3<38>=0 | EL2 0x18 | HCR_EL2.TRVM | SCTLR2_EL1: MRS, EL1, HCR_EL2.TRVM
msr SCTLR2_EL1 | 1 guest | HFGWTR_EL2<29>=1 SCR_EL3<27>=1 !HCRX_EL2<15>=0 !SCR_EL3<44>=0 | EL2 0x18 | \
    HFGWTR_EL2.SCTLR_EL1 | SCTLR2_EL1: MSR, EL1, HFGWTR_EL2 before HCRX_EL2 before SCR_EL3
tlbi vae1isnxs | 1 guest | HCR_EL2<54>=1 !HFGITR_EL2<29>=1 !HCRX_EL2<4>=0 | EL2 0x18 | HCR_EL2.TTLBIS | \
    TLBI VAE1IS: EL1, HCR_EL2.TTLBIS, for both forms
tlbi vmalle1osnxs | 1 vhe | HCR_EL2<55>=1 !SCR_EL3<38>=0 | EL2 0x18 | HCR_EL2.TTLBOS | \
    TLBI VMALLE1OS: EL1, HCR_EL2.TTLBOS, for both forms
tlbi vmalle1nxs | 1 guest | HCR_EL2<25>=1 !HFGITR_EL2<42>=1 | EL2 0x18 | HCR_EL2.TTLB | TLBI VMALLE1: EL1, HCR_EL2.TTLB
tlbi vae1 | 1 vhe | HFGITR_EL2<43>=1 SCR_EL3<27>=1 !HCRX_EL2<4>=0 !SCR_EL3<38>=0 | EL2 0x18 | HFGITR_EL2.TLBIVAE1 | \
    TLBI VAE1: EL1: HCRX_EL2.FGTnXS is for the form with nXS only
tlbi alle1nxs | 1 guest | | UNDEFINED EL1 | UNDEFINED.el | TLBI ALLE1: EL1
tlbi vae1nxs | 2 host | -XS !HFGITR_EL2<43>=1 | UNDEFINED EL2 | UNDEFINED.unallocated | TLBI VAE1NXS: FEAT_XS
dsb ishnxs | 0 guest | -XS | UNDEFINED EL1 | UNDEFINED.DSB_nXS | C6.2 DSB: FEAT_XS
mrs TCR2_EL1 | 1 guest | HFGRTR_EL2<32>=1 SCR_EL3<27>=1 !HCRX_EL2<14>=0 | EL2 0x18 | HFGRTR_EL2.TCR_EL1 | TCR2_EL1: EL1
mrs TCR2_EL1 | 1 guest | HCRX_EL2<14>=0 !HCRX_EL2<15>=0 | EL2 0x18 | HCRX_EL2.TCR2En | TCR2_EL1: EL1, HCRX_EL2.TCR2En
msr SCTLR2_EL1 | 1 guest | HCRX_EL2<15>=0 !HCRX_EL2<14>=0 | EL2 0x18 | HCRX_EL2.SCTLR2En | \
    SCTLR2_EL1: EL1, HCRX_EL2.SCTLR2En
msr TCR2_EL1 | 1 guest | SCR_EL3<38>=0 | EL2 0x18 | SCR_EL3.HXEn.TCR2_EL1 | TCR2_EL1: EL1, not IsHCRXEL2Enabled()
mrs SCTLR2_EL1 | 1 vhe | SCR_EL3<38>=0 | EL2 0x18 | SCR_EL3.HXEn.SCTLR2_EL1 | SCTLR2_EL1: EL1, not IsHCRXEL2Enabled()
msr ALLINT | 1 guest | HCRX_EL2<6>=1 | EL2 0x18 | HCRX_EL2.TALLINT | ALLINT: MSR, EL1, HCRX_EL2.TALLINT
mrs HFGRTR_EL2 | 2 guest | | EL3 0x18 | SCR_EL3.FGTEn | HFGRTR_EL2: EL2, SCR_EL3.FGTEn
msr HCRX_EL2 | 2 guest | SCR_EL3<38>=0 | EL3 0x18 | SCR_EL3.HXEn | HCRX_EL2: EL2, SCR_EL3.HXEn
msr TCR2_EL2 | 2 guest | SCR_EL3<43>=0 | EL3 0x18 | SCR_EL3.TCR2En | TCR2_EL2: EL2, SCR_EL3.TCR2En
mrs SCTLR2_EL1 | 1 guest | SCR_EL3<44>=0 !HCRX_EL2<14>=0 | EL3 0x18 | SCR_EL3.SCTLR2En | \
    SCTLR2_EL1: EL1, SCR_EL3.SCTLR2En
"""

_BITS = "\n".join(
    row for kind, register, text in _RUNS for line in text.split("\n") if line for row in _run(kind, register, line)
)


def _nxs_rows(bit: int, name: str) -> list[str]:
    """A bit for the plain form counts for that with nXS while HCRX_EL2.FGTnXS is 0, or HCRX_EL2 does not count."""
    field = f"HFGITR_EL2.{name.replace(' ', '')}"
    trapped = f"{name.lower()}nxs | 1 guest | HFGITR_EL2<{bit}>=1 SCR_EL3<27>=1"
    return [
        f"{trapped} HCRX_EL2<4>=0 | EL2 0x18 | {field}.nXS | {name}NXS: EL1, HCRX_EL2.FGTnXS",
        f"{trapped} SCR_EL3<38>=0 | EL2 0x18 | SCR_EL3.HXEn.{name}NXS | {name}NXS: EL1, not IsHCRXEL2Enabled()",
    ]


_TLBI = [
    (int(line.split()[0]) + at, name.strip())
    for line in _HFGI.splitlines()
    for at, name in enumerate(line.partition(" ")[2].split(","))
    if name.strip().startswith("TLBI ")
]
_NXS = "\n".join(row for bit, name in _TLBI for row in _nxs_rows(bit, name))

CASES: list[TrapCase] = trap_cases(f"{_BITS}{_OTHERS}{_NXS}")
