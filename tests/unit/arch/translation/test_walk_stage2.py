"""Stage 2 over tables written by hand: start levels, concatenated tables, what is illegal, each fault at its level."""

from __future__ import annotations

import pytest
from walk_support import (
    AF,
    HCR_STAGE2,
    PAGE,
    S2_RO,
    S2_RW,
    S2_WRITE_BACK,
    VALID_TABLE,
    Memory,
    fault_of,
    kind_and_level,
    result_of,
)

from arm_hyp.arch.translation import FETCH, READ, TABLE_WALK, WRITE, FaultKind, TranslationRegisters, walk_stage2
from arm_hyp.arch.translation.parameters import is_legal_stage2

TABLE = 0x100_0000
LEAF = AF | S2_RW | S2_WRITE_BACK
BLOCK = 0b01 | LEAF


def stage2(granule_tg0: int, ipa_bits: int, sl0: int, base: int = TABLE, ps: int = 4) -> TranslationRegisters:
    """Return registers with this stage 2."""
    vtcr = 1 << 31 | ps << 16 | granule_tg0 << 14 | sl0 << 6 | 64 - ipa_bits
    return TranslationRegisters(hcr_el2=HCR_STAGE2, vtcr_el2=vtcr, vttbr_el2=base)


# TG0, SL0, start level, lsb of its index, least and most IPA bits: from the Arm ARM, D8.2, implied by concatenation
STARTS = [
    (0, 0, 2, 21, 25, 34),
    (0, 1, 1, 30, 31, 43),
    (0, 2, 0, 39, 40, 44),
    (2, 0, 3, 14, 25, 29),
    (2, 1, 2, 25, 26, 40),
    (2, 2, 1, 36, 37, 44),
    (1, 0, 3, 16, 25, 33),
    (1, 1, 2, 29, 30, 44),
    (1, 2, 1, 42, 43, 44),
]
GRANULE_BITS = {0: 12, 1: 16, 2: 14}


@pytest.mark.parametrize(("tg0", "sl0", "level", "lsb", "least", "most"), STARTS)
def test_start_levels_and_how_much_they_resolve(
    tg0: int, sl0: int, level: int, lsb: int, least: int, most: int
) -> None:
    for ipa_bits in range(25, 49):
        walked = walk_stage2(0, READ, stage2(tg0, ipa_bits, sl0), Memory({TABLE: 0}).read64)
        if least <= ipa_bits <= most:
            assert kind_and_level(walked) == (FaultKind.TRANSLATION, level)
            assert walked.steps[0].lsb == lsb
        else:
            assert kind_and_level(walked) == (FaultKind.TRANSLATION, 0)
            assert walked.steps == ()


@pytest.mark.parametrize(("tg0", "sl0", "level", "lsb", "least", "most"), STARTS)
def test_concatenated_tables_are_one_large_table(
    tg0: int, sl0: int, level: int, lsb: int, least: int, most: int
) -> None:
    """The highest IPA uses the last entry of up to 16 tables, and the base is aligned to all of them."""
    ipa = (1 << most) - 1
    entries = 1 << most - lsb
    memory, table = Memory({TABLE + 8 * (entries - 1): 0x200_0000 | VALID_TABLE}), 0x200_0000
    granule_bits = GRANULE_BITS[tg0]
    for below in range(level + 1, 4):
        index = (1 << granule_bits - 3) - 1
        memory[table + 8 * index] = table + 0x10_0000 | (LEAF | PAGE if below == 3 else VALID_TABLE)
        table += 0x10_0000
    if level == 3:
        memory[TABLE + 8 * (entries - 1)] = 0x200_0000 | LEAF | PAGE
    walked = walk_stage2(ipa, READ, stage2(tg0, most, sl0, TABLE + entries * 8 - 2), memory.read64)
    assert result_of(walked).pa == table | ipa & (1 << granule_bits) - 1
    assert walked.steps[0].table_index == entries - 1
    assert walked.steps[0].descriptor_pa == TABLE + 8 * (entries - 1)


@pytest.mark.parametrize(("tg0", "ipa_bits"), [(0, 40), (1, 40), (2, 40)])
def test_sl0_0b11_is_reserved(tg0: int, ipa_bits: int) -> None:
    walked = walk_stage2(0, READ, stage2(tg0, ipa_bits, 3), Memory({TABLE: BLOCK}).read64)
    assert kind_and_level(walked) == (FaultKind.TRANSLATION, 0)


@pytest.mark.parametrize(
    ("granule_bits", "input_bits", "start", "pa_bits", "is_legal"),
    [
        (12, 40, 0, 44, True),
        (12, 40, 0, 42, False),
        (14, 40, 1, 42, True),
        (14, 40, 1, 40, False),
        (16, 43, 1, 43, False),
    ],
)
def test_small_physical_sizes_have_no_high_start_levels(
    granule_bits: int, input_bits: int, start: int, pa_bits: int, is_legal: bool
) -> None:
    assert is_legal_stage2(granule_bits, input_bits, start, pa_bits) is is_legal


def test_an_ipa_beyond_the_range() -> None:
    memory = Memory({TABLE + 8 * index: BLOCK for index in range(1024)})
    registers = stage2(0, 30, 0)
    assert result_of(walk_stage2((1 << 30) - 1, READ, registers, memory.read64))
    assert kind_and_level(walk_stage2(1 << 30, READ, registers, memory.read64)) == (FaultKind.TRANSLATION, 0)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_each_fault_names_the_level_of_its_descriptor(level: int) -> None:
    def ends_with(descriptor: int | None, access: object = READ) -> tuple[FaultKind, int]:
        memory = Memory({TABLE + n * 0x1_0000: TABLE + (n + 1) * 0x1_0000 | VALID_TABLE for n in range(level)})
        if descriptor is not None:
            memory[TABLE + level * 0x1_0000] = descriptor
        walked = walk_stage2(0x123, access, stage2(0, 44, 2), memory.read64)  # type: ignore[arg-type]
        fault = fault_of(walked)
        assert (fault.stage, fault.is_s1ptw, fault.ipa) == (2, False, 0x123)
        assert [step.level for step in walked.steps] == list(range(level + 1))
        return fault.kind, fault.level

    leaf = PAGE if level == 3 else 0b01
    assert ends_with(0) == (FaultKind.TRANSLATION, level)
    assert ends_with(None) == (FaultKind.EXTERNAL_ON_WALK, level)
    if level > 0:
        assert ends_with(leaf | S2_RW) == (FaultKind.ACCESS_FLAG, level)
        assert ends_with(leaf | AF | S2_RO, WRITE) == (FaultKind.PERMISSION, level)
        assert ends_with(leaf | AF | S2_RW | 1 << 54, FETCH) == (FaultKind.PERMISSION, level)
        assert ends_with(leaf | AF) == (FaultKind.PERMISSION, level)
        assert ends_with(leaf | LEAF | 1 << 45) == (FaultKind.ADDRESS_SIZE, level)


def test_a_base_beyond_the_output_size() -> None:
    walked = walk_stage2(0, READ, stage2(0, 40, 1, 1 << 40, ps=2), Memory().read64)
    assert kind_and_level(walked) == (FaultKind.ADDRESS_SIZE, 0)


def test_a_read_for_a_table_walk_marks_its_faults() -> None:
    fault = fault_of(walk_stage2(0x5008, TABLE_WALK, stage2(0, 30, 0), Memory({TABLE: 0}).read64))
    assert (fault.kind, fault.is_s1ptw, fault.ipa) == (FaultKind.TRANSLATION, True, 0x5008)


def test_execute_does_not_need_read_permission() -> None:
    memory = Memory({TABLE: 0b01 | AF})
    assert result_of(walk_stage2(0, FETCH, stage2(0, 30, 0), memory.read64))
    assert kind_and_level(walk_stage2(0, READ, stage2(0, 30, 0), memory.read64)) == (FaultKind.PERMISSION, 2)


def test_tables_of_stage_2_limit_nothing() -> None:
    memory = Memory({TABLE: TABLE + 0x1_0000 | VALID_TABLE | 0x1F << 59, TABLE + 0x1_0000: LEAF | PAGE})
    assert all(result_of(walk_stage2(0, WRITE, stage2(0, 30, 0), memory.read64)).permissions)


def test_big_endian_walks_follow_sctlr_el2() -> None:
    word = int.from_bytes((0x20_0000 | BLOCK).to_bytes(8, "little"), "big")
    registers = stage2(0, 30, 0)._replace(sctlr_el2=1 << 25)
    assert result_of(walk_stage2(0, READ, registers, Memory({TABLE: word}).read64)).pa == 0x20_0000


def test_the_vmid_is_no_part_of_the_table_base() -> None:
    registers = stage2(0, 30, 0, 0xFFFF << 48 | TABLE | 1)
    assert result_of(walk_stage2(0, READ, registers, Memory({TABLE: BLOCK}).read64)).pa == 0
