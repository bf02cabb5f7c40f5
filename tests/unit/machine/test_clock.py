"""The virtual clock: retired instructions plus idle time, and ticks of 16 ns."""

from __future__ import annotations

from arm_hyp.machine.clock import VirtualClock


def test_time_is_instructions_plus_idle_time() -> None:
    retired = 0
    clock = VirtualClock(lambda: retired)
    assert (clock.now_ns, clock.ticks) == (0, 0)
    retired = 31
    assert (clock.now_ns, clock.ticks) == (31, 1)
    clock.idle_ns += 1
    assert (clock.now_ns, clock.ticks) == (32, 2)


def test_snapshot_and_restore() -> None:
    clock, other = VirtualClock(lambda: 5), VirtualClock(lambda: 5)
    clock.idle_ns = 77
    other.restore(clock.snapshot())
    assert other.now_ns == clock.now_ns == 82
