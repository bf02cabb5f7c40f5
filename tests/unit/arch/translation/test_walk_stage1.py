"""Stage 1 over tables written by hand: granules, levels, ranges, tags, and each kind of fault at its level."""

from __future__ import annotations

import pytest
from walk_support import AF, MAIR, PAGE, RO_ALL, RW_ALL, VALID_TABLE, Memory, el1, fault_of, kind_and_level, result_of

from arm_hyp.arch.translation import (
    FETCH,
    READ,
    WRITE,
    Access,
    FaultKind,
    Regime,
    StepKind,
    TranslationRegisters,
    walk,
    walk_stage1,
)

EL0_READ = Access(is_privileged=False)
TABLE = 0x1_0000
LEAF = AF | RW_ALL
BLOCK = 0b01 | LEAF

# granule bits, TG0, VA bits, start level, {level: lsb of its index}: by hand from the Arm ARM, D8.2
SHAPES = [
    (12, 0, 48, 0, {0: 39, 1: 30, 2: 21, 3: 12}),
    (12, 0, 40, 0, {0: 39, 1: 30, 2: 21, 3: 12}),
    (12, 0, 39, 1, {1: 30, 2: 21, 3: 12}),
    (12, 0, 31, 1, {1: 30, 2: 21, 3: 12}),
    (12, 0, 30, 2, {2: 21, 3: 12}),
    (12, 0, 25, 2, {2: 21, 3: 12}),
    (14, 2, 48, 0, {0: 47, 1: 36, 2: 25, 3: 14}),
    (14, 2, 47, 1, {1: 36, 2: 25, 3: 14}),
    (14, 2, 36, 2, {2: 25, 3: 14}),
    (14, 2, 25, 3, {3: 14}),
    (16, 1, 48, 1, {1: 42, 2: 29, 3: 16}),
    (16, 1, 42, 2, {2: 29, 3: 16}),
    (16, 1, 29, 3, {3: 16}),
]


def _one_page(va: int, granule_bits: int, va_bits: int, lsbs: dict[int, int], page: int) -> Memory:
    """Map one page: a table of its own for each level, 64 KB apart from TABLE on."""
    memory, table, above = Memory(), TABLE, va_bits
    for level, lsb in lsbs.items():
        index = va >> lsb & (1 << above - lsb) - 1
        above = lsb
        memory[table + 8 * index] = page | LEAF | PAGE if level == 3 else table + 0x1_0000 | VALID_TABLE
        table += 0x1_0000
    return memory


@pytest.mark.parametrize(("granule_bits", "tg0", "va_bits", "start", "lsbs"), SHAPES)
def test_every_shape_of_tables_is_walked(
    granule_bits: int, tg0: int, va_bits: int, start: int, lsbs: dict[int, int]
) -> None:
    va = 0x5A5A_A5A5_C3C3 & (1 << va_bits) - 1
    memory = _one_page(va, granule_bits, va_bits, lsbs, 0x8000_0000)
    walked = walk_stage1(va, READ, Regime.EL10, el1(64 - va_bits | tg0 << 14, TABLE), memory.read64)
    assert result_of(walked).pa == 0x8000_0000 | va & (1 << granule_bits) - 1
    assert [(step.level, step.lsb) for step in walked.steps] == list(lsbs.items())
    assert walked.steps[0].level == start
    assert result_of(walked).block_bytes == 1 << granule_bits


@pytest.mark.parametrize(("tg1", "granule_bits"), [(1, 14), (2, 12), (3, 16)])
def test_tg1_has_an_encoding_of_its_own(tg1: int, granule_bits: int) -> None:
    lsbs = {12: {2: 21, 3: 12}, 14: {3: 14}, 16: {3: 16}}[granule_bits]
    va = (1 << 64) - (1 << 25) + 0x12_3456
    memory = _one_page(va & (1 << 25) - 1, granule_bits, 25, lsbs, 0x8000_0000)
    registers = el1(25 | 39 << 16 | tg1 << 30, 0, TABLE)
    walked = walk_stage1(va, READ, Regime.EL10, registers, memory.read64)
    assert result_of(walked).pa == 0x8000_0000 | va & (1 << granule_bits) - 1


# granule bits, TG0, start level's lsb, VA bits; level of the block, its size
@pytest.mark.parametrize(
    ("tg0", "va_bits", "level", "size"),
    [(0, 39, 1, 1 << 30), (0, 30, 2, 2 << 20), (2, 36, 2, 32 << 20), (1, 42, 2, 512 << 20)],
)
def test_a_block_maps_its_size(tg0: int, va_bits: int, level: int, size: int) -> None:
    va = size + 0x12_3456
    memory = Memory({TABLE + 8: 3 * size | BLOCK})
    walked = walk_stage1(va, READ, Regime.EL10, el1(64 - va_bits | tg0 << 14, TABLE), memory.read64)
    found = result_of(walked)
    assert (found.pa, found.level, found.block_bytes) == (3 * size + 0x12_3456, level, size)
    assert walked.steps[0].kind is StepKind.BLOCK


@pytest.mark.parametrize(("tg0", "va_bits", "level"), [(0, 48, 0), (2, 47, 1), (2, 48, 0), (1, 48, 1)])
def test_there_are_no_blocks_at_high_levels(tg0: int, va_bits: int, level: int) -> None:
    walked = walk_stage1(0x1234, READ, Regime.EL10, el1(64 - va_bits | tg0 << 14, TABLE), Memory({TABLE: BLOCK}).read64)
    assert kind_and_level(walked) == (FaultKind.TRANSLATION, level)


def test_level_3_has_pages_but_no_blocks() -> None:
    memory = Memory({TABLE: TABLE + 0x1_0000 | VALID_TABLE, TABLE + 0x1_0000: BLOCK})
    walked = walk_stage1(0, READ, Regime.EL10, el1(34, TABLE), memory.read64)
    assert kind_and_level(walked) == (FaultKind.TRANSLATION, 3)


# granule: TG0, VA bits, level, entries that the Contiguous bit groups
@pytest.mark.parametrize(
    ("tg0", "va_bits", "levels", "entries"),
    [(0, 39, 1, 16), (0, 30, 1, 16), (0, 30, 2, 16), (2, 36, 1, 32), (2, 25, 1, 128), (1, 42, 1, 32), (1, 29, 1, 32)],
)
def test_the_contiguous_bit(tg0: int, va_bits: int, levels: int, entries: int) -> None:
    memory = Memory({TABLE: (TABLE + 0x1_0000 if levels == 2 else 0) | VALID_TABLE})
    is_page = levels == 2 or va_bits in (25, 29)
    memory[TABLE + (levels - 1) * 0x1_0000] = (PAGE if is_page else 0b01) | LEAF | 1 << 52
    found = result_of(walk_stage1(0, READ, Regime.EL10, el1(64 - va_bits | tg0 << 14, TABLE), memory.read64))
    assert found.contiguous_bytes == entries * found.block_bytes


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_each_fault_names_the_level_of_its_descriptor(levels: int) -> None:
    def ends_with(descriptor: int | None) -> tuple[FaultKind, int]:
        memory = Memory({TABLE + n * 0x1_0000: TABLE + (n + 1) * 0x1_0000 | VALID_TABLE for n in range(levels - 1)})
        if descriptor is not None:
            memory[TABLE + (levels - 1) * 0x1_0000] = descriptor
        return kind_and_level(walk_stage1(0, WRITE, Regime.EL10, el1(16, TABLE), memory.read64))

    level, leaf = levels - 1, PAGE if levels == 4 else 0b01
    assert ends_with(0) == (FaultKind.TRANSLATION, level)
    assert ends_with(0b10) == (FaultKind.TRANSLATION, level)
    assert ends_with(None) == (FaultKind.EXTERNAL_ON_WALK, level)
    if level > 0:
        assert ends_with(leaf | RW_ALL) == (FaultKind.ACCESS_FLAG, level)
        assert ends_with(leaf | AF | RO_ALL) == (FaultKind.PERMISSION, level)
        assert ends_with(leaf | LEAF | 1 << 44) == (FaultKind.ADDRESS_SIZE, level)
    if level < 3:
        assert ends_with(1 << 44 | VALID_TABLE) == (FaultKind.ADDRESS_SIZE, level)


def test_faults_have_their_order() -> None:
    """Address size before access flag before permission, all in one descriptor."""
    memory = Memory({TABLE: 0b01 | RO_ALL | 1 << 45})
    assert (
        kind_and_level(walk_stage1(0, WRITE, Regime.EL10, el1(34, TABLE), memory.read64))[0] is FaultKind.ADDRESS_SIZE
    )
    memory[TABLE] = 0b01 | RO_ALL
    assert kind_and_level(walk_stage1(0, WRITE, Regime.EL10, el1(34, TABLE), memory.read64))[0] is FaultKind.ACCESS_FLAG


def test_a_table_base_beyond_the_output_size_is_a_fault_at_level_0() -> None:
    walked = walk_stage1(0, READ, Regime.EL10, el1(16, 1 << 44), Memory().read64)
    assert kind_and_level(walked) == (FaultKind.ADDRESS_SIZE, 0)
    assert walked.steps == ()


def test_the_output_size_is_the_smaller_of_ips_and_what_is_implemented() -> None:
    registers = TranslationRegisters(sctlr_el1=5, tcr_el1=34 | 0 << 32, ttbr0_el1=TABLE)  # IPS 0: 32 bits
    memory = Memory({TABLE: BLOCK | 1 << 32})
    assert kind_and_level(walk_stage1(0, READ, Regime.EL10, registers, memory.read64)) == (FaultKind.ADDRESS_SIZE, 2)
    wide = registers._replace(tcr_el1=34 | 5 << 32, pa_bits=40)  # IPS 5: 48 bits
    assert result_of(walk_stage1(0, READ, Regime.EL10, wide, memory.read64)).pa == 1 << 32
    memory[TABLE] = BLOCK | 1 << 40
    assert kind_and_level(walk_stage1(0, READ, Regime.EL10, wide, memory.read64)) == (FaultKind.ADDRESS_SIZE, 2)


@pytest.mark.parametrize(
    ("va", "is_inside"),
    [
        (0x3FFF_FFFF, True),
        (0x4000_0000, False),
        (1 << 47, False),
        (0xFFFF_FFFF_C000_0000, True),
        (0xFFFF_FFFF_BFFF_FFFF, False),
        (0xFF7F_FFFF_C000_0000, False),
        (0x7FFF_FFFF_C000_0000, False),
    ],
)
def test_the_two_ranges_and_the_hole_between(va: int, is_inside: bool) -> None:
    memory = Memory({TABLE + 8 * index: BLOCK for index in range(512)})
    walked = walk_stage1(va, READ, Regime.EL10, el1(34 | 34 << 16 | 2 << 30, TABLE, TABLE), memory.read64)
    if is_inside:
        assert result_of(walked).pa == va & 0x1F_FFFF
    else:
        assert kind_and_level(walked) == (FaultKind.TRANSLATION, 0)


@pytest.mark.parametrize("epd", [7, 23])
def test_walks_can_be_disabled_for_one_range(epd: int) -> None:
    memory = Memory({TABLE + 8 * index: BLOCK for index in range(512)})
    registers = el1(34 | 34 << 16 | 2 << 30 | 1 << epd, TABLE, TABLE)
    walks = [walk_stage1(va, READ, Regime.EL10, registers, memory.read64) for va in (0, (1 << 64) - 4096)]
    off = epd == 23
    assert kind_and_level(walks[off]) == (FaultKind.TRANSLATION, 0)
    assert walks[off].steps == ()
    assert result_of(walks[not off])


TAGGED = 0xA5 << 56 | 0x1000


@pytest.mark.parametrize(
    ("tcr", "features", "for_data", "for_fetches"),
    [
        (0, "PAuth", False, False),
        (1 << 37, "PAuth", True, True),  # TBI0
        (1 << 38, "PAuth", False, False),  # TBI1 is of the other range
        (1 << 37 | 1 << 51, "PAuth", True, False),  # TBI0 and TBID0
        (1 << 37 | 1 << 51, "", True, True),  # there is no TBID0 without FEAT_PAuth
    ],
)
def test_a_tag_in_the_top_byte(tcr: int, features: str, for_data: bool, for_fetches: bool) -> None:
    registers = el1(34 | tcr, TABLE)._replace(features=frozenset(features.split()))
    memory = Memory({TABLE: 0b01 | AF})
    for access, is_ignored in ((READ, for_data), (FETCH, for_fetches)):
        walked = walk_stage1(TAGGED, access, Regime.EL10, registers, memory.read64)
        if is_ignored:
            assert result_of(walked).pa == 0x1000
        else:
            assert kind_and_level(walked) == (FaultKind.TRANSLATION, 0)


def test_table_bases_are_aligned_to_the_first_table() -> None:
    """A first table of 8 entries is aligned to 64 bytes; the bits below are ignored, CnP among them."""
    memory = Memory({TABLE + 0x40 + 8: BLOCK})
    walked = walk_stage1(0x20_0000, READ, Regime.EL10, el1(40 & 63, TABLE + 0x40 | 1), memory.read64)
    assert walked.steps[0].lsb == 21  # T0SZ 40 counts as 39: 25 bits, 16 entries, 128 bytes
    assert walked.steps[0].table_address == TABLE
    walked = walk_stage1(0x20_0000, READ, Regime.EL10, el1(39, TABLE + 0xC0 | 1), memory.read64)
    assert walked.steps[0].table_address == TABLE + 0x80


def test_the_asid_is_no_part_of_the_table_base() -> None:
    memory = Memory({TABLE: BLOCK})
    assert result_of(walk_stage1(0, READ, Regime.EL10, el1(34, 0xABCD << 48 | TABLE | 1), memory.read64)).pa == 0


def test_big_endian_walks() -> None:
    word = int.from_bytes((0x20_0000 | BLOCK).to_bytes(8, "little"), "big")
    registers = el1(34, TABLE, sctlr_el1=0x1005 | 1 << 25)
    assert result_of(walk_stage1(0, READ, Regime.EL10, registers, Memory({TABLE: word}).read64)).pa == 0x20_0000


def test_stage_1_off() -> None:
    registers = el1(34, sctlr_el1=0)
    flat = result_of(walk_stage1(0x123_4567_89AB, READ, Regime.EL10, registers, Memory().read64))
    assert (flat.pa, flat.attributes.attr, flat.level) == (0x123_4567_89AB, 0x00, None)
    assert result_of(walk_stage1(0, FETCH, Regime.EL10, registers, Memory().read64)).attributes.attr == 0x44
    cached = registers._replace(sctlr_el1=1 << 12)
    assert result_of(walk_stage1(0, FETCH, Regime.EL10, cached, Memory().read64)).attributes.attr == 0xAA
    beyond = walk_stage1(1 << 44, READ, Regime.EL10, registers, Memory().read64)
    assert kind_and_level(beyond) == (FaultKind.ADDRESS_SIZE, 0)
    tagged = registers._replace(tcr_el1=34 | 1 << 37)
    assert result_of(walk_stage1(TAGGED, READ, Regime.EL10, tagged, Memory().read64)).pa == 0x1000


@pytest.mark.parametrize("bit", [12, 27])
def test_dc_and_tge_turn_stage_1_of_el1_off(bit: int) -> None:
    registers = el1(34, TABLE, hcr_el2=1 << 31 | 1 << bit)
    found = result_of(walk_stage1(0x77_0000, READ, Regime.EL10, registers, Memory().read64))
    assert (found.pa, found.attributes.attr) == (0x77_0000, 0xFF if bit == 12 else 0x00)


EL2_TABLES = TranslationRegisters(
    sctlr_el2=0x1005, tcr_el2=34 | 4 << 16, ttbr0_el2=TABLE, ttbr1_el2=0x5_0000, mair_el2=MAIR
)


def test_el2_has_one_range_and_one_privilege() -> None:
    memory = Memory({TABLE: 0b01 | AF | 1 << 53})  # PXN is no bit of this regime
    found = result_of(walk(0x1000, FETCH, 2, EL2_TABLES, memory.read64))
    assert found.permissions == (True, True, True, False, False, False)
    memory[TABLE] |= 1 << 54
    assert kind_and_level(walk(0x1000, FETCH, 2, EL2_TABLES, memory.read64)) == (FaultKind.PERMISSION, 2)
    assert kind_and_level(walk((1 << 64) - 4096, READ, 2, EL2_TABLES, memory.read64)) == (FaultKind.TRANSLATION, 0)


def test_with_e2h_el2_has_two_ranges_and_el0_shares_them_under_tge() -> None:
    registers = EL2_TABLES._replace(hcr_el2=1 << 34, tcr_el2=34 | 34 << 16 | 2 << 30 | 4 << 32)
    memory = Memory({TABLE: BLOCK | 0x20_0000, 0x5_0000 + 8 * 511: BLOCK | 0x40_0000})
    assert result_of(walk(0, READ, 2, registers, memory.read64)).pa == 0x20_0000
    assert result_of(walk((1 << 64) - 0x20_0000, READ, 2, registers, memory.read64)).pa == 0x40_0000
    assert result_of(walk(0, READ, 0, registers, memory.read64)).pa == 0  # EL1&0, its stage 1 is off
    host = registers._replace(hcr_el2=1 << 34 | 1 << 27)
    assert result_of(walk(0, READ, 0, host, memory.read64)).pa == 0x20_0000


def test_el0_is_never_privileged() -> None:
    memory = Memory({TABLE: 0b01 | AF})  # AP 0b00: nothing for EL0
    assert result_of(walk(0, READ, 1, el1(34, TABLE), memory.read64))
    assert kind_and_level(walk(0, READ, 0, el1(34, TABLE), memory.read64)) == (FaultKind.PERMISSION, 2)
    assert kind_and_level(walk(0, EL0_READ, 1, el1(34, TABLE), memory.read64)) == (FaultKind.PERMISSION, 2)


LIMITS = {"APTable": 1 << 62, "UXNTable": 1 << 60, "PXNTable": 1 << 59}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_tables_on_the_way_limit_the_page_unless_hpd(limit: str, at: int) -> None:
    """At level 3 the same bits are the software's: the page itself limits nothing with them."""
    memory = Memory({TABLE + n * 0x1_0000: TABLE + (n + 1) * 0x1_0000 | VALID_TABLE for n in range(3)})
    memory[TABLE + 0x3_0000] = AF | PAGE
    memory[TABLE + at * 0x1_0000] |= LIMITS[limit]

    def permissions(tcr: int, features: str) -> object:
        registers = el1(16 | tcr, TABLE)._replace(features=frozenset(features.split()))
        return result_of(walk(0, READ, 1, registers, memory.read64)).permissions

    free = (True, True, True, False, False, True)
    limited = {
        "APTable": (True, False, True, False, False, True),
        "UXNTable": (True, True, True, False, False, False),
        "PXNTable": (True, True, False, False, False, True),
    }[limit]
    hpd0, hpd1 = 1 << 41, 1 << 42
    assert permissions(0, "HPDS") == (free if at == 3 else limited)
    assert permissions(hpd0, "HPDS") == free
    assert permissions(hpd1, "HPDS") == permissions(hpd0, "") == permissions(0, "")


@pytest.mark.parametrize(
    ("sctlr", "access", "index", "attr"),
    [
        (0x1005, READ, 0, 0xFF),
        (0x1001, READ, 0, 0x44),  # C is 0
        (0x1001, FETCH, 0, 0xFF),
        (0x0005, FETCH, 0, 0x44),  # I is 0
        (0x0005, READ, 0, 0xFF),
        (0x1001, READ, 1, 0x04),  # Device memory stays so for data, and is Normal for fetches
        (0x1005, FETCH, 1, 0x44),
    ],
)
def test_caches_that_are_off(sctlr: int, access: Access, index: int, attr: int) -> None:
    memory = Memory({TABLE: 0b01 | AF | index << 2})
    found = result_of(walk(0, access, 1, el1(34, TABLE, sctlr_el1=sctlr), memory.read64))
    assert found.attributes.attr == attr


def test_a_fault_of_stage_1_has_no_ipa() -> None:
    fault = fault_of(walk(0, READ, 1, el1(34, TABLE), Memory({TABLE: 0}).read64))
    assert (fault.stage, fault.is_s1ptw, fault.ipa) == (1, False, None)


def test_the_guarded_bit_is_told() -> None:
    memory = Memory({TABLE: BLOCK | 1 << 50, TABLE + 8: BLOCK})
    results = [result_of(walk(va, READ, 1, el1(34, TABLE), memory.read64)) for va in (0, 0x20_0000)]
    assert [found.is_guarded for found in results] == [True, False]
