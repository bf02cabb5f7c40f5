"""Every rule by its code: a title, one page that explains it, and where the architecture says so.

Read `model.py` before this file, and `catalogue_translation.py` for the rules about translation. A code is for ever:
one that is no longer checked is not given to another rule.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.explain.checkers.catalogue_translation import RULES as OF_TRANSLATION
from arm_hyp.explain.checkers.model import Rule

_OF_CONTROL_FLOW: Final = (
    Rule(
        code="HYP001",
        title="ELR advanced after HVC or SVC: an instruction is skipped",
        what="""
        An HVC or SVC completes: ELR_ELx already holds the address of the instruction after it. A handler that adds 4,
        as it must for a trapped instruction, returns one instruction too far.
        """,
        symptom="The instruction behind the call never runs: a result is not stored, a branch not taken.",
        remedy="""
        Add 4 to ELR_ELx only for exceptions that did not complete: WFI and WFE, system registers, SMC that is trapped
        (it does not complete, HVC does), data aborts that are emulated. KVM: kvm_skip_instr() is called for these, and
        not by handle_hvc().
        """,
        not_seen="""
        A skip in a handler that takes another exception before its ERET, or that changes X19 to X29: that looks like a
        switch to another context.
        """,
        references=("Arm ARM D1.3.1, preferred exception return address", "AArch64.CallHypervisor"),
    ),
    Rule(
        code="HYP002",
        title="ELR not advanced after a trap: it traps for ever",
        what="""
        A trapped instruction did not execute, and ELR_ELx is its own address. A handler that returns there without
        having removed the cause (the trap bit, the missing page) meets the same exception again, with the same
        syndrome.
        """,
        symptom="The guest makes no progress: the same ESR_ELx and ELR_ELx, again and again, and nothing retires.",
        remedy="""
        Emulate the instruction and add 4 to ELR_ELx; or remove the cause and return to the same address on purpose, as
        for a page that was mapped, or FP registers that were given.
        """,
        not_seen="A loop that another exception interrupts each time. The first two repetitions are taken as chance.",
        references=("Arm ARM D1.3.1, preferred exception return address",),
    ),
    Rule(
        code="HYP003",
        title="Illegal exception return",
        what="""
        SPSR_ELx asked for a state that an ERET from here cannot enter: a higher level, EL0 with its own stack pointer,
        a reserved mode, AArch32 where there is none.
        """,
        symptom="The level stays, PSTATE.IL is set, and the next instruction raises an exception of class 0x0e.",
        remedy="Write SPSR_ELx with a mode at or below this level: 0x3c5 is EL1h with all interrupts masked.",
        not_seen="Nothing: every illegal return is seen.",
        references=("Arm ARM D1.4.4, illegal exception returns", "AArch64.ExceptionReturn", "IllegalExceptionReturn"),
    ),
    Rule(
        code="HYP004",
        title="Wrong return state: another mode than the vCPU had",
        what="""
        The exception came from a lower level, the ERET goes back to the same place, but SPSR_ELx.M was changed in
        between: the code goes on at another level, or on another stack pointer.
        """,
        symptom="EL0 code suddenly has EL1's rights, or the other way round; or SP has a value from elsewhere.",
        remedy="""
        Save SPSR_ELx with the vCPU and restore it, as ELR_ELx. To enter an exception of the guest's instead, change
        both: ELR_EL2 to its vector and SPSR_EL2 to EL1h (KVM: enter_exception64).
        """,
        not_seen="A return elsewhere: that may be another vCPU, or an injected exception.",
        references=("Arm ARM C5.2, SPSR_EL2", "AArch64.ExceptionReturn"),
    ),
    Rule(
        code="HYP005",
        title="VBAR_ELx never written when an exception arrives",
        what="""
        VBAR_ELx is UNKNOWN after reset; on this machine it is 0. An exception to a level whose VBAR_ELx nobody has
        written enters at an address where no handler is.
        """,
        symptom="The CPU runs at 0x200 or 0x400, takes an abort there, and the next, for ever.",
        remedy="Write VBAR_ELx, then ISB, before anything can raise an exception to that level.",
        not_seen="A VBAR_EL1 that a hypervisor forgot to switch between its vCPUs: it was written once.",
        references=("Arm ARM D1.3.2, exception vectors", "Arm ARM C5.2, VBAR_EL2"),
    ),
    Rule(
        code="HYP006",
        title="A register of EL3 accessed from below",
        what="""
        SCR_EL3 and all other registers of EL3 are UNDEFINED below it, also at EL2: no bit of EL3 can be changed there.
        Boot code that was written for EL3, or a slip in a name, does this.
        """,
        symptom="An exception of class 0x00 to EL2 (from EL1: to EL1) at the MSR or MRS.",
        remedy="Read CurrentEL first. What EL2 wants of EL3 it must ask its firmware for, by SMC.",
        not_seen="Nothing: every such MSR and MRS that is executed is seen.",
        references=("Arm ARM D1.1, Exception levels", "Arm ARM D19.2, SCR_EL3"),
    ),
)

_OF_INTERRUPTS: Final = (
    Rule(
        code="HYP007",
        title="A list register overwritten while it holds an interrupt",
        what="""
        At the exit, the list register was pending or active, and EL2 has written another interrupt to it without having
        read it. Its state is in the hardware alone: whether the guest has seen the interrupt or ended it is lost.
        """,
        symptom="An interrupt never comes, or the guest's EOI finds nothing to end and counts in ICH_HCR_EL2.EOIcount.",
        remedy="""
        Look for a free one in ICH_ELRSR_EL2; or read all list registers at the exit, fold their states back, and write
        them anew before the next entry (KVM: vgic_fold_lr_state, vgic_populate_lr).
        """,
        not_seen="One that is read, and whose state is then ignored. A hypervisor in Python: it reads them by itself.",
        references=("IHI 0069 6.4, list register usage", "IHI 0069 12.4, ICH_LR<n>_EL2, ICH_ELRSR_EL2"),
    ),
    Rule(
        code="HYP008",
        title="EOI without deactivation",
        what="""
        With EOImode = 1, a write of EOIR drops the running priority only. The interrupt stays active until DIR is
        written, or until a guest ends a list register with HW = 1 that names it. Neither happened before the run ended.
        """,
        symptom="The interrupt comes exactly once, and never again; GICD_ISACTIVER shows it.",
        remedy="Write ICC_DIR_EL1 (GICC_DIR) after EOIR, give the guest the interrupt with HW = 1, or clear EOImode.",
        not_seen="It is judged at the end of the run, and only once the handler has returned.",
        references=("IHI 0069 4.1.1, priority drop and deactivation", "IHI 0048 3.2.1", "ICC_CTLR_EL1.EOImode"),
    ),
    Rule(
        code="HYP009",
        title="A list register with HW = 1 whose physical interrupt is not active",
        what="""
        HW = 1 promises that the physical interrupt is active: it waits for the guest to deactivate it. Here it was
        deactivated before the guest was entered: EOImode is 0, or DIR was written too.
        """,
        symptom="A level-sensitive interrupt fires again at once, before the guest could handle it: a storm.",
        remedy="Set EOImode, write EOIR only, then the list register with HW = 1: the guest's EOI deactivates both.",
        not_seen="A list register whose guest is not entered.",
        references=("IHI 0069 6.4.1, list registers and HW", "IHI 0048 5.2.2", "ICH_LR<n>_EL2.HW"),
    ),
    Rule(
        code="HYP010",
        title="An interrupt acknowledged, but not ended",
        what="""
        The handler has read IAR and returns without a write of EOIR: the running priority stays that of this interrupt.
        """,
        symptom="No interrupt of the same or a lesser priority is signalled any more; ICC_RPR_EL1 shows it.",
        remedy="Write EOIR with the value that IAR gave, before the ERET, in the reverse order of nested interrupts.",
        not_seen="An end that is missing in a handler that switches to another context.",
        references=("IHI 0069 4.8.5, priority drop", "ICC_RPR_EL1"),
    ),
)

RULES: Final[tuple[Rule, ...]] = (*_OF_CONTROL_FLOW, *_OF_INTERRUPTS, *OF_TRANSLATION)
BY_CODE: Final = {rule.code: rule for rule in RULES}
