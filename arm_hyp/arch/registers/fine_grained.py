"""The fine-grained trap registers of FEAT_FGT: a bit for each register or instruction, as one table for each pair.

Read `arch/registers/hypervisor.py` before and `arch/trap_rules/fine_grained.py`, which makes a rule of each row, after
this file. HFGRTR_EL2 and HDFGRTR_EL2 trap reads, HFGWTR_EL2 and HDFGWTR_EL2 writes, HFGITR_EL2 instructions.

A field whose name starts with `n` has the sense turned round: 0 traps. `-` stands for what `arch/sysregs.py` has no
name of, because no model of this machine has its feature (trace unit, BRBE, GCS, POE, ...): a field without a rule.

Ref: Arm ARM D17.2 (HFGRTR_EL2, HFGWTR_EL2, HFGITR_EL2), D17.3 (HDFGRTR_EL2, HDFGWTR_EL2).
Simplified: the second generation (FEAT_FGT2: HFGRTR2_EL2 and the like) and HAFGRTR_EL2 are not modelled.
"""

from __future__ import annotations

from typing import NamedTuple

from arm_hyp.arch.bitfields import Field, Register

_SYSTEM = """
# bit field       R, W or both: registers, by default the one that the field is named after
 0 AFSR0_EL1       RW
 1 AFSR1_EL1       RW
 2 AIDR_EL1        R
 3 AMAIR_EL1       RW
 4 APDAKey         RW APDAKeyLo_EL1 APDAKeyHi_EL1
 5 APDBKey         RW APDBKeyLo_EL1 APDBKeyHi_EL1
 6 APGAKey         RW APGAKeyLo_EL1 APGAKeyHi_EL1
 7 APIAKey         RW APIAKeyLo_EL1 APIAKeyHi_EL1
 8 APIBKey         RW APIBKeyLo_EL1 APIBKeyHi_EL1
 9 CCSIDR_EL1      R
10 CLIDR_EL1       R
11 CONTEXTIDR_EL1  RW
12 CPACR_EL1       RW
13 CSSELR_EL1      RW
14 CTR_EL0         R
15 DCZID_EL0       R
16 ESR_EL1         RW
17 FAR_EL1         RW
18 ISR_EL1         R
19 LORC_EL1        RW
20 LOREA_EL1       RW
21 LORID_EL1       R
22 LORN_EL1        RW
23 LORSA_EL1       RW
24 MAIR_EL1        RW
25 MIDR_EL1        R
26 MPIDR_EL1       R
27 PAR_EL1         RW
28 REVIDR_EL1      R
29 SCTLR_EL1       RW SCTLR_EL1 SCTLR2_EL1
30 SCXTNUM_EL1     RW
31 SCXTNUM_EL0     RW
32 TCR_EL1         RW TCR_EL1 TCR2_EL1
33 TPIDR_EL1       RW
34 TPIDRRO_EL0     RW
35 TPIDR_EL0       RW
36 TTBR0_EL1       RW
37 TTBR1_EL1       RW
38 VBAR_EL1        RW
39 ICC_IGRPENn_EL1 RW ICC_IGRPEN0_EL1 ICC_IGRPEN1_EL1
40 ERRIDR_EL1      R
41 ERRSELR_EL1     RW
42 ERXFR_EL1       R
43 ERXCTLR_EL1     RW
44 ERXSTATUS_EL1   RW
45 ERXMISCn_EL1    RW ERXMISC0_EL1 ERXMISC1_EL1 ERXMISC2_EL1 ERXMISC3_EL1
46 ERXPFGF_EL1     R
47 ERXPFGCTL_EL1   RW
48 ERXPFGCDN_EL1   RW
49 ERXADDR_EL1     RW
50 nACCDATA_EL1    RW -
52 nGCS_EL0        RW -
53 nGCS_EL1        RW -
54 nSMPRI_EL1      RW -
55 nTPIDR2_EL0     RW TPIDR2_EL0
56 nRCWMASK_EL1    RW -
57 nPIRE0_EL1      RW -
58 nPIR_EL1        RW -
59 nPOR_EL0        RW -
60 nPOR_EL1        RW -
61 nS2POR_EL1      RW -
62 nMAIR2_EL1      RW -
63 nAMAIR2_EL1     RW -
"""

_DEBUG = """
 0 DBGBCRn_EL1       RW DBGBCR*_EL1
 1 DBGBVRn_EL1       RW DBGBVR*_EL1
 2 DBGWCRn_EL1       RW DBGWCR*_EL1
 3 DBGWVRn_EL1       RW DBGWVR*_EL1
 4 MDSCR_EL1         RW
 5 DBGCLAIM          RW DBGCLAIMSET_EL1 DBGCLAIMCLR_EL1
 6 DBGAUTHSTATUS_EL1 R
 7 DBGPRCR_EL1       RW
 8 OSLAR_EL1         W
 9 OSLSR_EL1         R
10 OSECCR_EL1        RW
11 OSDLR_EL1         RW
12 PMEVCNTRn_EL0     RW PMEVCNTR*_EL0 PMXEVCNTR_EL0
13 PMEVTYPERn_EL0    RW PMEVTYPER*_EL0 PMXEVTYPER_EL0
14 PMCCFILTR_EL0     RW
15 PMCCNTR_EL0       RW
16 PMCNTEN           RW PMCNTENSET_EL0 PMCNTENCLR_EL0
17 PMINTEN           RW PMINTENSET_EL1 PMINTENCLR_EL1
18 PMOVS             RW PMOVSSET_EL0 PMOVSCLR_EL0
19 PMSELR_EL0        RW
20 PMSWINC_EL0       W
21 PMCR_EL0          W
22 PMMIR_EL1         R
23 PMBLIMITR_EL1     RW
24 PMBPTR_EL1        RW
25 PMBSR_EL1         RW
26 PMSCR_EL1         RW
27 PMSEVFR_EL1       RW
28 PMSFCR_EL1        RW
29 PMSICR_EL1        RW
30 PMSIDR_EL1        R
31 PMSIRR_EL1        RW
32 PMSLATFR_EL1      RW
33 TRC               RW -
34 TRCAUTHSTATUS     R  -
35 TRCAUXCTLR        RW -
36 TRCCLAIM          RW -
37 TRCCNTVRn         RW -
40 TRCID             R  -
41 TRCIMSPECn        RW -
42 TRCOSLAR          W  -
43 TRCOSLSR          R  -
44 TRCPRGCTLR        RW -
45 TRCSEQSTR         RW -
46 TRCSSCSRn         RW -
47 TRCSTATR          R  -
48 TRCVICTLR         RW -
49 TRFCR_EL1         W
50 TRBBASER_EL1      RW
51 TRBIDR_EL1        R
52 TRBLIMITR_EL1     RW
53 TRBMAR_EL1        RW
54 TRBPTR_EL1        RW
55 TRBSR_EL1         RW
56 TRBTRG_EL1        RW
57 PMUSERENR_EL0     RW
58 PMCEIDn_EL0       R  PMCEID0_EL0 PMCEID1_EL0
59 nBRBIDR           R  -
60 nBRBCTL           RW -
61 nBRBDATA          RW -
62 nPMSNEVFR_EL1     RW PMSNEVFR_EL1
63 PMBIDR_EL1        R
"""

_INSTRUCTIONS = """
# bit field and instructions, by comma
 0 ICIALLUIS  IC IALLUIS
 1 ICIALLU    IC IALLU
 2 ICIVAU     IC IVAU
 3 DCIVAC     DC IVAC, DC IGVAC, DC IGDVAC
 4 DCISW      DC ISW, DC IGSW, DC IGDSW
 5 DCCSW      DC CSW, DC CGSW, DC CGDSW
 6 DCCISW     DC CISW, DC CIGSW, DC CIGDSW
 7 DCCVAU     DC CVAU
 8 DCCVAP     DC CVAP, DC CGVAP, DC CGDVAP
 9 DCCVADP    DC CVADP, DC CGVADP, DC CGDVADP
10 DCCIVAC    DC CIVAC, DC CIGVAC, DC CIGDVAC
11 DCZVA      DC ZVA, DC GVA, DC GZVA
12 ATS1E1R    AT S1E1R
13 ATS1E1W    AT S1E1W
14 ATS1E0R    AT S1E0R
15 ATS1E0W    AT S1E0W
16 ATS1E1RP   AT S1E1RP
17 ATS1E1WP   AT S1E1WP
18 TLBIVMALLE1OS  TLBI VMALLE1OS
19 TLBIVAE1OS     TLBI VAE1OS
20 TLBIASIDE1OS   TLBI ASIDE1OS
21 TLBIVAAE1OS    TLBI VAAE1OS
22 TLBIVALE1OS    TLBI VALE1OS
23 TLBIVAALE1OS   TLBI VAALE1OS
24 TLBIRVAE1OS    TLBI RVAE1OS
25 TLBIRVAAE1OS   TLBI RVAAE1OS
26 TLBIRVALE1OS   TLBI RVALE1OS
27 TLBIRVAALE1OS  TLBI RVAALE1OS
28 TLBIVMALLE1IS  TLBI VMALLE1IS
29 TLBIVAE1IS     TLBI VAE1IS
30 TLBIASIDE1IS   TLBI ASIDE1IS
31 TLBIVAAE1IS    TLBI VAAE1IS
32 TLBIVALE1IS    TLBI VALE1IS
33 TLBIVAALE1IS   TLBI VAALE1IS
34 TLBIRVAE1IS    TLBI RVAE1IS
35 TLBIRVAAE1IS   TLBI RVAAE1IS
36 TLBIRVALE1IS   TLBI RVALE1IS
37 TLBIRVAALE1IS  TLBI RVAALE1IS
38 TLBIRVAE1      TLBI RVAE1
39 TLBIRVAAE1     TLBI RVAAE1
40 TLBIRVALE1     TLBI RVALE1
41 TLBIRVAALE1    TLBI RVAALE1
42 TLBIVMALLE1    TLBI VMALLE1
43 TLBIVAE1       TLBI VAE1
44 TLBIASIDE1     TLBI ASIDE1
45 TLBIVAAE1      TLBI VAAE1
46 TLBIVALE1      TLBI VALE1
47 TLBIVAALE1     TLBI VAALE1
48 CFPRCTX    CFP RCTX
49 DVPRCTX    DVP RCTX
50 CPPRCTX    CPP RCTX
51 ERET       ERET, ERETAA, ERETAB
52 SVC_EL0    SVC
53 SVC_EL1    SVC
54 DCCVAC     DC CVAC, DC CGVAC, DC CGDVAC
55 nBRBINJ        -
56 nBRBIALL       -
57 nGCSPUSHM_EL1  -
58 nGCSSTR_EL1    -
59 nGCSEPP        -
60 COSPRCTX       -
62 ATS1E1A        -
"""


class TrapBit(NamedTuple):
    """One bit of a fine-grained trap register, and what it traps: names with wildcards, none without a rule."""

    register: str
    bit: int
    field: str
    what: tuple[str, ...]

    @property
    def trapping_value(self) -> int:
        """Return the value with which it traps."""
        return 0 if self.field.startswith("n") else 1

    @property
    def meaning(self) -> str:
        """Say what the bit does."""
        verb = "0 traps" if self.field.startswith("n") else "trap"
        how = {"HFGRTR_EL2": "reads of ", "HDFGRTR_EL2": "reads of ", "HFGITR_EL2": ""}.get(self.register, "writes of ")
        return f"{verb} {how}{', '.join(self.what) or self.field.lstrip('n')} from EL1 and below"


def _rows(text: str) -> list[list[str]]:
    return [line.split(maxsplit=2) for line in text.splitlines() if line and not line.startswith("#")]


def _of_registers(register: str, text: str, direction: str) -> list[TrapBit]:
    bits = []
    for bit, field, rest in _rows(text):
        allowed, *listed = rest.split()
        what = () if listed == ["-"] else tuple(listed or [field])
        if direction in allowed:
            bits.append(TrapBit(register, int(bit), field, what))
    return bits


def _of_instructions() -> list[TrapBit]:
    rows = ((int(bit), field, rest.strip()) for bit, field, rest in _rows(_INSTRUCTIONS))
    return [
        TrapBit("HFGITR_EL2", bit, field, () if rest == "-" else tuple(rest.split(", "))) for bit, field, rest in rows
    ]


TRAP_BITS: tuple[TrapBit, ...] = (
    *_of_registers("HFGRTR_EL2", _SYSTEM, "R"),
    *_of_registers("HFGWTR_EL2", _SYSTEM, "W"),
    *_of_instructions(),
    *_of_registers("HDFGRTR_EL2", _DEBUG, "R"),
    *_of_registers("HDFGWTR_EL2", _DEBUG, "W"),
)
"""Every bit of the five registers."""


def _register(name: str) -> type[Register]:
    fields = {row.field: Field(row.bit, meaning=row.meaning) for row in TRAP_BITS if row.register == name}
    document = f"Fine-grained traps. Ref: Arm ARM, {name}."
    return type(name, (Register,), {"__module__": __name__, "__doc__": document, **fields})


HFGRTR_EL2 = _register("HFGRTR_EL2")
HFGWTR_EL2 = _register("HFGWTR_EL2")
HFGITR_EL2 = _register("HFGITR_EL2")
HDFGRTR_EL2 = _register("HDFGRTR_EL2")
HDFGWTR_EL2 = _register("HDFGWTR_EL2")
