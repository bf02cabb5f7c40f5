"""Memory attributes, decoded and combined, against the tables of the Arm ARM, D8.6."""

from __future__ import annotations

import pytest

from arm_hyp.arch.translation.attributes import combine, decode_stage1, decode_stage2
from arm_hyp.arch.translation.results import MemoryAttributes

NSH, OSH, ISH = 0b00, 0b10, 0b11


@pytest.mark.parametrize("index", range(8))
def test_attrindx_selects_a_byte_of_mair(index: int) -> None:
    mair = 0xFF_EE_BB_77_44_0C_04_00
    attr = (0x00, 0x04, 0x0C, 0x44, 0x77, 0xBB, 0xEE, 0xFF)[index]
    assert decode_stage1(mair, index << 2 | ISH << 8).attr == attr


@pytest.mark.parametrize(("attr", "memory"), [(0x01, 0x00), (0x05, 0x04), (0x0D, 0x0C), (0x40, 0x44), (0xA0, 0xAA)])
def test_bytes_that_deny_xs_are_the_memory_that_they_name(attr: int, memory: int) -> None:
    """FEAT_XS; Write-Through is Read-Allocate there. Ref: Arm ARM, S1DecodeMemAttrs."""
    assert decode_stage1(attr, ISH << 8) == decode_stage1(memory, ISH << 8)
    assert decode_stage1(attr, ISH << 8).attr == memory


@pytest.mark.parametrize("attr", [0x02, 0x0F, 0xB0, 0xF0, 0x10])
def test_reserved_bytes_of_mair_are_the_strictest_memory(attr: int) -> None:
    assert decode_stage1(attr, 0) == (0x00, OSH)


@pytest.mark.parametrize(("sh", "expected"), [(0, NSH), (1, NSH), (2, OSH), (3, ISH)])
def test_shareability(sh: int, expected: int) -> None:
    assert decode_stage1(0xFF, sh << 8).shareability == expected
    assert decode_stage2(0b1111 << 2 | sh << 8).shareability == expected
    assert decode_stage1(0x04, sh << 8).shareability == OSH
    assert decode_stage1(0x44, sh << 8).shareability == OSH
    assert decode_stage1(0x4F, sh << 8).shareability == expected


@pytest.mark.parametrize(
    ("mem_attr", "attr"),
    [
        (0b0000, 0x00),
        (0b0001, 0x04),
        (0b0010, 0x08),
        (0b0011, 0x0C),
        (0b0101, 0x44),
        (0b0111, 0x4F),
        (0b1010, 0xBB),
        (0b1101, 0xF4),
        (0b1111, 0xFF),
    ],
)
def test_memattr_of_stage_2(mem_attr: int, attr: int) -> None:
    assert decode_stage2(mem_attr << 2).attr == attr


# stage 1, stage 2, both: the less reordering, the less cacheable; hints are stage 1's
COMBINED = [
    (0x00, 0x0C, 0x00),
    (0x0C, 0x08, 0x08),
    (0x04, 0xFF, 0x04),
    (0xFF, 0x08, 0x08),
    (0x44, 0x08, 0x08),
    (0x44, 0x0C, 0x0C),
    (0xFF, 0xFF, 0xFF),
    (0xEE, 0xFF, 0xEE),
    (0xEE, 0xBB, 0xAA),
    (0xBB, 0xFF, 0xBB),
    (0x77, 0xFF, 0x77),
    (0x77, 0xBB, 0x33),
    (0x33, 0xFF, 0x33),
    (0xFF, 0x4F, 0x4F),
    (0xF4, 0x4F, 0x44),
    (0xFF, 0xFB, 0xFB),
]


@pytest.mark.parametrize(("first", "second", "both"), COMBINED)
def test_both_stages_together(first: int, second: int, both: int) -> None:
    assert combine(MemoryAttributes(first, ISH), MemoryAttributes(second, ISH)).attr == both


@pytest.mark.parametrize("first", [NSH, OSH, ISH])
@pytest.mark.parametrize("second", [NSH, OSH, ISH])
def test_the_wider_shareability_counts(first: int, second: int) -> None:
    expected = OSH if OSH in (first, second) else ISH if ISH in (first, second) else NSH
    assert combine(MemoryAttributes(0xFF, first), MemoryAttributes(0xFF, second)).shareability == expected
    assert combine(MemoryAttributes(0xFF, first), MemoryAttributes(0x04, second)).shareability == OSH
    assert combine(MemoryAttributes(0xFF, first), MemoryAttributes(0x44, second)).shareability == OSH
