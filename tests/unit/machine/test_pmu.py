"""The performance monitors: every register, what counts when, the moment of the overflow interrupt."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.arch import id_policy
from arm_hyp.arch.sysregs import by_name
from arm_hyp.machine.pmu import CPU_CYCLES, INST_RETIRED, SW_INCR, Pmu

M64 = (1 << 64) - 1
N = 6
ALL = 1 << 31 | (1 << N) - 1
PMCR = 0x4102_0040 | N << 11
NAMES = [
    "PMCR_EL0",
    "PMSELR_EL0",
    "PMXEVTYPER_EL0",
    "PMXEVCNTR_EL0",
    "PMCCNTR_EL0",
    "PMCCFILTR_EL0",
    "PMCNTENSET_EL0",
    "PMCNTENCLR_EL0",
    "PMOVSSET_EL0",
    "PMOVSCLR_EL0",
    "PMINTENSET_EL1",
    "PMINTENCLR_EL1",
    "PMSWINC_EL0",
    "PMEVCNTR0_EL0",
    "PMEVTYPER0_EL0",
    "PMEVCNTR5_EL0",
    "PMEVTYPER5_EL0",
]


@dataclass
class FakeClock:
    now_ns: int = 0

    @property
    def ticks(self) -> int:
        return self.now_ns // 16


@dataclass
class FakeCpu:
    el: int = 1
    controls: dict[str, int] = field(default_factory=lambda: {"mdcr_el2": N})

    def control(self, name: str) -> int:
        return self.controls.get(name, 0)

    def set_control(self, name: str, value: int) -> None:
        self.controls[name] = value


class Bench:
    def __init__(self, *features: str) -> None:
        self.clock, self.cpu, self.retired = FakeClock(), FakeCpu(), 0
        self.levels: list[bool] = []
        self.pmu = Pmu(
            self.clock, lambda: self.retired, self.cpu, PMCR, frozenset({"PMUv3", *features}), self.levels.append
        )
        self.ports = self.pmu.ports()

    def read(self, name: str) -> int:
        port = self.ports[by_name(name).encoding].read
        assert port is not None
        return port()

    def write(self, name: str, value: int) -> None:
        port = self.ports[by_name(name).encoding].write
        assert port is not None
        port(value)

    def run(self, instructions: int, idle_ns: int = 0) -> None:
        self.retired += instructions
        self.clock.now_ns += instructions + idle_ns
        self.pmu.update()

    def mdcr(self, value: int) -> None:
        self.cpu.controls["mdcr_el2"] = value
        self.pmu.control_written("mdcr_el2")

    @property
    def level(self) -> bool:
        return bool(self.levels) and self.levels[-1]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def count(bench: Bench, n: int, event: int, start: int = 0) -> None:
    """Let counter n count an event from a value on."""
    bench.write(f"PMEVTYPER{n}_EL0", event)
    bench.write(f"PMEVCNTR{n}_EL0", start)
    bench.write("PMCNTENSET_EL0", 1 << n)
    bench.write("PMCR_EL0", 1)


# --- registers -------------------------------------------------------------------------------------------------------


def test_reset_values(bench: Bench) -> None:
    assert bench.read("PMCR_EL0") == PMCR
    for name in NAMES:
        if name not in ("PMCR_EL0", "PMSWINC_EL0"):
            assert bench.read(name) == 0


@pytest.mark.parametrize("model", id_policy.MODELS)
def test_the_id_policy_says_which_events_and_counters_there_are(model: str) -> None:
    pmcr = id_policy.id_value("PMCR_EL0", model, 3)
    pmu = Pmu(FakeClock(), lambda: 0, FakeCpu(el=2), pmcr, id_policy.features(model, 3))
    reads = {encoding: port.read for encoding, port in pmu.ports().items()}
    for name in ("PMCR_EL0", "PMCEID0_EL0", "PMCEID1_EL0"):
        read = reads[by_name(name).encoding]
        assert read is not None and read() == id_policy.id_value(name, model, 3)


def test_numbered_registers_stop_at_n(bench: Bench) -> None:
    for n in range(31):
        for base in ("PMEVCNTR", "PMEVTYPER"):
            assert (by_name(f"{base}{n}_EL0").encoding in bench.ports) == (n < N)


@pytest.mark.parametrize("name", ["PMCEID0_EL0", "PMCEID1_EL0"])
def test_event_identification_is_read_only(bench: Bench, name: str) -> None:
    assert bench.ports[by_name(name).encoding].write is None


def test_swinc_is_write_only(bench: Bench) -> None:
    assert bench.ports[by_name("PMSWINC_EL0").encoding].read is None


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("PMCR_EL0", PMCR | 0x21),
        ("PMSELR_EL0", 0x1F),
        ("PMCNTENSET_EL0", ALL),
        ("PMOVSSET_EL0", ALL),
        ("PMINTENSET_EL1", ALL),
        ("PMCCFILTR_EL0", 0xFC00_0000),
        ("PMEVTYPER0_EL0", 0xFC00_03FF),
        ("PMEVCNTR5_EL0", 0xFFFF_FFFF),
        ("PMCCNTR_EL0", M64),
    ],
)
def test_only_implemented_bits_are_kept(bench: Bench, name: str, bits: int) -> None:
    bench.write(name, M64)
    assert bench.read(name) == bits


def test_events_have_16_bits_since_armv8_1() -> None:
    bench = Bench("PMUv3p1")
    bench.write("PMEVTYPER1_EL0", M64)
    assert bench.read("PMEVTYPER1_EL0") == 0xFC00_FFFF


@pytest.mark.parametrize(
    ("set_name", "clear_name"),
    [
        ("PMCNTENSET_EL0", "PMCNTENCLR_EL0"),
        ("PMOVSSET_EL0", "PMOVSCLR_EL0"),
        ("PMINTENSET_EL1", "PMINTENCLR_EL1"),
    ],
)
@given(first=st.integers(0, M64), second=st.integers(0, M64))
def test_set_and_clear_registers_are_two_views(set_name: str, clear_name: str, first: int, second: int) -> None:
    bench = Bench()
    bench.write(set_name, first)
    bench.write(clear_name, second)
    assert bench.read(set_name) == bench.read(clear_name) == first & ALL & ~second


# --- counting --------------------------------------------------------------------------------------------------------


def test_the_cycle_counter_counts_virtual_ns_idle_ones_too(bench: Bench) -> None:
    bench.run(5)
    bench.write("PMCNTENSET_EL0", 1 << 31)
    bench.run(5)
    assert bench.read("PMCCNTR_EL0") == 0
    bench.write("PMCR_EL0", 1)
    bench.run(100, idle_ns=23)
    assert bench.read("PMCCNTR_EL0") == 123
    bench.write("PMCR_EL0", 0)
    bench.run(10)
    assert bench.read("PMCCNTR_EL0") == 123


def test_event_counters_count_their_events(bench: Bench) -> None:
    for n, event in enumerate((INST_RETIRED, CPU_CYCLES, SW_INCR, 0x1E)):
        count(bench, n, event)
    bench.run(100, idle_ns=23)
    assert [bench.read(f"PMEVCNTR{n}_EL0") for n in range(4)] == [100, 123, 0, 0]


def test_changing_the_event_keeps_the_value(bench: Bench) -> None:
    count(bench, 0, INST_RETIRED)
    bench.run(10, idle_ns=5)
    bench.write("PMEVTYPER0_EL0", CPU_CYCLES)
    assert bench.read("PMEVCNTR0_EL0") == 10
    bench.run(10, idle_ns=5)
    assert bench.read("PMEVCNTR0_EL0") == 25


def test_filter_bits_do_not_change_the_event(bench: Bench) -> None:
    count(bench, 0, INST_RETIRED | 0xFC00_0000)
    bench.run(7)
    assert bench.read("PMEVCNTR0_EL0") == 7


def test_writing_a_running_counter_goes_on_from_there(bench: Bench) -> None:
    count(bench, 0, INST_RETIRED)
    bench.run(7)
    bench.write("PMEVCNTR0_EL0", 1000)
    bench.run(7)
    assert bench.read("PMEVCNTR0_EL0") == 1007


@pytest.mark.parametrize(("bits", "cycles", "events"), [(1 << 2, 0, 50), (1 << 1, 50, 0), (6, 0, 0)])
def test_pmcr_resets_counters_and_leaves_overflow_flags(bench: Bench, bits: int, cycles: int, events: int) -> None:
    count(bench, 0, INST_RETIRED)
    bench.write("PMCNTENSET_EL0", 1 << 31)
    bench.write("PMOVSSET_EL0", ALL)
    bench.run(50)
    bench.write("PMCR_EL0", bits | 1)
    assert (bench.read("PMCCNTR_EL0"), bench.read("PMEVCNTR0_EL0")) == (cycles, events)
    assert bench.read("PMOVSSET_EL0") == ALL
    assert bench.read("PMCR_EL0") == PMCR | 1


def test_software_increment_reaches_enabled_counters_of_that_event(bench: Bench) -> None:
    count(bench, 0, SW_INCR, 0xFFFF_FFFF)
    count(bench, 1, INST_RETIRED)
    count(bench, 2, SW_INCR)
    bench.write("PMEVTYPER3_EL0", SW_INCR)
    bench.write("PMSWINC_EL0", 0b1011)
    assert [bench.read(f"PMEVCNTR{n}_EL0") for n in range(4)] == [0, 0, 0, 0]
    assert bench.read("PMOVSCLR_EL0") == 1
    bench.write("PMSWINC_EL0", 0b0101)
    assert [bench.read(f"PMEVCNTR{n}_EL0") for n in range(4)] == [1, 0, 1, 0]


def test_the_selected_registers(bench: Bench) -> None:
    bench.write("PMSELR_EL0", 3)
    bench.write("PMXEVTYPER_EL0", INST_RETIRED)
    bench.write("PMXEVCNTR_EL0", 44)
    assert (bench.read("PMEVTYPER3_EL0"), bench.read("PMEVCNTR3_EL0")) == (INST_RETIRED, 44)
    assert (bench.read("PMXEVTYPER_EL0"), bench.read("PMXEVCNTR_EL0")) == (INST_RETIRED, 44)
    bench.write("PMSELR_EL0", 31)
    bench.write("PMXEVTYPER_EL0", 1 << 31)
    bench.write("PMXEVCNTR_EL0", 44)
    assert (bench.read("PMCCFILTR_EL0"), bench.read("PMXEVTYPER_EL0")) == (1 << 31, 1 << 31)
    assert (bench.read("PMXEVCNTR_EL0"), bench.read("PMCCNTR_EL0")) == (0, 0)


@pytest.mark.parametrize("selected", [N, 30])
def test_selecting_a_counter_that_is_not_there_is_raz_wi(bench: Bench, selected: int) -> None:
    bench.write("PMSELR_EL0", selected)
    before = bench.pmu.snapshot()
    bench.write("PMXEVTYPER_EL0", 8)
    bench.write("PMXEVCNTR_EL0", 8)
    assert (bench.read("PMXEVTYPER_EL0"), bench.read("PMXEVCNTR_EL0")) == (0, 0)
    assert bench.pmu.snapshot() == before


# --- EL2's share -----------------------------------------------------------------------------------------------------


def test_hpmn_hides_counters_below_el2(bench: Bench) -> None:
    """Ref: Arm ARM, PMCR_EL0.{N,P}, MDCR_EL2.HPMN."""
    bench.cpu.el = 2
    for n in range(N):
        bench.write(f"PMEVCNTR{n}_EL0", 9)
    bench.write("PMCNTENSET_EL0", ALL)
    bench.mdcr(2)
    bench.cpu.el = 1
    assert bench.read("PMCR_EL0") >> 11 & 0x1F == 2
    assert bench.read("PMCNTENSET_EL0") == 1 << 31 | 0b11
    bench.write("PMCNTENCLR_EL0", M64)
    bench.write("PMCR_EL0", 1 << 1)
    bench.write("PMSELR_EL0", 2)
    assert bench.read("PMXEVCNTR_EL0") == 0
    bench.cpu.el = 2
    assert bench.read("PMCR_EL0") >> 11 & 0x1F == N
    assert bench.read("PMCNTENSET_EL0") == ALL & ~(1 << 31 | 0b11)
    assert [bench.read(f"PMEVCNTR{n}_EL0") for n in range(N)] == [0, 0, 9, 9, 9, 9]
    bench.write("PMCR_EL0", 1 << 1)
    assert [bench.read(f"PMEVCNTR{n}_EL0") for n in range(N)] == [0] * N


def test_hpme_enables_the_counters_of_el2(bench: Bench) -> None:
    bench.cpu.el = 2
    count(bench, 1, INST_RETIRED)
    count(bench, 4, INST_RETIRED)
    bench.mdcr(2)
    bench.run(10)
    bench.mdcr(2 | 1 << 7)
    bench.write("PMCR_EL0", 0)
    bench.run(5)
    assert (bench.read("PMEVCNTR1_EL0"), bench.read("PMEVCNTR4_EL0")) == (10, 5)


# --- overflow --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("writes", "level"),
    [
        ({"PMCR_EL0": 1, "PMOVSSET_EL0": 4, "PMINTENSET_EL1": 4}, True),
        ({"PMCR_EL0": 0, "PMOVSSET_EL0": 4, "PMINTENSET_EL1": 4}, False),
        ({"PMCR_EL0": 1, "PMOVSSET_EL0": 4, "PMINTENSET_EL1": ALL & ~4}, False),
        ({"PMCR_EL0": 1, "PMOVSSET_EL0": 1 << 31, "PMINTENSET_EL1": 1 << 31}, True),
    ],
)
def test_the_line_needs_enable_flag_and_interrupt(bench: Bench, writes: dict[str, int], level: bool) -> None:
    """Ref: Arm ARM, CheckForPMUOverflow."""
    for name, value in writes.items():
        bench.write(name, value)
    assert bench.level is level
    bench.write("PMOVSCLR_EL0", M64)
    assert not bench.level


@given(st.sampled_from((0, 2, 31)), st.integers(1, 1 << 40), st.integers(0, 1000))
def test_the_line_rises_exactly_at_the_deadline(n: int, distance: int, before: int) -> None:
    bench = Bench()
    bench.run(before, idle_ns=3)
    if n == 31:
        bench.write("PMCCNTR_EL0", (1 << 64) - distance)
        bench.write("PMCNTENSET_EL0", 1 << 31)
        bench.write("PMCR_EL0", 1)
    else:
        distance = min(distance, 1 << 32)
        count(bench, n, CPU_CYCLES if n else INST_RETIRED, (1 << 32) - distance)
    assert bench.pmu.next_deadline_ns() is None
    bench.write("PMINTENSET_EL1", 1 << n)
    assert bench.pmu.next_deadline_ns() == before + 3 + distance
    assert bench.pmu.next_idle_deadline_ns() == (None if n == 0 else before + 3 + distance)
    bench.run(distance - 1)
    assert (bench.level, bench.read("PMOVSSET_EL0")) == (False, 0)
    bench.run(1)
    assert (bench.level, bench.read("PMOVSSET_EL0")) == (True, 1 << n)
    assert bench.pmu.next_deadline_ns() is None
    bench.write("PMOVSCLR_EL0", 1 << n)
    assert not bench.level


def test_idle_time_puts_off_the_overflow_of_instructions(bench: Bench) -> None:
    count(bench, 0, INST_RETIRED, 0xFFFF_FFF0)
    bench.write("PMINTENSET_EL1", 1)
    bench.run(6, idle_ns=1000)
    assert not bench.level
    assert bench.pmu.next_deadline_ns() == 1006 + 10
    bench.run(10)
    assert bench.level


def test_a_long_run_overflows_once_and_keeps_the_rest(bench: Bench) -> None:
    count(bench, 0, INST_RETIRED, 5)
    bench.run((3 << 32) + 7)
    assert (bench.read("PMEVCNTR0_EL0"), bench.read("PMOVSSET_EL0")) == (12, 1)
    bench.write("PMOVSCLR_EL0", 1)
    bench.run((1 << 32) - 13)
    assert bench.read("PMOVSSET_EL0") == 0
    bench.run(1)
    assert bench.read("PMOVSSET_EL0") == 1


def test_pmuserenr_keeps_four_bits(bench: Bench) -> None:
    assert bench.pmu.filter_control("pmuserenr_el0", 0, M64) == 0xF
    assert bench.pmu.filter_control("mdcr_el2", 0, M64) == M64


# --- state -----------------------------------------------------------------------------------------------------------

values = st.integers(0, M64) | st.integers(0, 255) | st.just(ALL)
steps = st.tuples(st.sampled_from(NAMES), values, st.integers(0, 1 << 33))


@given(st.lists(steps, max_size=15), st.lists(steps, max_size=5))
def test_a_restored_pmu_goes_on_as_the_first(
    before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]
) -> None:
    first, second = Bench(), Bench()
    for name, value, time in before:
        first.write(name, value)
        first.run(time, idle_ns=time % 7)
    second.clock.now_ns, second.retired = first.clock.now_ns, first.retired
    second.pmu.restore(first.pmu.snapshot())
    assert second.levels == [first.level]
    for bench in (first, second):
        for name, value, time in after:
            bench.write(name, value)
            bench.run(time)
    assert (first.pmu.snapshot(), first.level) == (second.pmu.snapshot(), second.level)
    assert first.pmu.next_deadline_ns() == second.pmu.next_deadline_ns()


@given(st.lists(st.integers(0, 1 << 31), max_size=6))
def test_looking_often_changes_nothing(times: list[int]) -> None:
    once, often = Bench(), Bench()
    for bench in (once, often):
        count(bench, 0, INST_RETIRED, 1 << 31)
        bench.write("PMINTENSET_EL1", 1)
    for time in times:
        often.run(time)
    once.run(sum(times))
    assert (once.pmu.snapshot(), once.level) == (often.pmu.snapshot(), often.level)
