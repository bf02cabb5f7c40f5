"""The trap decision: which instruction goes where, and why, given the control registers.

Read `arch/instructions.py`, `arch/syndromes.py` and `arch/trap_rules/` before, `arch/exceptions.py` (what the machine
does with a trap) after.

    verdict = decide(decode_system(word), Context(el=1, controls=Controls(hcr_el2=HCR_EL2.of(TVM=1))))
    verdict.outcome, verdict.target_el, verdict.esr, verdict.rule.text, verdict.considered

The rules are data; here they are looked up by name, compiled once per (subject, EL, features), and asked in order:
the first that applies decides. Where none does, the instruction does its work, which for SVC, HVC, SMC and BRK is to
take an exception.

`why_no_rule` says of every other control bit what it does instead.

Simplified: EL2 is always there and enabled. AMUSERENR_EL0 and the controls of SME have no rules (no model claims AMU or
SME). An unallocated encoding of an FP, SVE or PAuth instruction is not recognised: ask only about words that are
allotted.
"""

from __future__ import annotations

from dataclasses import dataclass

from arm_hyp.arch.syndromes import encode_unknown
from arm_hyp.arch.trap_rules import RULES, Bits, Outcome, Rule
from arm_hyp.arch.trap_rules.esr import ALIGNMENT_FAULT, SYNDROMES
from arm_hyp.arch.trap_rules.lookup import HCR_INDEX, TGE, about, field_of, plan, subject_of, values_of
from arm_hyp.arch.trap_rules.requests import (
    FIRMWARE_ICC_SRE_EL3,
    FIRMWARE_SCR_EL3,
    Context,
    Controls,
    DataAccess,
    FineGrained,
    FpAccess,
    InstructionFetch,
    OtherInstruction,
    PointerAuthentication,
    Request,
    StackAccess,
    SveAccess,
)
from arm_hyp.arch.trap_rules.without_rules import why_no_rule

__all__ = [
    "ALIGNMENT_FAULT",
    "FIRMWARE_ICC_SRE_EL3",
    "FIRMWARE_SCR_EL3",
    "RULES",
    "Bits",
    "Considered",
    "Context",
    "Controls",
    "DataAccess",
    "FineGrained",
    "FpAccess",
    "InstructionFetch",
    "OtherInstruction",
    "Outcome",
    "PointerAuthentication",
    "Request",
    "Rule",
    "StackAccess",
    "SveAccess",
    "Verdict",
    "decide",
    "field_of",
    "rules_about",
    "why_no_rule",
]


@dataclass(frozen=True, slots=True)
class Considered:
    """A rule that was asked, the control bits it looked at with their values, and whether it applies."""

    rule: Rule
    bits: tuple[tuple[str, str, int], ...]
    applies: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request. `target_el` and `esr` are given for TRAP and UNDEFINED.

    `rule` decided, or is None: nothing stands in the way. `considered` ends with it. `is_rerouted`: HCR_EL2.TGE took to
    EL2 what the rule sends to EL1.
    """

    outcome: Outcome
    target_el: int | None
    esr: int | None
    rule: Rule | None
    considered: tuple[Considered, ...]
    is_rerouted: bool = False


def rules_about(request: Request) -> tuple[Rule, ...]:
    """Return every rule about an instruction or register, whatever the EL, features and control bits."""
    subject = subject_of(request)
    return about(subject.name, subject.generic_name, subject.is_read)


def decide(instr: Request, context: Context) -> Verdict:
    """Decide what becomes of an instruction: it executes, traps, is UNDEFINED, or completes without effect.

    Ref: the access pseudocode of each register; AArch64.SystemAccessTrap, AArch64.CheckForWFxTrap,
    AArch64.CheckFPEnabled, CheckSVEEnabled, AArch64.CheckForSMCUndefOrTrap, AArch64.CheckForERetTrap, CheckSPAlignment.
    """
    values = values_of(context)
    considered = []
    for rule, checks, shown in plan(subject_of(instr), context.el, context.features):
        applies = all(values[index] & mask in wanted for index, mask, wanted in checks)
        bits = tuple((register, field, values[index] >> lsb & top) for register, field, index, lsb, top in shown)
        considered.append(Considered(rule, bits, applies))
        if applies:
            return _verdict(instr, context, rule, tuple(considered), bool(values[HCR_INDEX] & TGE))
    return Verdict(Outcome.EXECUTE, None, None, None, tuple(considered))


def _verdict(instr: Request, context: Context, rule: Rule, considered: tuple[Considered, ...], tge: bool) -> Verdict:
    if rule.outcome is Outcome.NOP:
        return Verdict(Outcome.NOP, None, None, rule, considered)
    target_el = max(rule.target_el, context.el)
    is_rerouted = tge and context.el == 0 and target_el == 1
    if is_rerouted:
        target_el = 2
    if rule.outcome is Outcome.UNDEFINED:
        return Verdict(rule.outcome, target_el, encode_unknown(), rule, considered, is_rerouted)
    ec = rule.ec_rerouted if is_rerouted and rule.ec_rerouted is not None else rule.ec
    esr = SYNDROMES[ec](instr, target_el == context.el)
    return Verdict(rule.outcome, target_el, esr, rule, considered, is_rerouted)
