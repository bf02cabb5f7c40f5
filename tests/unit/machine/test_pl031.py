"""The PL031 real-time clock: every register, and the second at which the alarm comes. Ref: Arm DDI 0224."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.machine.pl031 import DEFAULT_EPOCH_S, Pl031

DR, MR, LR, CR, IMSC, RIS, MIS, ICR = range(0, 0x20, 4)
SECOND = 1_000_000_000
seconds = st.integers(0, (1 << 32) - 1)


@dataclass
class FakeClock:
    now_ns: int = 0

    @property
    def ticks(self) -> int:
        return self.now_ns // 16


class Bench:
    def __init__(self, now_ns: int = 0, epoch_s: int = DEFAULT_EPOCH_S) -> None:
        self.clock, self.levels = FakeClock(now_ns), list[bool]()
        self.rtc = Pl031(self.clock, self.levels.append, epoch_s)

    def read(self, offset: int, size_bytes: int = 4) -> int:
        return self.rtc.read(offset, size_bytes)

    def write(self, offset: int, value: int) -> None:
        self.rtc.write(offset, 4, value)

    def at(self, now_ns: int) -> None:
        self.clock.now_ns = now_ns
        self.rtc.update()

    @property
    def level(self) -> bool:
        return bool(self.levels) and self.levels[-1]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_starts_at_a_fixed_moment(bench: Bench) -> None:
    assert datetime.fromtimestamp(bench.read(DR), UTC) == datetime(2024, 1, 1, tzinfo=UTC)
    assert Bench(epoch_s=77).read(DR) == 77


def test_it_counts_whole_seconds_of_virtual_time_and_wraps() -> None:
    bench = Bench(epoch_s=0xFFFF_FFFF)
    bench.clock.now_ns = SECOND - 1
    assert bench.read(DR) == 0xFFFF_FFFF
    bench.clock.now_ns = SECOND
    assert bench.read(DR) == 0


@pytest.mark.parametrize(("offset", "value"), [(MR, 0), (LR, 0), (CR, 1), (IMSC, 0), (RIS, 0), (MIS, 0), (ICR, 0)])
def test_reset_value(bench: Bench, offset: int, value: int) -> None:
    assert bench.read(offset) == value


@pytest.mark.parametrize(("offset", "bits"), [(MR, 0xFFFF_FFFF), (LR, 0xFFFF_FFFF), (IMSC, 1)])
def test_only_implemented_bits_are_kept(bench: Bench, offset: int, bits: int) -> None:
    bench.write(offset, 0xFFFF_FFFF)
    assert bench.read(offset) == bits


@pytest.mark.parametrize("offset", [DR, CR, RIS, MIS, *range(0xFE0, 0x1000, 4)])
def test_read_only_registers_ignore_writes(bench: Bench, offset: int) -> None:
    before = bench.read(offset)
    bench.write(offset, ~before & 0xFFFF_FFFF)
    assert bench.read(offset) == before


def test_identification(bench: Bench) -> None:
    assert bytes(bench.read(offset) for offset in range(0xFE0, 0x1000, 4)).hex() == "311014000df005b1"


@given(st.integers(0x20, 0xFDF), st.sampled_from((1, 2, 4)))
def test_reserved_offsets_are_raz_wi(offset: int, size_bytes: int) -> None:
    bench = Bench()
    before = bench.rtc.snapshot()
    bench.rtc.write(offset, size_bytes, 0xFF)
    assert (bench.read(offset, size_bytes), bench.rtc.snapshot()) == (0, before)


def test_narrow_reads_give_the_low_bits(bench: Bench) -> None:
    bench.write(MR, 0x1234_5678)
    assert (bench.read(MR, 1), bench.read(MR, 2), bench.read(MR + 1, 1)) == (0x78, 0x5678, 0)


def test_loading_sets_the_counter_and_not_the_length_of_the_second() -> None:
    bench = Bench(now_ns=SECOND // 2)
    bench.write(LR, 5000)
    assert (bench.read(DR), bench.read(LR)) == (5000, 5000)
    bench.clock.now_ns = SECOND
    assert (bench.read(DR), bench.read(LR)) == (5001, 5000)


@given(st.integers(0, 1 << 40), seconds, seconds)
def test_the_alarm_comes_exactly_when_the_counter_becomes_equal(now_ns: int, load: int, match: int) -> None:
    bench = Bench(now_ns)
    bench.write(IMSC, 1)
    bench.write(LR, load)
    bench.write(ICR, 1)
    bench.write(MR, match)
    assert bench.level == (load == match)
    deadline = bench.rtc.next_deadline_ns()
    if load == match:
        assert deadline is None
        return
    assert deadline is not None and deadline > now_ns
    bench.at(deadline - 1)
    assert (bench.level, bench.read(RIS)) == (False, 0)
    bench.at(deadline)
    assert (bench.level, bench.read(RIS), bench.read(DR)) == (True, 1, match)
    assert bench.rtc.next_deadline_ns() is None


def test_a_masked_alarm_is_remembered(bench: Bench) -> None:
    bench.write(MR, DEFAULT_EPOCH_S + 2)
    assert bench.rtc.next_deadline_ns() is None
    bench.clock.now_ns = 3 * SECOND
    assert (bench.read(RIS), bench.read(MIS), bench.level) == (1, 0, False)
    bench.write(IMSC, 1)
    assert (bench.read(MIS), bench.level) == (1, True)
    bench.write(ICR, 0)
    assert bench.level
    bench.write(ICR, 1)
    assert (bench.read(RIS), bench.level) == (0, False)


def test_a_cleared_alarm_stays_clear_within_its_second(bench: Bench) -> None:
    bench.write(IMSC, 1)
    bench.write(MR, DEFAULT_EPOCH_S + 1)
    bench.at(SECOND)
    bench.write(ICR, 1)
    bench.at(SECOND + 5)
    assert not bench.level
    assert bench.rtc.next_deadline_ns() == SECOND * (1 + (1 << 32))


@given(st.integers(0, 1 << 40), seconds, seconds, st.integers(0, 1), st.integers(0, 1 << 36))
def test_a_restored_clock_goes_on_as_the_first(now_ns: int, load: int, match: int, mask: int, later_ns: int) -> None:
    first, second = Bench(now_ns), Bench(now_ns)
    first.write(LR, load)
    first.write(MR, match)
    first.write(IMSC, mask)
    second.rtc.restore(first.rtc.snapshot())
    assert second.levels == [first.level]
    for bench in (first, second):
        bench.at(now_ns + later_ns)
    assert (first.rtc.snapshot(), first.level) == (second.rtc.snapshot(), second.level)
    assert first.read(DR) == second.read(DR)
