"""RNDR and RNDRRS: numbers that repeat, and do not look like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.arch.sysregs import by_name
from arm_hyp.machine.randomness import RandomNumbers

words = st.integers(0, (1 << 64) - 1)


def read(numbers: RandomNumbers, name: str) -> int:
    port = numbers.ports()[by_name(name).encoding].read
    assert port is not None
    return port()


def test_the_stream_is_splitmix64() -> None:
    """The first outputs of the published generator for these seeds."""
    numbers = RandomNumbers(0)
    assert [numbers.read_rndr() for _ in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert RandomNumbers(1234567).read_rndr() == 6457827717110365317


@pytest.mark.parametrize("name", ["RNDR", "RNDRRS"])
def test_the_registers_are_read_only(name: str) -> None:
    assert RandomNumbers().ports()[by_name(name).encoding].write is None


@given(words, st.lists(st.sampled_from(("RNDR", "RNDRRS")), min_size=1, max_size=20))
def test_a_seed_and_the_reads_decide_all(seed: int, reads: list[str]) -> None:
    first, second = RandomNumbers(seed), RandomNumbers(seed)
    values = [read(first, name) for name in reads]
    assert values == [read(second, name) for name in reads]
    assert all(0 <= value < 1 << 64 for value in values)
    assert len(set(values)) == len(values)


def test_reseeding_changes_the_stream() -> None:
    plain, reseeded = RandomNumbers(5), RandomNumbers(5)
    assert plain.read_rndr() != reseeded.read_rndrrs()
    assert plain.read_rndr() != reseeded.read_rndr()


def test_every_bit_takes_both_values_about_equally_often() -> None:
    numbers = RandomNumbers(7)
    values = [numbers.read_rndr() for _ in range(2000)]
    for bit in range(64):
        assert 850 < sum(value >> bit & 1 for value in values) < 1150


@given(words, st.integers(0, 20))
def test_snapshot_and_restore(seed: int, count: int) -> None:
    first, second = RandomNumbers(seed), RandomNumbers()
    for _ in range(count):
        first.read_rndr()
    second.restore(first.snapshot())
    assert [read(first, "RNDRRS"), read(first, "RNDR")] == [read(second, "RNDRRS"), read(second, "RNDR")]
    assert first.snapshot() == second.snapshot()
