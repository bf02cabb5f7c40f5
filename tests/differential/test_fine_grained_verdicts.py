"""The rules of the fine-grained traps against a machine that has them: random bits, then random instructions.

Read `test_machine_verdicts.py` before. The guest is the same, the cases are those about which there is such a rule. The
bits are set before it starts, one set for each image, as software at EL2 would have set them. `CASES=n`, `SEED=n` and
`LONG=1` are as there.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from itertools import islice

from generator import MAPS_MOST, ONE, Case, make_cases
from judged import asked_controls
from oracles import run_ours
from test_machine_verdicts import agrees

from arm_hyp.arch import id_policy, sysregs
from arm_hyp.arch.instructions import decode_system
from arm_hyp.arch.traps import Context, FineGrained, Outcome, Verdict, decide
from arm_hyp.cpu.controls import FINE_GRAINED
from arm_hyp.cpu.fine_grained import is_governed
from arm_hyp.machine.machine import Machine

SEED = int(os.environ.get("SEED", "20264"))
COUNT = int(os.environ.get("CASES") or (20_000 if os.environ.get("LONG") == "1" else 1_000))
IN_AN_IMAGE = 125
MODEL = "max-fgt"
FEATURES = id_policy.features(MODEL, 2)


def machine_with(values: FineGrained) -> Machine:
    made = Machine(model=MODEL, gic=2)
    for name, value in values._asdict().items():
        assert made.core.registers.write(sysregs.by_name(name).encoding, value)
    return made


def governed_cases(seed: int, count: int) -> list[Case]:
    """Make cases, and keep those about which there is such a rule; but the bits must stay as they are."""

    def is_kept(case: Case) -> bool:
        instruction = decode_system(case.word)
        return instruction is not None and is_governed(instruction) and instruction.encoding not in FINE_GRAINED

    return list(islice(filter(is_kept, make_cases(seed, 10 * count)), count))


def verdict_of(case: Case, machine: Machine) -> Verdict | None:
    """Ask the rules; None where more than the instruction decides, unless it is trapped."""
    is_illegal = case.el == 1 and case.controls.hcr_el2 >> ONE["TGE"] & 1  # ERET to EL1 with TGE: PSTATE.IL is set
    if case.controls.stage_2 != MAPS_MOST or is_illegal:
        return None
    instruction = decode_system(case.word)
    assert instruction is not None
    held = machine.core.controls
    controls = asked_controls(case)._replace(scr_el3=held.values.scr_el3)
    context = Context(case.el, controls, features=FEATURES, pstate=case.controls.spsr, fine_grained=held.fine_grained)
    verdict = decide(instruction, context)
    calls = case.kind in ("exception", "return")
    return None if calls and verdict.outcome is not Outcome.TRAP else verdict


def test_the_machine_does_as_the_fine_grained_rules_predict() -> None:
    judged: Counter[str] = Counter()
    deciding: Counter[str] = Counter()
    wrong = []
    rng = random.Random(SEED)
    for at in range(0, COUNT, IN_AN_IMAGE):
        chance = rng.choice((0.2, 0.5, 0.8))
        values = FineGrained(*(sum((rng.random() < chance) << bit for bit in range(64)) for _ in FineGrained._fields))
        machine = machine_with(values)
        cases = governed_cases(SEED + at, min(IN_AN_IMAGE, COUNT - at))
        verdicts = [verdict_of(case, machine) for case in cases]
        for case, verdict, dump in zip(cases, verdicts, run_ours(cases, machine), strict=True):
            if verdict is None:
                continue
            judged[verdict.outcome.value] += 1
            if verdict.rule is not None and verdict.rule.feature == "FGT":
                deciding[verdict.rule.id] += 1
            if not agrees(verdict, dump):
                wrong.append(f"{case}\n  {values}\n  machine {dump}\n  rules {verdict.rule}: {verdict.esr}")
    told = f"{judged.total()} judged: {dict(judged)}, {deciding.total()} by {len(deciding)} fine-grained rules"
    print(f"\nmachine with FGT: seed {SEED}, {COUNT} cases, {told}")
    assert not wrong, f"seed {SEED}: {len(wrong)} of {judged.total()} differ\n" + "\n".join(wrong[:10])
    assert deciding.total() > COUNT // 10
