"""Which rules the oracles judge: those that decide at least one case whose answers are compared.

Read `generator.py` and `deviations.py` before. A case that a known deviation explains is not counted: nothing is
compared there. What is left over needs cases by hand: `tests/unit/arch/trap_cases.py`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from deviations import DEVIATIONS
from generator import Case, make_cases

from arm_hyp.arch import id_policy, sysregs
from arm_hyp.arch.instructions import InstructionKind, SystemInstruction, decode_system
from arm_hyp.arch.traps import Context, Controls, FpAccess, decide

MODEL, GIC = "a72", 2
FEATURES = id_policy.features(MODEL, GIC)
LIST = Path(__file__).parents[1] / "fixtures" / "rules-judged-by-oracles.txt"
"""The rules that `test_judged.py` has seen judged, one a line; `tests/unit/arch/test_traps_by_hand.py` reads it too."""

_ASKED = tuple(name for name in Controls._fields if hasattr(Case("", 0, 0).controls, name))


def is_witnessed(instruction: SystemInstruction) -> bool:
    """Tell whether the core's own decision about this instruction is right, by the table of facts."""
    kind = instruction.kind
    if kind in (InstructionKind.MRS, InstructionKind.MSR, InstructionKind.SYS):
        is_native = sysregs.resolve(instruction.encoding, instruction.is_read, MODEL, GIC).route in ("native", "shadow")
        return is_native and sysregs.name_of(instruction.encoding) not in ("FPCR", "FPSR", "SCR_EL3")
    return kind in (InstructionKind.WFI, InstructionKind.HVC, InstructionKind.SMC)


def asked_controls(case: Case) -> Controls:
    """Return the control registers of a case as the rules ask for them."""
    return Controls(**{name: getattr(case.controls, name) for name in _ASKED})


def deciding_rule(case: Case) -> str | None:
    """Return the rule that decides a case of the generator, or None: loads and stores, and what no rule stops."""
    request = FpAccess() if case.kind == "fp" else decode_system(case.word)
    if request is None:
        return None
    context = Context(case.el, asked_controls(case), features=FEATURES, pstate=case.controls.spsr)
    rule = decide(request, context).rule
    return rule.id if rule else None


def judged_rules(seed: int, count: int) -> Counter[str]:
    """Count the cases that each rule decides and QEMU judges."""
    cases = (case for case in make_cases(seed, count) if not any(row.applies(case) for row in DEVIATIONS))
    return Counter(rule for rule in map(deciding_rule, cases) if rule is not None)
