"""The rules of the fine-grained traps and of HCRX_EL2 against a machine that has them: random bits and instructions.

Read `test_machine_verdicts.py` before. The guest is the same, the cases are those about which there is such a rule, and
in three of ten a register or operation that HCRX_EL2 governs. The bits are set before it starts, a set for each image,
as software at EL2 would have set them. `CASES=n`, `SEED=n` and `LONG=1` are as there.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest
from generator import MAPS_MOST, ONE, Case, make_cases, move
from judged import asked_controls
from oracles import run_ours
from test_machine_verdicts import agrees

from arm_hyp.arch import id_policy, sysregs
from arm_hyp.arch.instructions import decode_system
from arm_hyp.arch.traps import Context, FineGrained, Outcome, Verdict, decide, rules_about
from arm_hyp.cpu.controls import FINE_GRAINED
from arm_hyp.machine.machine import Machine

SEED = int(os.environ.get("SEED", "20264"))
COUNT = int(os.environ.get("CASES") or (20_000 if os.environ.get("LONG") == "1" else 1_000))
IN_AN_IMAGE = 125
MODEL = "max-fgt"
FEATURES = id_policy.features(MODEL, 2)
OWN = frozenset({"FGT", "HCX"})
OF_HCRX = [sysregs.by_name(f"{name}_EL{el}").encoding for name in ("TCR2", "SCTLR2") for el in (1, 2, 12)] + [
    row.encoding for row in sysregs.OPERATIONS if id_policy.has_feature(row.feature, MODEL, 2) and "XS" in row.feature
]
"""What HCRX_EL2 governs, with its like at EL2."""


def machine_with(values: FineGrained) -> Machine:
    made = Machine(model=MODEL, gic=2)
    for name, value in values._asdict().items():
        assert made.core.registers.write(sysregs.by_name(name).encoding, value)
    return made


def governed_cases(seed: int, count: int) -> list[Case]:
    """Make cases, and keep those about which there is such a rule; but the bits must stay as they are."""
    rng = random.Random(seed)

    def is_kept(case: Case) -> bool:
        instruction = decode_system(case.word)
        if instruction is None or instruction.encoding in FINE_GRAINED:
            return False
        return any(OWN & set(rule.feature.split("+")) for rule in rules_about(instruction))

    def with_hcrx(case: Case) -> Case:
        own = rng.random()
        if own < 0.2:  # at EL1, where HCR_EL2 traps nothing before
            return Case("hcrx", governed_by_hcrx(rng), 1)
        return replace(case, kind="hcrx", word=governed_by_hcrx(rng)) if own < 0.3 else case

    return list(map(with_hcrx, islice(filter(is_kept, make_cases(seed, 10 * count)), count)))


def governed_by_hcrx(rng: random.Random) -> int:
    """Return MRS or MSR of a register that HCRX_EL2 governs, or a TLBI with nXS."""
    encoding = rng.choice(OF_HCRX) if rng.random() < 0.5 else rng.choice(OF_HCRX[:6])
    return move(encoding, encoding.op0 != 1 and rng.random() < 0.5)


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


@pytest.mark.long
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
            if verdict.rule is not None and OWN & set(verdict.rule.feature.split("+")):
                deciding[verdict.rule.id] += 1
            if not agrees(verdict, dump):
                wrong.append(f"{case}\n  {values}\n  machine {dump}\n  rules {verdict.rule}: {verdict.esr}")
    told = f"{judged.total()} judged: {dict(judged)}, {deciding.total()} by {len(deciding)} rules of theirs"
    of_hcrx = {rule: count for rule, count in deciding.items() if rule.startswith("HCRX_EL2.") or rule.endswith(".nXS")}
    told += f", {sum(of_hcrx.values())} by {len(of_hcrx)} of HCRX_EL2"
    print(f"\nmachine with FGT and HCX: seed {SEED}, {COUNT} cases, {told}")
    assert not wrong, f"seed {SEED}: {len(wrong)} of {judged.total()} differ\n" + "\n".join(wrong[:10])
    assert deciding.total() > COUNT // 10
    assert {"HCRX_EL2.TCR2En", "HCRX_EL2.SCTLR2En"} < of_hcrx.keys()  # and some TLBI with nXS
