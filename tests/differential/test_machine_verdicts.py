"""The trap rules against the whole machine, emulated registers and planted sites included, by its guest's own vectors.

Read `judged.py` and `oracles.py` before. A case whose verdict is a trap or UNDEFINED must end in that very exception
(level, syndrome, at the instruction); one that passes must reach the marker behind it. `CASES=n` asks so many, `SEED=n`
others; `LONG=1` asks 100,000.
"""

from __future__ import annotations

import os
from collections import Counter

from generator import MAPS_MOST, ONE, Case, make_cases
from judged import FEATURES, asked_controls
from oracles import Dump, run_ours

from arm_hyp.arch.instructions import decode_system
from arm_hyp.arch.traps import Context, FpAccess, Verdict, decide

SEED = int(os.environ.get("SEED", "20263"))
COUNT = int(os.environ.get("CASES") or (100_000 if os.environ.get("LONG") == "1" else 1_000))
IN_AN_IMAGE = 2_000
IL = 1 << 20
ONLY_REGISTERS = frozenset({0x1E60_4000, 0x4E21_1C00, 0x9E66_0000, 0x6F00_E400, 0x1E22_0000})
"""The FP instructions of the generator that touch no memory."""


def verdict_of(case: Case) -> Verdict | None:
    """Ask the rules; None where more than the instruction decides: loads and stores, calls, returns, no map."""
    is_illegal = case.el == 1 and case.controls.hcr_el2 >> ONE["TGE"] & 1  # ERET to EL1 with TGE: PSTATE.IL is set
    if case.kind in ("access", "exception", "return") or case.controls.stage_2 != MAPS_MOST or is_illegal:
        return None
    if case.kind == "fp" and case.word not in ONLY_REGISTERS:
        return None
    request = FpAccess() if case.kind == "fp" else decode_system(case.word)
    if request is None:
        return None
    context = Context(case.el, asked_controls(case), features=FEATURES, pstate=case.controls.spsr)
    return decide(request, context)


def agrees(verdict: Verdict, dump: Dump) -> bool:
    if verdict.esr is None or verdict.target_el is None:
        return dump.elr > 0
    return (dump.current_el >> 2, dump.esr, dump.elr) == (verdict.target_el, verdict.esr, 0)


def test_the_machine_does_as_the_rules_predict() -> None:
    judged: Counter[str] = Counter()
    wrong = []
    for at in range(0, COUNT, IN_AN_IMAGE):
        cases = make_cases(SEED + at, min(IN_AN_IMAGE, COUNT - at))
        for case, dump in zip(cases, run_ours(cases), strict=True):
            verdict = verdict_of(case)
            if verdict is None:
                continue
            judged[verdict.outcome.value] += 1
            if not agrees(verdict, dump):
                wrong.append(f"{case}\n  machine {dump}\n  rules {verdict.rule and verdict.rule.id}: {verdict.esr}")
    print(f"\nmachine: seed {SEED}, {COUNT} cases, {judged.total()} judged: {dict(judged)}")
    assert not wrong, f"seed {SEED}: {len(wrong)} of {judged.total()} differ\n" + "\n".join(wrong[:10])
    assert judged.total() > COUNT // 2
