"""The reason that a walk's explanation names is the reason: put right what it names, and the walk gets further.

Read `walk_cases.py` and `arm_hyp/explain/walk_reasons.py` before. `SEED=n` chooses other cases, `LONG=1` more.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

import pytest
from walk_cases import CaseMaker

from arm_hyp.arch.translation import FETCH, READ, WRITE, Access, Fault, TranslationRegisters, Walk, walk
from arm_hyp.explain.walk_reasons import Failed, failed, reason
from arm_hyp.explain.walks import explain_walk

SEED = int(os.environ.get("SEED", "5"))
COUNT = 60_000 if os.environ.get("LONG") == "1" else 3_000
_RAM_BYTES: Final = 8 << 20


class Case(NamedTuple):
    """A walk that can be done again."""

    va: int
    access: Access
    el: int
    registers: TranslationRegisters
    memory: dict[int, int]
    maker: CaseMaker

    def read64(self, address: int) -> int | None:
        """Read a word that is made up at its first use."""
        if address >= _RAM_BYTES and address not in self.memory:
            return None
        return self.memory.setdefault(address, self.maker.descriptor(address))

    def walk(self) -> Walk:
        """Walk."""
        return walk(self.va, self.access, self.el, self.registers, self.read64)

    def having(self, **registers: int) -> Case:
        """Return the case with other registers."""
        return self._replace(registers=self.registers._replace(**registers))  # type: ignore[arg-type]


def _make(maker: CaseMaker) -> Case:
    registers = maker.registers()
    if maker.chance(0.02):
        registers = registers._replace(ttbr0_el1=1 << 46 | 0x1_0000)
    el = maker.one_of((0, 1, 1, 2))
    access = maker.one_of((READ, WRITE, FETCH, READ._replace(pan=el > 0)))
    return Case(maker.va(registers.tcr_el1 if el < 2 else registers.tcr_el2), access, el, registers, {}, maker)


# --- what puts right what a reason names ------------------------------------------------------------------------------


def _in_descriptor(clear: int, set_: int = 0) -> Callable[[Case, Failed], Case]:
    """Change the last descriptor."""

    def repair(case: Case, why: Failed) -> Case:
        is_big = why.walk.parameters.tables.is_big_endian
        word = (why.last.descriptor or 0) & ~clear | set_
        stored = int.from_bytes(word.to_bytes(8, "little"), "big") if is_big else word
        address = why.last.descriptor_pa
        assert address is not None
        return case._replace(memory=case.memory | {address: stored})

    return repair


def _in_tables(clear: int) -> Callable[[Case, Failed], Case]:
    """Change every table descriptor on the way."""

    def repair(case: Case, why: Failed) -> Case:
        memory = dict(case.memory)
        for number in range(len(why.walk.steps) - 1):
            step = why.walk.steps[number]
            one = why._replace(walk=why.walk._replace(steps=(step,)))
            memory = _in_descriptor(clear)(case._replace(memory=memory), one).memory
        return case._replace(memory=memory)

    return repair


def _in_registers(change: Callable[[TranslationRegisters], dict[str, int]]) -> Callable[[Case, Failed], Case]:
    return lambda case, why: case.having(**change(case.registers))


def _within(case: Case, why: Failed) -> Case:
    """Bring the address into the range."""
    bits = why.walk.parameters.tables.input_bits
    low = case.va & (1 << bits) - 1
    is_upper = bool(case.va >> 55 & 1) and why.walk.parameters.is_upper  # type: ignore[union-attr]
    return case._replace(va=low | ((1 << 64) - (1 << bits) if is_upper else 0))


def _answered(case: Case, why: Failed) -> Case:
    address = why.last.descriptor_pa
    assert address is not None
    return case._replace(memory=case.memory | {address: 0})


def _no_wxn(registers: TranslationRegisters) -> dict[str, int]:
    off = ~(1 << 19)
    return {"sctlr_el1": registers.sctlr_el1 & off, "sctlr_el2": registers.sctlr_el2 & off}


def _no_epd(registers: TranslationRegisters) -> dict[str, int]:
    off = ~(1 << 7 | 1 << 23)
    return {"tcr_el1": registers.tcr_el1 & off, "tcr_el2": registers.tcr_el2 & off}


REPAIRS: Final[tuple[tuple[str, Callable[[Case, Failed], Case]], ...]] = (
    (r"AF <10>", _in_descriptor(0, 1 << 10)),
    (r"bit 0 is clear", _in_descriptor(0b11, 0b11)),
    (r"a block descriptor .* means nothing", _in_descriptor(0, 0b10)),
    (r"AP<2> <7> is 1", _in_descriptor(1 << 7)),
    (r"AP<1> <6> is 0", _in_descriptor(0, 1 << 6)),
    (r"APTable<0>", _in_tables(1 << 61)),
    (r"APTable<1>", _in_tables(1 << 62)),
    (r"\b(UXN|XN) <54> is 1", _in_descriptor(1 << 54)),
    (r"PXN <53> is 1", _in_descriptor(1 << 53)),
    (r"\b(UXN|XN)Table", _in_tables(1 << 60)),
    (r"PXNTable", _in_tables(1 << 59)),
    (r"EL0 may write it", _in_descriptor(1 << 6)),
    (r"WXN is 1", _in_registers(_no_wxn)),
    (r"EPD[01] is 1", _in_registers(_no_epd)),
    (r"PAN is 1", lambda case, why: case._replace(access=case.access._replace(pan=False))),
    (r"XN <54:53>", _in_descriptor(3 << 53)),
    (r"S2AP <7:6>", _in_descriptor(0, 3 << 6)),
    (r"HCR_EL2.PTW is 1", _in_registers(lambda registers: {"hcr_el2": registers.hcr_el2 & ~(1 << 2)})),
    (r"SL0 do not go together", _in_registers(lambda registers: {"vtcr_el2": 0x8004_0040 | 64 - 32})),
    (r"VTCR_EL2.T0SZ leaves", _in_registers(lambda registers: {"vtcr_el2": 0x8004_0080 | 64 - 44})),
    (r"are not all (ones|zeros)", _within),
    (r"the address in it has more than", _in_descriptor(((1 << 25) - 1) << 23)),
    (r"TTBR0_EL1 holds", _in_registers(lambda registers: {"ttbr0_el1": 0x1_0000})),
    (r"stage 1 is off", lambda case, why: case._replace(va=case.va & 0xFFFF_FFFF)),
    (r"nothing answers", _answered),
)
"""For every reason what takes it away."""


def _ways(case: Failed) -> list[Callable[[Case, Failed], Case]]:
    return [repair for pattern, repair in REPAIRS if re.search(pattern, reason(case))]


def _place(case: Failed | None) -> object:
    """What failed, where and why: equal for two walks that fail alike."""
    if case is None:
        return None
    return case.walk.stage, case.walk.input_address, len(case.walk.steps), case.fault.kind, reason(case)


@pytest.mark.long
def test_a_walk_gets_further_when_its_reason_is_taken_away() -> None:
    seen: Counter[str] = Counter()
    for model in ("a72", "max"):
        maker = CaseMaker(model, SEED)
        for case in (_make(maker) for _ in range(COUNT)):
            walked = case.walk()
            story = explain_walk(walked, case.access, case.el, case.registers)
            why = failed(walked, case.access._replace(is_privileged=case.el > 0))
            assert (why is None) == (story.pa is not None)
            if why is None:
                continue
            repairs = _ways(why)
            assert len(repairs) == 1, f"{len(repairs)} rows for: {reason(why)}"
            repaired = repairs[0](case, why)
            again = failed(repaired.walk(), case.access._replace(is_privileged=case.el > 0))
            assert _place(again) != _place(why), (
                f"seed {SEED}: {story.sentence}\n  {case.registers}\n  {repaired.walk()}"
            )
            seen[next(pattern for pattern, _ in REPAIRS if re.search(pattern, reason(why)))] += 1
    print(f"\nseed {SEED}: reasons {dict(seen)}")
    assert set(seen) == {pattern for pattern, _ in REPAIRS}, "some reasons were never met"


def test_faults_and_translations_both_occur() -> None:
    maker = CaseMaker("max", SEED)
    results = [isinstance(_make(maker).walk().result, Fault) for _ in range(500)]
    assert 50 < sum(results) < 450
