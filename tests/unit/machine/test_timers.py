"""The generic timers: every register, the exact moment a line changes, the virtual offset, the event stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.arch.sysregs import by_name
from arm_hyp.machine.timers import TIMERS, GenericTimers, ticks_to_event

M64 = (1 << 64) - 1
E2H, TGE = 1 << 34, 1 << 27
SUFFIX = {row.name: row.suffix for row in TIMERS}
words = st.integers(0, M64)
near = st.integers(0, 1 << 40)


@dataclass
class FakeClock:
    now_ns: int = 0

    @property
    def ticks(self) -> int:
        return self.now_ns // 16


@dataclass
class FakeCpu:
    el: int = 1
    controls: dict[str, int] = field(default_factory=dict)

    def control(self, name: str) -> int:
        return self.controls.get(name, 0)

    def set_control(self, name: str, value: int) -> None:
        self.controls[name] = value


class Bench:
    """Timers with a clock and a CPU to turn by hand; `lines` are the levels last driven, `driven` how often."""

    def __init__(self, features: tuple[str, ...] = ("VHE",), now_ns: int = 0) -> None:
        self.clock, self.cpu = FakeClock(now_ns), FakeCpu()
        self.lines: dict[str, bool] = {}
        self.driven = 0
        self.timers = GenericTimers(
            self.clock, self.cpu, frozenset(features), {row.name: self._line(row.name) for row in TIMERS}
        )
        self.ports = self.timers.ports()

    def _line(self, name: str) -> Callable[[bool], None]:
        def drive(level: bool) -> None:
            self.lines[name] = level
            self.driven += 1

        return drive

    def read(self, name: str) -> int:
        port = self.ports[by_name(name).encoding].read
        assert port is not None
        return port()

    def write(self, name: str, value: int) -> None:
        port = self.ports[by_name(name).encoding].write
        assert port is not None
        port(value)

    def at(self, now_ns: int) -> None:
        self.clock.now_ns = now_ns
        self.timers.update()

    def level(self, name: str) -> bool:
        return self.lines.get(name, False)


@pytest.fixture
def bench() -> Iterator[Bench]:
    yield Bench(now_ns=16_000)


def register(timer: str, kind: str) -> str:
    return f"{timer}_{kind}_{SUFFIX[timer]}"


each_timer = pytest.mark.parametrize("timer", [row.name for row in TIMERS])


# --- registers -----------------------------------------------------------------------------------------------------


def test_reset_values(bench: Bench) -> None:
    for timer in SUFFIX:
        assert bench.read(register(timer, "CTL")) == bench.read(register(timer, "CVAL")) == 0
    assert bench.read("CNTFRQ_EL0") == 62_500_000
    assert bench.read("CNTVOFF_EL2") == 0
    assert bench.timers.next_deadline_ns() is None


def test_the_el2_virtual_timer_is_there_with_vhe_only() -> None:
    encoding = by_name("CNTHV_CTL_EL2").encoding
    assert encoding in Bench().ports
    assert encoding not in Bench(features=()).ports


def test_the_counters_are_read_only_and_tick_every_16_ns(bench: Bench) -> None:
    for name in ("CNTPCT_EL0", "CNTVCT_EL0"):
        assert bench.ports[by_name(name).encoding].write is None
        bench.clock.now_ns = 16_015
        assert bench.read(name) == 1000
        bench.clock.now_ns = 16_016
        assert bench.read(name) == 1001


def test_cntfrq_keeps_32_bits_and_changes_no_rate(bench: Bench) -> None:
    bench.write("CNTFRQ_EL0", 0x1_2345_6789)
    assert bench.read("CNTFRQ_EL0") == 0x2345_6789
    assert bench.read("CNTPCT_EL0") == 1000


@each_timer
def test_ctl_keeps_enable_and_imask_only(bench: Bench, timer: str) -> None:
    bench.write(register(timer, "CVAL"), M64)
    bench.write(register(timer, "CTL"), M64)
    assert bench.read(register(timer, "CTL")) == 3


@each_timer
def test_istatus_is_read_only_and_zero_while_disabled(bench: Bench, timer: str) -> None:
    bench.write(register(timer, "CTL"), 4)
    assert bench.read(register(timer, "CTL")) == 0
    bench.write(register(timer, "CTL"), 1)
    assert bench.read(register(timer, "CTL")) == 5


@each_timer
def test_imask_holds_the_line_low_but_shows_istatus(bench: Bench, timer: str) -> None:
    bench.write(register(timer, "CTL"), 3)
    assert (bench.read(register(timer, "CTL")), bench.level(timer)) == (7, False)
    bench.write(register(timer, "CTL"), 1)
    assert bench.lines == {timer: True}
    bench.write(register(timer, "CTL"), 3)
    assert bench.lines == {timer: False}


@each_timer
def test_a_masked_or_disabled_timer_has_no_deadline(bench: Bench, timer: str) -> None:
    bench.write(register(timer, "CVAL"), 5000)
    for ctl in (0, 2, 3):
        bench.write(register(timer, "CTL"), ctl)
        assert bench.timers.next_deadline_ns() is None
    bench.write(register(timer, "CTL"), 1)
    assert bench.timers.next_deadline_ns() == 80_000


@each_timer
def test_cval_is_64_bits_wide(bench: Bench, timer: str) -> None:
    bench.write(register(timer, "CVAL"), M64 - 5)
    assert bench.read(register(timer, "CVAL")) == M64 - 5


@each_timer
@pytest.mark.parametrize(
    ("tval", "cval"),
    [(10, 1010), (0x7FFF_FFFF, 0x8000_03E7), (0xFFFF_FFFF, 999), (0xFFFF_FFFF_0000_0001, 1001), (0x8000_0000, None)],
)
def test_tval_is_a_signed_32_bit_distance(bench: Bench, timer: str, tval: int, cval: int | None) -> None:
    bench.write(register(timer, "TVAL"), tval)
    assert bench.read(register(timer, "CVAL")) == (cval if cval is not None else 1000 - (1 << 31) & M64)
    assert bench.read(register(timer, "TVAL")) == tval & 0xFFFF_FFFF


@each_timer
def test_tval_counts_down_below_zero(bench: Bench, timer: str) -> None:
    bench.write(register(timer, "TVAL"), 2)
    bench.clock.now_ns += 48
    assert bench.read(register(timer, "TVAL")) == 0xFFFF_FFFF


@each_timer
def test_moving_the_compare_value_clears_the_interrupt(bench: Bench, timer: str) -> None:
    bench.write(register(timer, "CTL"), 1)
    assert bench.level(timer)
    bench.write(register(timer, "TVAL"), 100)
    assert not bench.level(timer)
    assert bench.timers.next_deadline_ns() == 1100 * 16


def test_the_nearest_deadline_wins(bench: Bench) -> None:
    for number, timer in enumerate(SUFFIX):
        bench.write(register(timer, "CVAL"), 2000 - number)
        bench.write(register(timer, "CTL"), 1)
    assert bench.timers.next_deadline_ns() == (2001 - len(SUFFIX)) * 16
    bench.at(2000 * 16)
    assert bench.lines == dict.fromkeys(SUFFIX, True)
    assert bench.timers.next_deadline_ns() is None


def test_update_drives_a_line_only_when_it_changes(bench: Bench) -> None:
    bench.write("CNTP_CVAL_EL0", 1001)
    bench.write("CNTP_CTL_EL0", 1)
    for now_ns in (16_015, 16_016, 16_017, 99_999):
        bench.at(now_ns)
    assert (bench.driven, bench.lines) == (1, {"CNTP": True})


# --- the virtual offset ----------------------------------------------------------------------------------------------


def test_the_offset_moves_the_virtual_counter_and_timer_only(bench: Bench) -> None:
    for timer in SUFFIX:
        bench.write(register(timer, "CVAL"), 900)
        bench.write(register(timer, "CTL"), 1)
    bench.write("CNTVOFF_EL2", 200)
    assert bench.read("CNTVCT_EL0") == 800
    assert bench.read("CNTPCT_EL0") == 1000
    assert bench.lines == {name: name != "CNTV" for name in SUFFIX}
    assert bench.timers.next_deadline_ns() == 1100 * 16


def test_the_virtual_counter_wraps_at_64_bits(bench: Bench) -> None:
    bench.write("CNTVOFF_EL2", 1001)
    assert bench.read("CNTVCT_EL0") == M64
    bench.write("CNTVOFF_EL2", M64)
    assert bench.read("CNTVCT_EL0") == 1001
    assert bench.read("CNTVOFF_EL2") == M64


@pytest.mark.parametrize(
    ("el", "hcr", "offset"),
    [
        *((el, hcr, 9) for el, hcr in ((0, 0), (1, 0), (2, 0), (0, E2H), (1, E2H), (0, TGE), (2, TGE))),
        *((el, hcr, 0) for el, hcr in ((2, E2H), (0, E2H | TGE), (2, E2H | TGE))),
    ],
)
def test_a_vhe_host_reads_the_virtual_counter_without_offset(bench: Bench, el: int, hcr: int, offset: int) -> None:
    """Ref: Arm ARM, CNTVCT_EL0, accessor pseudocode at each EL."""
    bench.write("CNTVOFF_EL2", 9)
    bench.cpu.el, bench.cpu.controls["hcr_el2"] = el, hcr
    assert bench.read("CNTVCT_EL0") == 1000 - offset


def test_the_virtual_timer_keeps_its_offset_under_vhe(bench: Bench) -> None:
    bench.cpu.el, bench.cpu.controls["hcr_el2"] = 2, E2H | TGE
    bench.write("CNTVOFF_EL2", 9)
    bench.write("CNTV_TVAL_EL0", 5)
    assert bench.read("CNTV_CVAL_EL0") == 996
    bench.write("CNTHV_TVAL_EL2", 5)
    assert bench.read("CNTHV_CVAL_EL2") == 1005


def test_a_wrap_of_the_virtual_counter_lowers_the_line(bench: Bench) -> None:
    bench.write("CNTVOFF_EL2", 1010)
    bench.write("CNTV_CVAL_EL0", 1 << 63)
    bench.write("CNTV_CTL_EL0", 1)
    assert bench.level("CNTV")
    assert bench.timers.next_deadline_ns() == 1010 * 16
    bench.at(1010 * 16)
    assert not bench.level("CNTV")


# --- deadlines -------------------------------------------------------------------------------------------------------


@given(st.sampled_from(TIMERS), near, words | near, words | near | near.map(lambda value: M64 - value), st.booleans())
def test_a_line_changes_exactly_at_its_deadline(row, now_ns, cval, offset, by_tval) -> None:  # type: ignore[no-untyped-def]
    bench = Bench(now_ns=now_ns)
    bench.write("CNTVOFF_EL2", offset)
    bench.write(register(row.name, "TVAL" if by_tval else "CVAL"), cval)
    bench.write(register(row.name, "CTL"), 1)
    before, deadline = bench.level(row.name), bench.timers.next_deadline_ns()
    count = (now_ns // 16 - (offset if row.is_virtual else 0)) & M64
    assert before == (count >= bench.read(register(row.name, "CVAL")))
    if deadline is None:
        return
    assert now_ns < deadline <= M64 * 16
    bench.at(deadline - 1)
    assert bench.level(row.name) == before
    bench.at(deadline)
    assert bench.level(row.name) != before
    assert bool(bench.read(register(row.name, "CTL")) & 4) != before


@given(near, words, words)
def test_no_deadline_means_no_change_until_the_counter_ends(now_ns: int, cval: int, offset: int) -> None:
    bench = Bench(now_ns=now_ns)
    bench.write("CNTVOFF_EL2", offset)
    bench.write("CNTV_CVAL_EL0", cval)
    bench.write("CNTV_CTL_EL0", 1)
    if bench.timers.next_deadline_ns() is None:
        before = bench.read("CNTV_CTL_EL0")
        bench.clock.now_ns = M64 * 16
        assert bench.read("CNTV_CTL_EL0") == before


@given(near, near, words)
def test_update_is_the_same_however_often_it_is_called(start: int, ahead: int, cval: int) -> None:
    once, often = Bench(), Bench()
    for bench in (once, often):
        bench.write("CNTP_CVAL_EL0", cval % (1 << 37))
        bench.write("CNTP_CTL_EL0", 1)
    for step in range(8):
        often.at(start + ahead * step // 8)
    often.at(start + ahead)
    once.at(start + ahead)
    assert once.lines == often.lines
    assert once.timers.next_deadline_ns() == often.timers.next_deadline_ns()


# --- the event stream ------------------------------------------------------------------------------------------------


def test_no_event_stream_after_reset(bench: Bench) -> None:
    assert bench.timers.next_event_ns() is None


@given(st.integers(0, 15), st.booleans(), words)
def test_the_event_is_the_next_transition_of_the_bit(bit: int, falls: bool, count: int) -> None:
    distance = ticks_to_event(bit << 4 | falls << 3, count)
    before, after = (count + distance - 1) >> bit & 1, (count + distance) >> bit & 1
    assert (before, after) == ((1, 0) if falls else (0, 1))
    assert 1 <= distance <= 2 << bit


def test_cntkctl_follows_the_virtual_counter_and_cnthctl_the_physical(bench: Bench) -> None:
    bench.write("CNTVOFF_EL2", 3)
    bench.cpu.controls["cntkctl_el1"] = 4 << 4 | 1 << 2  # virtual 997 -> 1008
    assert bench.timers.next_event_ns() == 1011 * 16
    bench.cpu.controls["cnthctl_el2"] = 1 << 4 | 1 << 2  # physical 1000 -> 1002
    assert bench.timers.next_event_ns() == 1002 * 16


def test_a_vhe_host_stops_the_event_stream_of_el1(bench: Bench) -> None:
    bench.cpu.controls["cntkctl_el1"] = 1 << 2
    assert bench.timers.next_event_ns() is not None
    bench.cpu.controls["hcr_el2"] = E2H | TGE
    assert bench.timers.next_event_ns() is None


@pytest.mark.parametrize(
    ("name", "hcr", "kept"), [("cntkctl_el1", 0, 0x3FF), ("cnthctl_el2", 0, 0xFF), ("cnthctl_el2", E2H, 0xFFF)]
)
def test_reserved_bits_of_the_control_registers_stay_zero(bench: Bench, name: str, hcr: int, kept: int) -> None:
    bench.cpu.controls["hcr_el2"] = hcr
    assert bench.timers.filter_control(name, 0, M64) == kept
    assert bench.timers.filter_control("vbar_el1", 0, M64) == M64


# --- state -----------------------------------------------------------------------------------------------------------


@given(near, st.lists(st.tuples(st.sampled_from([*SUFFIX]), st.integers(0, 3), words | near), max_size=8), words)
def test_snapshot_and_restore(now_ns: int, writes: list[tuple[str, int, int]], offset: int) -> None:
    first, second = Bench(now_ns=now_ns), Bench(now_ns=now_ns)
    first.write("CNTVOFF_EL2", offset)
    for timer, ctl, cval in writes:
        first.write(register(timer, "CVAL"), cval)
        first.write(register(timer, "CTL"), ctl)
    second.timers.restore(first.timers.snapshot())
    assert second.timers.snapshot() == first.timers.snapshot()
    assert second.lines == {name: first.level(name) for name in SUFFIX}
    assert second.timers.next_deadline_ns() == first.timers.next_deadline_ns()
