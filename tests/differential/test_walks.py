"""Our walks against the core's own: AT instructions, data accesses and instruction fetches over random tables.

Read `walk_cases.py` and `walk_witness.py` before. The tables are made up while our walk reads them, so it decides what
is in memory; then the core walks the same memory. Where it answers otherwise, a row of `DEVIATIONS` must say why, and
a row that explains nothing any more fails the test: take it out. `LONG=1` asks 50,000 cases a model, `SEED=n` others.

Ref: ADR 002 (the architecture model decides, the core is a witness).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from walk_cases import CaseMaker
from walk_witness import AT, Abort, WalkWitness

from arm_hyp.arch.control_bits import HCR_TGE
from arm_hyp.arch.translation import (
    FETCH,
    Access,
    Fault,
    FaultKind,
    Regime,
    Step,
    StepKind,
    TranslationRegisters,
    Walk,
    fault_status,
    par_el1,
    regime_of,
    walk,
    walk_stage1,
)

SEED = int(os.environ.get("SEED", "4"))
COUNT = 50_000 if os.environ.get("LONG") == "1" else 2_500
_PAR_SH, _PAR_ATTR = 0b11 << 7, 0xFF << 56
_BLOCK_ADDRESS = (1 << 48) - (1 << 12)


class Asked(NamedTuple):
    """A question to both: what was asked, of which registers, our walk, and both answers."""

    question: str
    registers: TranslationRegisters
    walk: Walk
    ours: object
    core: object

    def __str__(self) -> str:
        registers = {name: value for name, value in self.registers._asdict().items() if name != "features"}
        shown = ", ".join(f"{name} {value:#x}" for name, value in registers.items())
        return f"{self.question} {self.walk.input_address:#x}: {self.ours}, core {self.core}\n  {shown}\n  {self.walk}"

    @property
    def is_at(self) -> bool:
        """Tell AT instructions, which answer with PAR_EL1, from accesses."""
        return self.question.startswith("AT")


class Deviation(NamedTuple):
    """Where the core is known to answer otherwise than the architecture."""

    id: str
    explains: Callable[[Asked], bool]
    reason: str
    ref: str
    models: tuple[str, ...] = ("a72", "max")


def steps_of(walked: Walk) -> Iterator[Step]:
    """Return every step of a walk, those of stage 2 too."""
    for step in walked.steps:
        yield step
        yield from steps_of(step.stage2) if step.stage2 else ()
    yield from steps_of(walked.stage2) if walked.stage2 else ()


def _any_step(condition: Callable[[Step, int], bool]) -> Callable[[Asked], bool]:
    return lambda asked: any(
        condition(step, step.descriptor) for step in steps_of(asked.walk) if step.descriptor is not None
    )


def _is_beyond_memory(asked: Asked) -> bool:
    """Tell faults about where a table or page lies. With stage 1 off it is the input address, which the core checks."""
    result = asked.walk.result
    if not isinstance(result, Fault):
        return False
    is_of_tables = result.stage == 2 or asked.walk.parameters.is_enabled
    return result.kind is FaultKind.EXTERNAL_ON_WALK or (result.kind is FaultKind.ADDRESS_SIZE and is_of_tables)


def _differ_only_in(asked: Asked, mask: int) -> bool:
    both = isinstance(asked.ours, int) and isinstance(asked.core, int) and asked.is_at
    return both and not (int(asked.ours) ^ int(asked.core)) & ~mask  # type: ignore[call-overload]


def _is_misreported_s1ptw(asked: Asked) -> bool:
    """Whatever stage 2 found, the core says: translation fault, at the level of stage 1 that it was at."""
    result = asked.walk.result
    if not isinstance(result, Fault) or not result.is_s1ptw:
        return False
    as_told = result._replace(kind=FaultKind.TRANSLATION, level=asked.walk.steps[-1].level)
    return asked.core == (par_el1(as_told) if asked.is_at else _abort_of(as_told, Regime.EL10))


def _is_ignored_bit(asked: Asked) -> bool:
    """Only with a tag, or with limits of tables on the way, do TBID and HPD matter."""
    if "HPDS" in asked.registers.features:
        return False
    has_tag = asked.walk.input_address >> 55 not in (0, 0x1FF)
    return _any_step(_has_limits)(asked) or (has_tag and asked.question.startswith("fetch"))


def _has_limits(step: Step, descriptor: int) -> bool:
    return step.kind is StepKind.TABLE and descriptor >> 59 != 0


DEVIATIONS = (
    Deviation(
        "stage 2 fault on a stage 1 walk",
        _is_misreported_s1ptw,
        "The core reports every one of them as a translation fault, with stage 1's level instead of stage 2's.",
        "Arm ARM, AArch64.S1Walk: the FaultRecord of S2Translate is returned as it is",
    ),
    Deviation(
        "address size faults and external aborts on walks",
        _is_beyond_memory,
        "The core has neither: it goes on with the address, and reads what is not there as zero.",
        "Arm ARM, AArch64.OAOutOfRange, FetchDescriptor",
    ),
    Deviation(
        "blocks at levels that have none",
        _any_step(lambda step, descriptor: step.kind is StepKind.INVALID and step.level < 3 and descriptor & 3 == 1),
        "The core takes a block descriptor at any level but 3, level 0 too.",
        "Arm ARM, AArch64.DecodeDescriptorType, AArch64.BlockDescSupported",
    ),
    Deviation(
        "RES0 address bits of a block",
        _any_step(
            lambda step, descriptor: (
                step.kind is StepKind.BLOCK and descriptor & _BLOCK_ADDRESS & (1 << step.lsb) - 1 != 0
            )
        ),
        "The core ORs the bits below the block's size into the output address.",
        "Arm ARM, AArch64.LeafBase",
    ),
    Deviation(
        "TCR_ELx.HPD and TBID on a Cortex-A72",
        _is_ignored_bit,
        "The core has them on both models; without FEAT_HPDS and FEAT_PAuth they are RES0.",
        "Arm ARM, TCR_EL1.HPD0, TCR_EL1.TBID0",
        ("a72",),
    ),
    Deviation(
        "shareability in PAR_EL1",
        lambda asked: _differ_only_in(asked, _PAR_SH),
        "The core reports the descriptor's SH, also for Device and Non-cacheable memory, which is Outer Shareable.",
        "Arm ARM, PAR_EL1.SH; PAREncodeShareability",
    ),
    Deviation(
        "attributes in PAR_EL1 with stage 1 off",
        lambda asked: not asked.walk.steps and _differ_only_in(asked, _PAR_ATTR | _PAR_SH),
        "The core reports Device-nGnRnE, also with HCR_EL2.DC.",
        "Arm ARM, AArch64.S1DisabledOutput",
    ),
    Deviation(
        "attributes in PAR_EL1 with both stages on",
        lambda asked: asked.walk.stage2 is not None and _differ_only_in(asked, _PAR_ATTR | _PAR_SH),
        "For Device memory the core also asks the inner nibble of the other stage's Normal memory; reserved MemAttr "
        "values it takes as they come.",
        "Arm ARM, S2CombineS1MemAttrs",
    ),
    Deviation(
        "AT S1E2 with HCR_EL2.E2H",
        lambda asked: asked.question.startswith("AT S1E2") and bool(asked.registers.hcr_el2 >> 34 & 1),
        "The core walks for the EL2 regime instead of EL2&0.",
        "Arm ARM, AT S1E2R",
        ("max",),
    ),
)


def _abort_of(fault: Fault, regime: Regime) -> Abort:
    target_el = 1 if fault.stage == 1 and regime is Regime.EL10 else 2
    return Abort(fault_status(fault) | fault.is_s1ptw << 7, target_el, (fault.ipa or 0) & -0x1000)


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
    abort = _abort_of(ours.result, regime_of(el, registers.hcr_el2)) if isinstance(ours.result, Fault) else None
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
        if asked.ours != asked.core:
            why = next((row.id for row in DEVIATIONS if model in row.models and row.explains(asked)), None)
            seen[why or "unexplained"] += 1
            wrong += [] if why else [asked]
    print(f"\n{model}: seed {SEED}, {sum(results.values())} questions: {dict(results)}\ndifferences: {dict(seen)}")
    expected = {row.id for row in DEVIATIONS if model in row.models}
    assert not wrong, f"seed {SEED}: {len(wrong)} differ\n" + "\n".join(map(str, wrong[:10]))
    assert set(seen) == expected, f"these rows explain nothing any more: {expected - set(seen)}"
    assert len(results) >= 10 and results["translated"] > 500, "the cases have become one-sided"
