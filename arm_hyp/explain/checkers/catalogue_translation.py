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
    Rule(
        code="HYP013",
        title="A table entry changed live, without break-before-make",
        what="""
        A valid descriptor that a TLB may hold was replaced by another valid one with a different output address, size
        or memory type. Both may then be in a TLB at the same time.
        """,
        symptom="On silicon: a TLB conflict abort, or for one address now the old page and now the new one.",
        remedy="""
        Break: write an invalid descriptor, DSB ISHST, TLBI, DSB ISH. Then make: write the new one, DSB ISHST. Only
        rights and the access flag may be changed in place. KVM: stage2_try_break_pte().
        """,
        not_seen="An entry that came and went between two looks: the tables are looked at before TLBIs and at ERETs.",
        references=("Arm ARM D8.14.1, using break-before-make when updating translation table entries",),
    ),
    Rule(
        code="HYP014",
        title="Unmapped, but not invalidated",
        what="""
        A descriptor was made invalid, or lost rights, and no TLBI followed: the code that it was for goes on, and may
        still use the old translation. For stage 2, TLBI IPAS2E1 takes only what stage 2 gave: what a TLB combined of
        both stages goes with the TLBI VMALLE1 behind it.
        """,
        symptom="A guest or a process still reads and writes memory that was taken from it, until the TLB forgets.",
        remedy="""
        For stage 2: DSB ISHST, TLBI IPAS2E1IS of each page, DSB ISH, TLBI VMALLE1IS, DSB ISH, ISB (KVM:
        __kvm_tlb_flush_vmid_ipa). For stage 1: DSB ISHST, TLBI VAE1IS, DSB ISH.
        """,
        not_seen="""
        At an ERET, with several CPUs: another one may be about to do it (a hypervisor in Python is judged in any case).
        A kernel's own mappings, which it may invalidate late. A TLBI of one CPU is taken to reach all of them.
        """,
        references=("Arm ARM D8.14, TLB maintenance", "Arm ARM D8.14.4, TLBI IPAS2E1"),
    ),
    Rule(
        code="HYP015",
        title="A VMID or ASID used again for other tables, without TLBI",
        what="""
        VTTBR_EL2 or TTBRn_EL1 has a tag that other tables had before, and what a TLB may hold of those was not
        invalidated. A lookup hits entries by VMID and ASID: it finds the other VM's, or the other process's.
        """,
        symptom="A VM reads or executes memory of another VM, now and then: as long as the TLB holds it.",
        remedy="""
        Give each VM a VMID of its own; when they run out, begin anew with all of them invalidated: TLBI ALLE1IS (KVM:
        kvm_arm_vmid_update). The same for ASIDs: TLBI VMALLE1IS, or ASIDE1IS for one.
        """,
        not_seen="Tables that agree wherever both map something: then either translation is right.",
        references=("Arm ARM D8.13, translation lookaside buffers", "Arm ARM D8.14, ASID and VMID"),
    ),
)
