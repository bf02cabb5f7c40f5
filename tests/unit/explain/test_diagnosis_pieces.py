"""The pieces of a diagnosis: the gates that an interrupt passes, who can have a lock, durations, errors."""

from pathlib import Path
from typing import Any

import pytest

from arm_hyp.explain.diagnosis.diagnose import diagnose
from arm_hyp.explain.diagnosis.gates import Interface, Interrupt, controller_gates, first_closed
from arm_hyp.explain.diagnosis.others import Other, holders, in_words
from arm_hyp.explain.diagnosis.recent import status_of
from arm_hyp.explain.diagnosis.timers import TimerState, timer_gates
from arm_hyp.explain.diagnosis.timers import in_words as duration_in_words
from arm_hyp.runner.runner import Configuration, Run, Runner

OPEN = Interrupt(40, True, True, False, 0, 0x80, True)
AT = Interface(2, 1, 1, 0xFF, 0xFF, False)


@pytest.mark.parametrize(
    ("change", "at", "passed", "text"),
    [
        ({"enabled": False}, {}, 0, "GICD_ISENABLER1<8>"),
        ({"active": True}, {}, 1, "active"),
        ({"group": 1}, {}, 2, "GICD_CTLR.EnableGrp1"),
        ({"is_target": False}, {}, 3, "GICD_ITARGETSR10"),
        ({}, {"groups": 0}, 4, "GICC_CTLR.EnableGrp0"),
        ({"priority": 0xFF}, {}, 5, "GICC_PMR"),
        ({}, {"running": 0x80}, 6, "is being handled"),
    ],
)
def test_each_gate_of_the_controller_holds_back(change: dict[str, Any], at: dict[str, Any], passed: int, text: str):
    held = first_closed(40, controller_gates(OPEN._replace(**change), AT._replace(**at)))
    assert held is not None and held.passed == passed
    assert text in held.text


def test_nothing_holds_back_where_all_gates_are_open():
    assert first_closed(40, controller_gates(OPEN, AT)) is None


@pytest.mark.parametrize(
    ("timer", "text"),
    [
        (TimerState("CNTV", 0, False, None), "is off: CNTV_CTL_EL0.ENABLE is 0"),
        (TimerState("CNTV", 1, False, None), "is on, but its counter never reaches CNTV_CVAL_EL0"),
        (TimerState("CNTV", 3, True, None), "is masked: CNTV_CTL_EL0.IMASK is 1"),
    ],
)
def test_each_gate_of_a_timer_holds_back(timer: TimerState, text: str):
    held = first_closed(timer.intid, timer_gates(timer))
    assert held is not None and held.text == text


@pytest.mark.parametrize("timer", [TimerState("CNTV", 1, False, 100), TimerState("CNTV", 1, True, None)])
def test_a_timer_that_is_due_or_has_fired_is_not_held_back(timer: TimerState):
    assert first_closed(timer.intid, timer_gates(timer)) is None


@pytest.mark.parametrize(
    ("ns", "text"), [(999, "999 ns"), (1_000, "1 us"), (3_960_000, "3.9 ms"), (19_200_000_000, "19.2 s")]
)
def test_durations_in_words(ns: int, text: str):
    assert duration_in_words(ns) == text


@pytest.mark.parametrize(
    ("result", "name"),
    [
        (0, ""),
        (None, ""),
        (1, ""),
        (0xFFFF_FFFE, "INVALID_PARAMETERS"),
        (0xFFFF_FFFF_FFFF_FFF7, "INVALID_ADDRESS"),
        (0xFFFF_FF00, "-256"),
    ],
)
def test_what_the_firmware_answers_by_name(result: int | None, name: str):
    assert status_of(result) == name


# --- the other CPUs ---------------------------------------------------------------------------------------------------

OFF, NEVER, RUNS = Other("CPU 1", "is off", True), Other("CPU 2", "has never run", False), Other("CPU 3", "runs", True)


@pytest.mark.parametrize(
    ("others", "text", "names_nobody"),
    [
        ((), "only CPU 0 itself can have taken it", True),
        ((NEVER,), "only CPU 0 itself can have taken it", True),
        ((OFF, NEVER), "only CPU 1, which is off, or CPU 0 itself can have taken it", False),
        ((OFF, RUNS), "only CPU 1, which is off, or CPU 3, which runs, or CPU 0 itself can have taken it", False),
    ],
)
def test_only_who_has_run_can_hold_a_lock(others: tuple[Other, ...], text: str, names_nobody: bool):
    said, advice = holders("CPU 0", others)
    assert said == text
    assert ("takes the lock twice" in advice) is names_nobody


def test_the_others_in_words():
    assert in_words([]) == "there is no other CPU"
    assert in_words([OFF, NEVER]) == "CPU 1 is off and CPU 2 has never run"


# --- loops ------------------------------------------------------------------------------------------------------------


def test_a_loop_whose_lowest_instruction_runs_unseen_behind_an_exception_is_described(tmp_path: Path):
    guest = tmp_path / "guest.s"
    guest.write_text("""
_start: b       start
        .balign 2048
vectors: .skip  0x200
        b       again
start:  adr     x0, vectors
        msr     vbar_el2, x0
again:  add     x19, x19, #1
        udf     #0
""")
    runner = Runner(Configuration(image=str(guest), memory_bytes=8 << 20))
    runner.send(Run(50_000))
    found = diagnose(runner)
    assert found.kind == "progress"
    assert "changes X19 each time" in found.reasons
