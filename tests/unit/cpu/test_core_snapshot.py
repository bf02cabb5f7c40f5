"""A state that is taken back: what was dropped meanwhile takes no memory for ever, and the run goes on as before."""

import pytest
from core_support import BASE, machine

from arm_hyp.cpu import native, snapshot

_SUM = "mov x1, #0\n mov x2, #9\n1: add x1, x1, x2\n subs x2, x2, #1\n b.ne 1b\n b ."


def test_blocks_that_were_dropped_are_given_back_when_a_state_is(monkeypatch: pytest.MonkeyPatch) -> None:
    made = machine(_SUM)
    core = made.core
    made.run(10)
    state = snapshot.snapshot(core)
    made.run(100)
    ended = core.x(1)
    assert not core.native.holds_dropped
    monkeypatch.setattr(native, "_MOST_DROPPED", 3)
    for _ in range(3):
        core.native.drop_translations(BASE, BASE + 4)
    assert core.native.holds_dropped
    snapshot.restore(core, state, keeps_translations=True)
    made.run(100)
    assert core.x(1) == ended == 45
    assert not core.native.holds_dropped
