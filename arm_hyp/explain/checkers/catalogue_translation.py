"""The rules about translation: barriers, tables that change, and tags that are used again.

Read `catalogue.py` before this file.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.explain.checkers.model import Rule

RULES: Final = (
    Rule(
        code="HYP011",
        title="A control of translation changed without ISB",
        what="""
        SCTLR_ELx, TTBRn_ELx, TCR_ELx or MAIR_ELx was written at the level that uses it, and the code went on for more
        than 16 instructions without a context synchronization event: ISB, an exception, an ERET.
        """,
        symptom="On silicon it works or not, by how much the CPU has fetched already. On this machine it always works.",
        remedy="Write ISB behind the last MSR of the group, before anything relies on it.",
        not_seen="""
        An access that relies on it within 16 instructions. Controls of the guest's translation (VTTBR_EL2, VTCR_EL2,
        HCR_EL2.VM): the ERET to the guest is what they wait for.
        """,
        references=("Arm ARM D19.1.2, synchronization requirements for System registers", "Arm ARM B2.3.12, ISB"),
    ),
    Rule(
        code="HYP012",
        title="TLBI without DSB",
        what="""
        A TLBI only starts: it is complete when a DSB behind it is. The code went on to an ISB, to an ERET, or for more
        than 64 instructions without one. A DSB of stores alone (ISHST) completes no TLBI, a DSB NSH none that other
        CPUs must do too (TLBI ...IS).
        """,
        symptom="On silicon the old translation lives on for a while, here or on other CPUs: a freed page is written.",
        remedy="The whole sequence: store to the table, DSB ISHST, TLBI, DSB ISH; then ISB if this CPU relies on it.",
        not_seen="A DSB that is missing in front of the TLBI. A use within 64 instructions that is no ISB or ERET.",
        references=("Arm ARM D8.14.5, ordering and completion of TLB maintenance", "Arm ARM B2.3.12, DSB"),
    ),
)
