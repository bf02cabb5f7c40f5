"""Our walks against the core's own: AT instructions, data accesses and instruction fetches over random tables.

Read `walk_cases.py`, `walk_witness.py` and `walk_deviations.py` before. The tables are made up while our walk reads
them, so it decides what is in memory; then the core walks the same memory. Where it answers otherwise, a row of `CORE`
must say why. `LONG=1` asks 50,000 cases a model, `CASES=n` so many, `SEED=n` others.

Ref: ADR 002 (the architecture model decides, the core is a witness).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from walk_cases import CaseMaker
from walk_deviations import CORE, Asked, abort_of
from walk_witness import AT, WalkWitness

from arm_hyp.arch.control_bits import HCR_TGE
from arm_hyp.arch.translation import (
    FETCH,
    Access,
    Fault,
    Regime,
    TranslationRegisters,
    par_el1,
    regime_of,
    walk,
    walk_stage1,
)

SEED = int(os.environ.get("SEED", "4"))
COUNT = int(os.environ.get("CASES", "50000" if os.environ.get("LONG") == "1" else "2500"))


def _ask_at(maker: CaseMaker, witness: WalkWitness, registers: TranslationRegisters, va: int) -> Asked:
    name = maker.one_of(tuple(AT))
    el, access = int(name[-2]), Access(is_write=name[-1] == "W", is_privileged=name[-2] != "0")
    read64 = witness.ram.read64
    if name.startswith("S12"):
        ours = walk(va, access, el, registers, read64)
    else:
        regime = regime_of(2, registers.hcr_el2) if el == 2 else Regime.EL10
        ours = walk_stage1(va, access, regime, registers, read64)
    return Asked(f"AT {name}", registers, ours, par_el1(ours.result), witness.at(name, va))


def _ask_data(maker: CaseMaker, witness: WalkWitness, registers: TranslationRegisters, va: int, el: int) -> Asked:
    pan = "PAN" in registers.features and el > 0 and maker.chance(0.3)
    access = Access(is_write=maker.chance(0.5), pan=pan)
    ours = walk(va, access, el, registers, witness.ram.read64)
    pa = None if isinstance(ours.result, Fault) else ours.result.pa
    return Asked(f"data at EL{el}", registers, ours, pa, witness.data(va, el, access.is_write, pan))


def _ask_fetch(witness: WalkWitness, registers: TranslationRegisters, va: int, el: int) -> Asked:
    ours = walk(va, FETCH, el, registers, witness.ram.read64)
    abort = abort_of(ours.result, regime_of(el, registers.hcr_el2)) if isinstance(ours.result, Fault) else None
    return Asked(f"fetch at EL{el}", registers, ours, abort, witness.fetch(va, el))


def _ask(maker: CaseMaker, witness: WalkWitness) -> Iterator[Asked]:
    registers = maker.registers()
    va = maker.va(registers.tcr_el1 if maker.chance(0.7) else registers.tcr_el2)
    witness.ram.forget()
    witness.load(registers)
    is_host = bool(registers.hcr_el2 & HCR_TGE)
    el = maker.one_of((0, 2) if is_host else (0, 1, 1, 2))
    if not is_host:  # then the regime of AT depends on the level that it runs at
        yield _ask_at(maker, witness, registers, va)
    yield _ask_data(maker, witness, registers, va, el)
    yield _ask_fetch(witness, registers, va, el)  # last: what it fetched ran


@pytest.mark.parametrize("model", ["a72", "max"])
def test_the_core_translates_as_our_walks_do(model: str) -> None:
    maker, witness = CaseMaker(model, SEED), WalkWitness(model)
    witness.ram.make_up = maker.descriptor
    seen: Counter[str] = Counter()
    results: Counter[str] = Counter()
    wrong = []
    for asked in (asked for _ in range(COUNT) for asked in _ask(maker, witness)):
        result = asked.walk.result
        results[f"{result.kind.value}, stage {result.stage}" if isinstance(result, Fault) else "translated"] += 1
        if asked.ours != asked.witness:
            why = next((row.id for row in CORE if model in row.models and row.explains(asked)), None)
            seen[why or "unexplained"] += 1
            wrong += [] if why else [asked]
    print(f"\n{model}: seed {SEED}, {sum(results.values())} questions: {dict(results)}\ndifferences: {dict(seen)}")
    expected = {row.id for row in CORE if model in row.models}
    assert not wrong, f"seed {SEED}: {len(wrong)} differ\n" + "\n".join(map(str, wrong[:10]))
    assert set(seen) == expected, f"these rows explain nothing any more: {expected - set(seen)}"
    assert len(results) >= 10 and results["translated"] > 500, "the cases have become one-sided"
