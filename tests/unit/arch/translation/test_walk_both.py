"""Both stages together: each table of stage 1 through stage 2, what faults where, and what both make of attributes."""

from __future__ import annotations

import pytest
from walk_support import (
    AF,
    HCR_STAGE2,
    PAGE,
    RO_ALL,
    RW_ALL,
    S2_RO,
    S2_RW,
    S2_WRITE_BACK,
    VALID_TABLE,
    Memory,
    el1,
    fault_of,
    result_of,
)

from arm_hyp.arch.translation import FETCH, READ, WRITE, Access, FaultKind, TranslationRegisters, fault_status, walk

GIB = 1 << 30
S2_TABLE, S2_NEXT, OFFSET = 0x10_0000, 0x11_0000, 0x4000_0000
TABLES_IPA, DATA_IPA = 0x20_0000, 0x40_0000  # a 2 MB block of stage 2 each
LEAF = AF | RW_ALL
S2_LEAF = AF | S2_RW | S2_WRITE_BACK
HCR_PTW, HCR_CD, HCR_ID, HCR_DC = 1 << 2, 1 << 32, 1 << 33, 1 << 12
VTCR = 1 << 31 | 4 << 16 | 1 << 6 | 64 - 32  # 4 KB, 32 bits, from level 1


def _registers(hcr: int = HCR_STAGE2) -> TranslationRegisters:
    return el1(34, TABLES_IPA, hcr_el2=hcr, vtcr_el2=VTCR, vttbr_el2=S2_TABLE)


def _memory(stage1: int = DATA_IPA | LEAF, tables: int = S2_LEAF, data: int = S2_LEAF) -> Memory:
    """Map VA 0 by one block of stage 1; stage 2 moves all by OFFSET, its attributes given for tables and data."""
    return Memory(
        {
            S2_TABLE: S2_NEXT | VALID_TABLE,
            S2_NEXT + 8: OFFSET + TABLES_IPA | 0b01 | tables,
            S2_NEXT + 16: OFFSET + DATA_IPA | 0b01 | data,
            OFFSET + TABLES_IPA: stage1 | 0b01,
        }
    )


def test_every_address_of_stage_1_goes_through_stage_2() -> None:
    walked = walk(0x1234, READ, 1, _registers(), _memory().read64)
    found = result_of(walked)
    assert (found.pa, found.level, found.block_bytes) == (OFFSET + DATA_IPA + 0x1234, 2, 2 << 20)
    step = walked.steps[0]
    assert (step.descriptor_address, step.descriptor_pa) == (TABLES_IPA, OFFSET + TABLES_IPA)
    assert step.stage2 is not None and [nested.level for nested in step.stage2.steps] == [1, 2]
    assert walked.stage2 is not None and walked.stage2.input_address == DATA_IPA + 0x1234


def test_the_smaller_block_of_both_stages_counts() -> None:
    memory = _memory(data=0)
    memory[S2_NEXT + 16] = 0x12_0000 | VALID_TABLE
    memory[0x12_0000] = 0x8000_0000 | S2_LEAF | PAGE | 1 << 52
    found = result_of(walk(0, READ, 1, _registers(), memory.read64))
    assert (found.level, found.block_bytes, found.contiguous_bytes) == (2, 4096, 16 * 4096)


def test_a_full_walk_reads_24_descriptors() -> None:
    """Four levels of stage 1, each with four of stage 2, and four for the output."""
    stage2 = {0x1000: 0x2003, 0x2000: 0x3003, 0x3000: 0x4003}
    stage2 |= {0x4000 + 8 * page: page << 12 | S2_LEAF | PAGE for page in range(512)}
    stage1 = {0x10_0000: 0x10_1003, 0x10_1000: 0x10_2003, 0x10_2000: 0x10_3003, 0x10_3000: 0x10_4000 | LEAF | PAGE}
    reads = []

    def read64(address: int) -> int | None:
        reads.append(address)
        return (stage2 | stage1).get(address)

    registers = el1(16, 0x10_0000, hcr_el2=HCR_STAGE2, vtcr_el2=4 << 16 | 2 << 6 | 20, vttbr_el2=0x1000)
    assert result_of(walk(0x567, READ, 1, registers, read64)).pa == 0x10_4567
    assert len(reads) == 24


# what is wrong in stage 2 where the table lies: kind, level
WRONG = [
    (0, FaultKind.TRANSLATION, 2),
    (S2_RW | 0b01, FaultKind.ACCESS_FLAG, 2),
    (AF | 0b10 << 6 | 0b01, FaultKind.PERMISSION, 2),
    (S2_LEAF | 1 << 46 | 0b01, FaultKind.ADDRESS_SIZE, 2),
]


@pytest.mark.parametrize(("descriptor", "kind", "level"), WRONG)
@pytest.mark.parametrize("access", [READ, WRITE, FETCH])
def test_a_fault_on_the_way_to_a_table(descriptor: int, kind: FaultKind, level: int, access: Access) -> None:
    """It names the IPA of the table's entry, not that of the access, and is the same for all accesses."""
    memory = _memory()
    memory[S2_NEXT + 8] = descriptor
    walked = walk(3 * (2 << 20), access, 1, _registers(), memory.read64)
    fault = fault_of(walked)
    assert (fault.kind, fault.level, fault.stage, fault.is_s1ptw, fault.ipa) == (kind, level, 2, True, TABLES_IPA + 24)
    assert walked.stage2 is None and walked.steps[-1].descriptor is None and walked.steps[-1].descriptor_pa is None


def test_a_table_that_stage_2_makes_read_only_can_be_walked_for_a_write() -> None:
    memory = _memory(tables=AF | S2_RO | S2_WRITE_BACK)
    assert result_of(walk(0, WRITE, 1, _registers(), memory.read64))


@pytest.mark.parametrize(("data", "kind"), [(0, FaultKind.PERMISSION), (AF | S2_RO, FaultKind.PERMISSION)])
def test_a_fault_of_the_access_itself(data: int, kind: FaultKind) -> None:
    fault = fault_of(walk(0x1234, WRITE, 1, _registers(), _memory(data=data | AF).read64))
    assert (fault.kind, fault.stage, fault.is_s1ptw, fault.ipa) == (kind, 2, False, DATA_IPA + 0x1234)


def test_stage_1_is_judged_before_stage_2_is_asked() -> None:
    fault = fault_of(walk(0, WRITE, 1, _registers(), _memory(stage1=DATA_IPA | AF | RO_ALL, data=0).read64))
    assert (fault.kind, fault.stage, fault.ipa) == (FaultKind.PERMISSION, 1, None)


def test_nothing_answers_where_a_table_is() -> None:
    """A table of stage 1 that is not there is a fault of stage 1, one of stage 2 of stage 2."""
    memory = _memory()
    del memory[OFFSET + TABLES_IPA]
    fault = fault_of(walk(0, READ, 1, _registers(), memory.read64))
    assert (fault.kind, fault.level, fault.stage, fault.is_s1ptw) == (FaultKind.EXTERNAL_ON_WALK, 2, 1, False)
    del memory[S2_TABLE]
    fault = fault_of(walk(0, READ, 1, _registers(), memory.read64))
    assert (fault.kind, fault.level, fault.stage, fault.is_s1ptw) == (FaultKind.EXTERNAL_ON_WALK, 1, 2, True)
    assert fault_status(fault) == 0b010101


def test_ptw_protects_device_memory_from_walks() -> None:
    memory = _memory(tables=AF | S2_RW | 0b0001 << 2)
    assert result_of(walk(0, READ, 1, _registers(), memory.read64))
    fault = fault_of(walk(0, READ, 1, _registers(HCR_STAGE2 | HCR_PTW), memory.read64))
    assert (fault.kind, fault.level, fault.is_s1ptw) == (FaultKind.PERMISSION, 2, True)
    assert result_of(walk(0, READ, 1, _registers(HCR_STAGE2 | HCR_PTW), _memory().read64))
    to_a_device = _memory(data=AF | S2_RW | 0b0001 << 2)
    assert result_of(walk(0, READ, 1, _registers(HCR_STAGE2 | HCR_PTW), to_a_device.read64))


def test_permissions_are_what_both_allow() -> None:
    found = result_of(walk(0, READ, 1, _registers(), _memory(data=AF | S2_RO | S2_WRITE_BACK | 1 << 54).read64))
    assert found.permissions == (True, False, False, True, False, False)
    found = result_of(walk(0, READ, 1, _registers(), _memory(stage1=DATA_IPA | AF | 1 << 53).read64))
    assert found.permissions == (True, True, False, False, False, True)


def test_pan_asks_stage_1_only() -> None:
    memory = _memory(stage1=DATA_IPA | AF)  # nothing for EL0 at stage 1, all at stage 2
    assert result_of(walk(0, Access(pan=True), 1, _registers(), memory.read64))


def test_dc_turns_stage_1_off_and_stage_2_on() -> None:
    registers = _registers(1 << 31 | HCR_DC)
    found = result_of(walk(DATA_IPA + 8, READ, 1, registers, _memory().read64))
    assert (found.pa, found.attributes.attr, found.level) == (OFFSET + DATA_IPA + 8, 0xFF, 2)


def test_el2_has_no_second_stage() -> None:
    registers = _registers()._replace(sctlr_el2=0)
    assert result_of(walk(0x777, READ, 2, registers, _memory().read64)).pa == 0x777


WRITE_BACK, NON_CACHEABLE, DEVICE_nGnRE, WRITE_THROUGH = 0b1111, 0b0101, 0b0001, 0b1010


@pytest.mark.parametrize(
    ("index", "mem_attr", "hcr", "access", "attr"),
    [
        (0, WRITE_BACK, 0, READ, 0xFF),
        (0, WRITE_THROUGH, 0, READ, 0xBB),
        (0, NON_CACHEABLE, 0, READ, 0x44),
        (0, DEVICE_nGnRE, 0, READ, 0x04),
        (1, WRITE_BACK, 0, READ, 0x04),
        (1, 0b0000, 0, READ, 0x00),
        (1, 0b0011, 0, READ, 0x04),
        (2, WRITE_BACK, 0, READ, 0x44),
        (0, WRITE_BACK, HCR_CD, READ, 0x44),
        (0, WRITE_BACK, HCR_CD, FETCH, 0xFF),
        (0, WRITE_BACK, HCR_ID, FETCH, 0x44),
        (0, WRITE_BACK, HCR_ID, READ, 0xFF),
        (0, DEVICE_nGnRE, HCR_CD, READ, 0x04),
    ],
)
def test_attributes_of_both_stages(index: int, mem_attr: int, hcr: int, access: Access, attr: int) -> None:
    """MAIR has Write-Back, Device-nGnRE and Non-cacheable at 0, 1, 2. Stage 1 is read-only, so that EL1 may execute."""
    memory = _memory(stage1=DATA_IPA | AF | RO_ALL | index << 2, data=AF | S2_RW | mem_attr << 2)
    assert result_of(walk(0, access, 1, _registers(HCR_STAGE2 | hcr), memory.read64)).attributes.attr == attr
