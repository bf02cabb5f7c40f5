"""Timers as they are read: the registers' values as the guest would read them, and nothing changed by reading."""

from __future__ import annotations

from typing import Any

import pytest
from process_support import state
from turns_support import ALL, guest

from arm_hyp.runner.messages import Run
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Failed, RegistersAnswer
from arm_hyp.timeline.process.gic_answers import TimersAnswer
from arm_hyp.timeline.process.session import Session


def timers(session: Session, whose: ask.Whose) -> TimersAnswer:
    answer = session.send(ask.Timers(whose))
    assert isinstance(answer, TimersAnswer)
    return answer


def registers(session: Session, whose: ask.Whose) -> dict[str, Any]:
    answer = session.send(ask.Registers(whose, ("timers",)))
    assert isinstance(answer, RegistersAnswer)
    return dict(answer.groups[0].values)


CASES = {
    "timer": (guest("14-timer-gicv2"), ask.Whose()),
    "max": (guest("22-vhe-timers", cpu="max"), ask.Whose()),
    "vcpu": (ALL["timers"], ask.Whose(0, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_control_and_compare_value_are_those_of_the_registers(name: str) -> None:
    made, whose = CASES[name]
    session, places = Session(made), set[str]()
    for n in range(3, 300, 3) if name == "max" else range(10, 4000, 89):
        session.send(ask.Seek(Position(n)))
        before = state(session)
        answer, known = timers(session, whose), registers(session, whose)
        assert state(session) == before
        for one in answer.timers:
            suffix = "EL2" if "H" in one.name else "EL0"
            ctl = one.enable | one.imask << 1 | one.istatus << 2
            assert (ctl, one.cval) == (known[f"{one.name}_CTL_{suffix}"], known[f"{one.name}_CVAL_{suffix}"])
            assert one.istatus == (one.enable and one.left_ticks <= 0)
            if one.enable:
                places.add(one.where)
    assert places == ({"loaded", "saved", "emulated"} if whose.vm is not None else {"hardware"})


def test_which_timers_there_are() -> None:
    found = {name: [one.name for one in timers(Session(made), whose).timers] for name, (made, whose) in CASES.items()}
    assert found == {
        "timer": ["CNTV", "CNTP", "CNTHP"],
        "max": ["CNTV", "CNTP", "CNTHP", "CNTHV"],
        "vcpu": ["CNTV", "CNTP"],
    }


def test_the_level_and_the_interrupt_of_a_timer_that_is_due() -> None:
    session = Session(guest("14-timer-gicv2"))
    session.send(Run(1 << 40))
    frontier, seen = session.timeline.frontier.n, set[int]()
    for n in range(0, frontier, max(1, frontier // 500)):
        session.send(ask.Seek(Position(n)))
        seen |= {
            one.intid for one in timers(session, ask.Whose()).timers if one.level and one.istatus and not one.imask
        }
    assert seen and seen <= {26, 27, 30}


def test_counters_of_a_vm_are_offset() -> None:
    session = Session(ALL["timers"])
    session.send(ask.Seek(Position(500)))
    answer = timers(session, ask.Whose(0, 1))
    assert answer.cntvct == (answer.cntpct - answer.cntvoff) % (1 << 64)


def test_timers_of_nobody_are_refused() -> None:
    session = Session(ALL["virq"])
    assert isinstance(session.send(ask.Timers(ask.Whose(7))), Failed)
    assert isinstance(session.send(ask.Timers(ask.Whose(0, 0))), Failed)
