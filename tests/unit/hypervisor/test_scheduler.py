"""The scheduler: shares by weight, pins, no starvation, and accounts that add up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.hypervisor.scheduler import NORMAL_WEIGHT, SLICE_NS, Scheduler
from arm_hyp.hypervisor.vcpu import State


class Fake:
    """A vCPU as the scheduler knows it: something with a state."""

    def __init__(self, name: str) -> None:
        self.name, self.state, self.cpu = name, State.READY, None


class Bench:
    """CPUs that run what the scheduler says, all in the same steps of time. It plays the hypervisor's part."""

    def __init__(self, weights: list[int], cpus: int = 1, pins: list[tuple[int, ...]] | None = None) -> None:
        self.scheduler, self.now_ns = Scheduler(), 0
        self.vcpus: list[Any] = [Fake(f"v{index}") for index in range(len(weights))]
        self.loaded: list[Any] = [None] * cpus
        self.waited_ns = dict.fromkeys(self.vcpus, 0)
        self.longest_wait_ns = 0
        for vcpu, weight, pin in zip(self.vcpus, weights, pins or [()] * len(weights), strict=True):
            self.scheduler.add(vcpu, weight, pin)

    def choose(self, cpu: int) -> None:
        current = self.loaded[cpu]
        chosen = self.scheduler.next(cpu, current, self.now_ns)
        if chosen is current:
            return
        if current is not None and current.state is State.RUNNING:
            self.scheduler.stop(current, State.READY, self.now_ns)
        if chosen is not None:
            assert chosen not in self.loaded and self.scheduler.may_run(chosen, cpu)
            waited = self.scheduler.run(chosen, self.now_ns)
            self.waited_ns[chosen] += waited
            self.longest_wait_ns = max(self.longest_wait_ns, waited)
        self.loaded[cpu] = chosen

    def run(self, duration_ns: int, step_ns: int = SLICE_NS) -> None:
        end = self.now_ns + duration_ns
        while self.now_ns < end:
            for cpu in range(len(self.loaded)):
                self.choose(cpu)
            self.now_ns += step_ns

    def ran_ns(self) -> list[int]:
        for cpu, vcpu in enumerate(self.loaded):
            if vcpu is not None and vcpu.state is State.RUNNING:
                self.scheduler.stop(vcpu, State.READY, self.now_ns)
                self.loaded[cpu] = None
        return [self.scheduler.account(vcpu).ran_ns for vcpu in self.vcpus]


weights = st.lists(st.integers(256, 8192), min_size=1, max_size=5)


@given(weights)
def test_time_is_shared_by_weight(chosen: list[int]) -> None:
    bench = Bench(chosen)
    bench.run(400 * SLICE_NS)
    ran = bench.ran_ns()
    assert sum(ran) == bench.now_ns
    for weight, each in zip(chosen, ran, strict=True):
        fair = bench.now_ns * weight / sum(chosen)
        most = 1 + max(max(chosen) // min(chosen), len(chosen)) + weight // min(chosen)
        assert abs(each - fair) <= most * SLICE_NS


@given(weights, st.integers(1, 3))
def test_nobody_starves_and_no_cpu_idles_while_somebody_waits(chosen: list[int], cpus: int) -> None:
    bench = Bench(chosen, cpus)
    bench.run(300 * SLICE_NS)
    ran = bench.ran_ns()
    assert all(ran)
    assert sum(ran) == min(cpus, len(chosen)) * bench.now_ns
    assert bench.longest_wait_ns <= sum(2 + weight // min(chosen) for weight in chosen) * SLICE_NS


@given(weights)
def test_what_ran_and_what_waited_is_all_the_time_there_was(chosen: list[int]) -> None:
    bench = Bench(chosen)
    bench.run(100 * SLICE_NS)
    ran = bench.ran_ns()
    for vcpu, each in zip(bench.vcpus, ran, strict=True):
        account = bench.scheduler.account(vcpu)
        assert account.stolen_ns == bench.waited_ns[vcpu]
        assert each + account.stolen_ns + (bench.now_ns - account.since_ns) == bench.now_ns


@given(weights, st.integers(0, SLICE_NS))
def test_an_account_of_now_knows_of_the_state_that_lasts(chosen: list[int], more_ns: int) -> None:
    bench = Bench(chosen)
    bench.run(10 * SLICE_NS)
    now_ns = bench.now_ns + more_ns
    accounts = [bench.scheduler.account_at(vcpu, now_ns) for vcpu in bench.vcpus]
    assert [one.ran_ns + one.stolen_ns for one in accounts] == [now_ns] * len(chosen)
    assert sum(one.ran_ns for one in accounts) == now_ns


@given(st.lists(st.sets(st.integers(0, 2), max_size=3), min_size=1, max_size=5))
def test_a_pinned_vcpu_runs_on_its_cpus_only(pins: list[set[int]]) -> None:
    bench = Bench([NORMAL_WEIGHT] * len(pins), 3, [tuple(sorted(pin)) for pin in pins])
    bench.run(60 * SLICE_NS)  # `choose` looks where each one runs
    assert all(bench.ran_ns())


def test_without_pins_a_vcpu_may_run_anywhere() -> None:
    bench = Bench([NORMAL_WEIGHT] * 2, 2, [(), (1,)])
    assert [bench.scheduler.may_run(bench.vcpus[0], cpu) for cpu in (0, 1)] == [True, True]
    assert [bench.scheduler.may_run(bench.vcpus[1], cpu) for cpu in (0, 1)] == [False, True]


def test_the_current_one_goes_on_until_its_slice_is_over() -> None:
    bench = Bench([NORMAL_WEIGHT] * 2)
    scheduler, (first, second) = bench.scheduler, bench.vcpus
    assert scheduler.next(0, None, 0) is first
    scheduler.run(first, 0)
    assert scheduler.next(0, first, SLICE_NS - 1) is first
    assert scheduler.slice_end_ns(0, first) == SLICE_NS
    assert scheduler.next(0, first, SLICE_NS) is second


@given(
    st.integers(256, 8192),
    st.integers(0, 40 * SLICE_NS),
    st.lists(st.tuples(st.integers(256, 8192), st.integers(0, 40 * SLICE_NS)), min_size=1, max_size=4),
    st.integers(0, 40 * SLICE_NS),
)
def test_a_turn_ends_when_the_scheduler_says_and_not_before(
    weight: int, runtime_ns: int, others: list[tuple[int, int]], ran_ns: int
) -> None:
    """Else a timer that is set for the end would be due at once, time after time, until another vCPU's turn comes."""
    bench = Bench([weight, *(each for each, _ in others)])
    scheduler, current = bench.scheduler, bench.vcpus[0]
    for vcpu, ns in zip(bench.vcpus, [runtime_ns, *(ns for _, ns in others)], strict=True):
        scheduler.account(vcpu).runtime_ns = ns
    scheduler.run(current, 1000)
    first = scheduler.waiting(0)[0]
    end_ns = scheduler.slice_end_ns(0, current)
    assert end_ns is not None
    assert scheduler.next(0, current, end_ns - 1) is current
    assert scheduler.next(0, current, end_ns) is first
    at_ns = 1000 + ran_ns
    assert (scheduler.next(0, current, at_ns) is first) == (at_ns >= end_ns)
    if at_ns >= end_ns:
        scheduler.stop(current, State.READY, at_ns)
        scheduler.run(first, at_ns)
        following_ns = scheduler.slice_end_ns(0, first)
        assert following_ns is not None and following_ns > at_ns


def test_where_none_runs_and_one_waits_the_end_is_now() -> None:
    bench = Bench([NORMAL_WEIGHT] * 2)
    scheduler, (blocked, _) = bench.scheduler, bench.vcpus
    scheduler.stop(blocked, State.BLOCKED, 0)
    assert [scheduler.slice_end_ns(0, current) for current in (None, blocked)] == [0, 0]


def test_who_is_behind_goes_on_after_its_slice() -> None:
    bench = Bench([NORMAL_WEIGHT] * 2)
    scheduler, (behind, ahead) = bench.scheduler, bench.vcpus
    scheduler.account(ahead).runtime_ns = 10 * SLICE_NS
    scheduler.run(behind, 0)
    assert scheduler.slice_end_ns(0, behind) == 10 * SLICE_NS


def test_who_wakes_beside_one_that_has_run_long_does_not_run_as_long() -> None:
    """What the other ran counts, though its account has it only when it stops."""
    bench = Bench([NORMAL_WEIGHT] * 2)
    scheduler, (busy, sleeper) = bench.scheduler, bench.vcpus
    scheduler.stop(sleeper, State.BLOCKED, 0)
    scheduler.run(busy, 0)
    scheduler.ready(sleeper, 100 * SLICE_NS)
    assert scheduler.account(sleeper).runtime_ns == 99 * SLICE_NS


def test_alone_there_is_no_slice_to_end() -> None:
    bench = Bench([NORMAL_WEIGHT])
    bench.scheduler.run(bench.vcpus[0], 0)
    assert bench.scheduler.slice_end_ns(0, bench.vcpus[0]) is None
    assert bench.scheduler.next(0, bench.vcpus[0], 99 * SLICE_NS) is bench.vcpus[0]


def test_who_wakes_has_not_saved_time_up() -> None:
    """After a second of sleep it runs at once, for a slice at most before the other's turn, and then they share."""
    bench = Bench([NORMAL_WEIGHT] * 2)
    scheduler, (busy, sleeper) = bench.scheduler, bench.vcpus
    scheduler.stop(sleeper, State.BLOCKED, 0)
    bench.run(250 * SLICE_NS)
    scheduler.stop(busy, State.READY, bench.now_ns)
    bench.loaded[0] = None
    scheduler.ready(sleeper, bench.now_ns)
    assert scheduler.next(0, None, bench.now_ns) is sleeper
    before = scheduler.account(busy).ran_ns, scheduler.account(sleeper).ran_ns
    bench.run(40 * SLICE_NS)
    after = bench.ran_ns()
    assert abs((after[0] - before[0]) - (after[1] - before[1])) <= 2 * SLICE_NS


def test_who_is_far_behind_preempts() -> None:
    bench = Bench([NORMAL_WEIGHT] * 2)
    scheduler, (busy, behind) = bench.scheduler, bench.vcpus
    scheduler.account(busy).runtime_ns = 3 * SLICE_NS
    scheduler.run(busy, 0)
    assert scheduler.next(0, busy, 1) is behind


def test_blocked_and_off_vcpus_are_never_chosen() -> None:
    bench = Bench([NORMAL_WEIGHT] * 3)
    for vcpu, state in zip(bench.vcpus, (State.BLOCKED, State.OFF, State.READY), strict=True):
        bench.scheduler.stop(vcpu, state, 0)
    assert bench.scheduler.waiting(0) == [bench.vcpus[2]]
    bench.scheduler.stop(bench.vcpus[2], State.OFF, 0)
    assert bench.scheduler.next(0, None, 0) is None
    assert bench.scheduler.next(0, bench.vcpus[0], 0) is None


def test_to_give_way_lets_all_others_run_first() -> None:
    bench = Bench([NORMAL_WEIGHT] * 3)
    scheduler, (polite, *others) = bench.scheduler, bench.vcpus
    scheduler.run(polite, 0)
    scheduler.give_way(polite, 0, 10)
    assert scheduler.waiting(0) == [*others, polite]
    assert scheduler.account(polite).ran_ns == 10


@given(weights)
def test_accounts_come_back(chosen: list[int]) -> None:
    one, other = Bench(chosen), Bench(chosen)
    one.run(10 * SLICE_NS)
    one.ran_ns()
    other.scheduler.restore(one.scheduler.snapshot())
    assert other.scheduler.snapshot() == one.scheduler.snapshot()
    names = [vcpu.name for vcpu in one.scheduler.waiting(0)]
    assert [vcpu.name for vcpu in other.scheduler.waiting(0)] == names


def test_accounts_of_other_vcpus_are_refused() -> None:
    with pytest.raises(ValueError):
        Bench([NORMAL_WEIGHT]).scheduler.restore(Bench([NORMAL_WEIGHT] * 2).scheduler.snapshot())
