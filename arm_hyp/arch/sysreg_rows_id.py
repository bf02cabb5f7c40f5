"""Rows of the identification registers; their values come from `arch/id_policy.py`.

Read `arch/sysreg_rows_system.py` before, `arch/sysreg_rows_debug.py` after.

The architecture reserves the whole space op0=3, op1=0, CRn=0, CRm=1..7 for identification: what has no name there
reads as zero instead of being UNDEFINED, and HCR_EL2.TID3 traps it. So each unnamed encoding has a row of its own, by
generic name.

Ref: Arm ARM D17.3.1 (reserved encodings of the ID space).
"""

from __future__ import annotations

from collections.abc import Iterator

from arm_hyp.arch.sysreg_table import Encoding, SystemRegister, register_rows

_ID = """
MIDR_EL1          3 0 0 0 0  1  RO native
MPIDR_EL1         3 0 0 0 5  1  RO emulated
REVIDR_EL1        3 0 0 0 6  1  RO native
ID_PFR0_EL1       3 0 0 1 0  1  RO emulated
ID_PFR1_EL1       3 0 0 1 1  1  RO emulated
ID_DFR0_EL1       3 0 0 1 2  1  RO emulated
ID_AFR0_EL1       3 0 0 1 3  1  RO emulated
ID_MMFR0_EL1      3 0 0 1 4  1  RO emulated
ID_MMFR1_EL1      3 0 0 1 5  1  RO emulated
ID_MMFR2_EL1      3 0 0 1 6  1  RO emulated
ID_MMFR3_EL1      3 0 0 1 7  1  RO emulated
ID_ISAR0_EL1      3 0 0 2 0  1  RO emulated
ID_ISAR1_EL1      3 0 0 2 1  1  RO emulated
ID_ISAR2_EL1      3 0 0 2 2  1  RO emulated
ID_ISAR3_EL1      3 0 0 2 3  1  RO emulated
ID_ISAR4_EL1      3 0 0 2 4  1  RO emulated
ID_ISAR5_EL1      3 0 0 2 5  1  RO emulated
ID_MMFR4_EL1      3 0 0 2 6  1  RO emulated
ID_ISAR6_EL1      3 0 0 2 7  1  RO emulated
MVFR0_EL1         3 0 0 3 0  1  RO emulated
MVFR1_EL1         3 0 0 3 1  1  RO emulated
MVFR2_EL1         3 0 0 3 2  1  RO emulated
ID_PFR2_EL1       3 0 0 3 4  1  RO emulated
ID_DFR1_EL1       3 0 0 3 5  1  RO emulated
ID_MMFR5_EL1      3 0 0 3 6  1  RO emulated
ID_AA64PFR0_EL1   3 0 0 4 0  1  RO emulated
ID_AA64PFR1_EL1   3 0 0 4 1  1  RO emulated
ID_AA64PFR2_EL1   3 0 0 4 2  1  RO emulated
ID_AA64ZFR0_EL1   3 0 0 4 4  1  RO emulated
ID_AA64SMFR0_EL1  3 0 0 4 5  1  RO emulated
ID_AA64FPFR0_EL1  3 0 0 4 7  1  RO emulated
ID_AA64DFR0_EL1   3 0 0 5 0  1  RO emulated
ID_AA64DFR1_EL1   3 0 0 5 1  1  RO emulated
ID_AA64AFR0_EL1   3 0 0 5 4  1  RO emulated
ID_AA64AFR1_EL1   3 0 0 5 5  1  RO emulated
ID_AA64ISAR0_EL1  3 0 0 6 0  1  RO emulated
ID_AA64ISAR1_EL1  3 0 0 6 1  1  RO emulated
ID_AA64ISAR2_EL1  3 0 0 6 2  1  RO emulated
ID_AA64ISAR3_EL1  3 0 0 6 3  1  RO emulated
ID_AA64MMFR0_EL1  3 0 0 7 0  1  RO emulated
ID_AA64MMFR1_EL1  3 0 0 7 1  1  RO emulated
ID_AA64MMFR2_EL1  3 0 0 7 2  1  RO emulated
ID_AA64MMFR3_EL1  3 0 0 7 3  1  RO emulated
ID_AA64MMFR4_EL1  3 0 0 7 4  1  RO emulated
"""

_CACHES_AND_VIRTUAL = """
AIDR_EL1          3 1 0 0 7  1  RO native
CCSIDR_EL1        3 1 0 0 0  1  RO native
CCSIDR2_EL1       3 1 0 0 2  1  RO native   CCIDX
CLIDR_EL1         3 1 0 0 1  1  RO native
CSSELR_EL1        3 2 0 0 0  1  RW native
CTR_EL0           3 3 0 0 1  0  RO native
DCZID_EL0         3 3 0 0 7  0  RO native
GMID_EL1          3 1 0 0 4  1  RO native   MTE2
SMIDR_EL1         3 1 0 0 6  1  RO native   SME
VMPIDR_EL2        3 4 0 0 5  2  RW native
VPIDR_EL2         3 4 0 0 0  2  RW native
"""

_NAMED = (*register_rows("id", _ID), *register_rows("cache", _CACHES_AND_VIRTUAL))


def _reserved() -> Iterator[SystemRegister]:
    taken = {row.encoding for row in _NAMED}
    space = (Encoding(3, 0, 0, crm, op2) for crm in range(1, 8) for op2 in range(8))
    for encoding in space:
        if encoding not in taken:
            yield SystemRegister(encoding, encoding.generic_name, 1, "RO", 0, "id", "emulated", "", 1)


ROWS: tuple[SystemRegister, ...] = (*_NAMED, *_reserved())
