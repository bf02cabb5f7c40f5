"""Rows of the SYS operations: address translation, cache, prediction and TLB maintenance.

Read `arch/sysreg_rows_gic.py` before, `arch/sysregs.py` after.

The regular part of TLBI is generated: each operation exists for the PE alone, for the inner (IS) and the outer
shareable (OS) domain, which differ in CRm. With FEAT_XS each has a form more, NXS, with CRn 9 in place of 8.

Ref: Arm ARM D17.4 (A64 system instructions), C5.3-C5.5.
"""

from __future__ import annotations

from dataclasses import replace

from arm_hyp.arch.sysreg_table import SystemOperation, operation_rows

_ADDRESS_TRANSLATION = """
# kind name   op1 crn crm op2  EL  operand [feature]
AT S1E1R     0 7 8 0   1  Xt
AT S1E1W     0 7 8 1   1  Xt
AT S1E0R     0 7 8 2   1  Xt
AT S1E0W     0 7 8 3   1  Xt
AT S1E1RP    0 7 9 0   1  Xt PAN2
AT S1E1WP    0 7 9 1   1  Xt PAN2
AT S1E2R     4 7 8 0   2  Xt
AT S1E2W     4 7 8 1   2  Xt
AT S12E1R    4 7 8 4   2  Xt
AT S12E1W    4 7 8 5   2  Xt
AT S12E0R    4 7 8 6   2  Xt
AT S12E0W    4 7 8 7   2  Xt
AT S1E3R     6 7 8 0   3  Xt
AT S1E3W     6 7 8 1   3  Xt
"""

_CACHES = """
IC IALLUIS   0 7 1 0   1  -
IC IALLU     0 7 5 0   1  -
IC IVAU      3 7 5 1   0  Xt
DC IVAC      0 7 6 1   1  Xt
DC ISW       0 7 6 2   1  Xt
DC CSW       0 7 10 2  1  Xt
DC CISW      0 7 14 2  1  Xt
DC ZVA       3 7 4 1   0  Xt
DC CVAC      3 7 10 1  0  Xt
DC CVAU      3 7 11 1  0  Xt
DC CVAP      3 7 12 1  0  Xt DPB
DC CVADP     3 7 13 1  0  Xt DPB2
DC CIVAC     3 7 14 1  0  Xt
DC IGVAC     0 7 6 3   1  Xt MTE2
DC IGSW      0 7 6 4   1  Xt MTE2
DC IGDVAC    0 7 6 5   1  Xt MTE2
DC IGDSW     0 7 6 6   1  Xt MTE2
DC CGSW      0 7 10 4  1  Xt MTE2
DC CGDSW     0 7 10 6  1  Xt MTE2
DC CIGSW     0 7 14 4  1  Xt MTE2
DC CIGDSW    0 7 14 6  1  Xt MTE2
DC GVA       3 7 4 3   0  Xt MTE
DC GZVA      3 7 4 4   0  Xt MTE
DC CGVAC     3 7 10 3  0  Xt MTE
DC CGDVAC    3 7 10 5  0  Xt MTE
DC CGVAP     3 7 12 3  0  Xt MTE
DC CGDVAP    3 7 12 5  0  Xt MTE
DC CGVADP    3 7 13 3  0  Xt MTE
DC CGDVADP   3 7 13 5  0  Xt MTE
DC CIGVAC    3 7 14 3  0  Xt MTE
DC CIGDVAC   3 7 14 5  0  Xt MTE
CFP RCTX     3 7 3 4   0  Xt SPECRES
DVP RCTX     3 7 3 5   0  Xt SPECRES
CPP RCTX     3 7 3 7   0  Xt SPECRES
"""

_TLBI = """
# name      op1 op2 EL operand: the CRm says which domain
VMALLE1      0 0  1 -
VAE1         0 1  1 Xt
ASIDE1       0 2  1 Xt
VAAE1        0 3  1 Xt
VALE1        0 5  1 Xt
VAALE1       0 7  1 Xt
ALLE2        4 0  2 -
VAE2         4 1  2 Xt
ALLE1        4 4  2 -
VALE2        4 5  2 Xt
VMALLS12E1   4 6  2 -
ALLE3        6 0  3 -
VAE3         6 1  3 Xt
VALE3        6 5  3 Xt
"""

_TLBI_RANGE = """
RVAE1        0 1  1 Xt
RVAAE1       0 3  1 Xt
RVALE1       0 5  1 Xt
RVAALE1      0 7  1 Xt
RVAE2        4 1  2 Xt
RVALE2       4 5  2 Xt
RVAE3        6 1  3 Xt
RVALE3       6 5  3 Xt
"""

_TLBI_STAGE_2 = """
TLBI IPAS2E1IS    4 8 0 1  2 Xt
TLBI IPAS2LE1IS   4 8 0 5  2 Xt
TLBI IPAS2E1      4 8 4 1  2 Xt
TLBI IPAS2LE1     4 8 4 5  2 Xt
TLBI IPAS2E1OS    4 8 4 0  2 Xt TLBIOS
TLBI IPAS2LE1OS   4 8 4 4  2 Xt TLBIOS
TLBI RIPAS2E1IS   4 8 0 2  2 Xt TLBIRANGE
TLBI RIPAS2LE1IS  4 8 0 6  2 Xt TLBIRANGE
TLBI RIPAS2E1     4 8 4 2  2 Xt TLBIRANGE
TLBI RIPAS2E1OS   4 8 4 3  2 Xt TLBIRANGE
TLBI RIPAS2LE1    4 8 4 6  2 Xt TLBIRANGE
TLBI RIPAS2LE1OS  4 8 4 7  2 Xt TLBIRANGE
"""


def _domains(rows: str, domains: tuple[tuple[str, int, str], ...]) -> str:
    """Spell out TLBI rows for each (suffix, CRm, feature)."""
    lines = (line.split() for line in rows.splitlines() if line and not line.startswith("#"))
    return "\n".join(
        f"TLBI {name}{suffix} {op1} 8 {crm} {op2} {el} {operand} {feature}"
        for name, op1, op2, el, operand in lines
        for suffix, crm, feature in domains
    )


def _nxs_form(row: SystemOperation) -> SystemOperation:
    """Return the form of a TLBI that need not wait for accesses with the XS attribute. Ref: Arm ARM C5.5, FEAT_XS."""
    feature = f"XS+{row.feature}" if row.feature else "XS"
    return replace(row, encoding=row.encoding._replace(crn=9), name=f"{row.name}NXS", route="emulated", feature=feature)


_ALL_TLBI = (
    _domains(_TLBI, (("IS", 3, ""), ("OS", 1, "TLBIOS"), ("", 7, ""))),
    _domains(_TLBI_RANGE, (("IS", 2, "TLBIRANGE"), ("OS", 5, "TLBIRANGE"), ("", 6, "TLBIRANGE"))),
    _TLBI_STAGE_2,
)
_PLAIN: tuple[SystemOperation, ...] = tuple(operation_rows("\n".join((_ADDRESS_TRANSLATION, _CACHES, *_ALL_TLBI))))
ROWS: tuple[SystemOperation, ...] = (*_PLAIN, *(_nxs_form(row) for row in _PLAIN if row.kind == "TLBI"))
