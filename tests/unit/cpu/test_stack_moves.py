"""ADD and SUB that write SP: what we do is what the core does."""

from core_support import BASE, machine
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.cpu.alignment import may_misalign_sp
from arm_hyp.cpu.stack_moves import decode_stack_move, extend

IMMEDIATE = st.builds(
    lambda sf, sub, shift, amount, base: sf << 31 | sub << 30 | 0x1100_001F | shift << 22 | amount << 10 | base << 5,
    *[st.integers(0, 1)] * 3, st.integers(0, 0xFFF), st.integers(0, 31),
)  # fmt: skip
EXTENDED = st.builds(
    lambda sf, sub, register, option, shift, base: (
        sf << 31 | sub << 30 | 0x0B20_001F | register << 16 | option << 13 | shift << 10 | base << 5
    ),
    *[st.integers(0, 1)] * 2, st.integers(0, 31), st.integers(0, 7), st.integers(0, 4), st.integers(0, 31),
)  # fmt: skip
VALUES = st.lists(st.one_of(st.integers(0, 40), st.integers(0, (1 << 64) - 1)), min_size=32, max_size=32)
MADE = machine("nop")


@settings(max_examples=200)
@given(st.one_of(IMMEDIATE, EXTENDED), VALUES)
def test_the_core_agrees(word, values):
    core = MADE.core
    move = decode_stack_move(word)
    assert move is not None
    for index in range(31):
        core.set_x(index, values[index])
    core.sp = values[31]
    expected = move(core)
    MADE.write_memory(BASE, word.to_bytes(4, "little"))
    core.native.flush_translations()
    core.sites.bare = BASE  # no site: the core itself
    core.native.start(BASE, 1)
    assert core.sp == expected


def test_what_moves_sp_otherwise_is_left_to_the_core():
    for word in (0x927CEC1F, 0xF81F8FE0, 0x910003FD, 0xCB2063FF | 5 << 10):  # and sp; str [sp, #-8]!; mov x29, sp
        assert decode_stack_move(word) is None


def test_every_addition_that_is_a_site_is_decoded():
    for base in range(32):
        for amount in (0, 8, 16):
            word = 0x9100_001F | amount << 10 | base << 5
            if may_misalign_sp(word):
                assert decode_stack_move(word) is not None


def test_extensions():
    assert [extend(0xFFFF_FFFF_FFFF_FF80, option) for option in range(8)] == [
        0x80, 0xFF80, 0xFFFF_FF80, 0xFFFF_FFFF_FFFF_FF80, -0x80, -0x80, -0x80, -0x80,
    ]  # fmt: skip
