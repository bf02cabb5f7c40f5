"""Handlers loaded at the cursor: after a failure, from a wrong file, in a recording, where the guest waits."""

from __future__ import annotations

from pathlib import Path

import pytest
from reload_support import FILES, begun, load, state, walked

from arm_hyp.errors import UserError
from arm_hyp.events import RecordingSink
from arm_hyp.kvm_events import HandlerEffect, HandlerOutput
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit
from arm_hyp.timeline.history import Load
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.recordings.recorder import Recorder
from arm_hyp.timeline.recordings.recording import Recording, read_recording, write_recording
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.timeline.recordings.saved import PART, open_timeline, record
from arm_hyp.timeline.timeline import Timeline

WAITS = "mov x1, #6\n1: wfi\n sub x1, x1, #1\n cbnz x1, 1b\nldr x0, =0x84000008\nhvc #0\n"
FAILS = """
from arm_hyp.hypervisor import *
TRIES = [0]
@handler(EC.WFX)
def wfx(vcpu, exit):
    TRIES[0] += 1
    vcpu.data["waits"] = vcpu.data.get("waits", 0) + 1
    vcpu.set_x(7, 77)
    if vcpu.data["waits"] == 3:
        raise RuntimeError("not so")
    vcpu.skip_instruction()
"""
MENDED = FAILS.replace("== 3", "== -1").replace("x(7, 77)", "x(7, 99)")
RETRIES = FAILS.replace("== 3", "in (3, 4)")
DEVICE = """
from arm_hyp.hypervisor import *
@mmio(range({low:#x}, {low:#x} + 0x100))
def device(vcpu, access):
    return {value}
"""
READS = """
        ldr     x11, =0x0b000000
        ldr     x12, =0x0b001000
        mov     x5, #4
1:      ldr     w3, [x11]
        add     x10, x10, x3
2:      subs    x5, x5, #1
        b.ne    1b
        ldr     x0, =0x84000008
        hvc     #0
"""


@pytest.fixture
def failed(tmp_path: Path) -> Timeline:
    """A run that ended at an exit whose handler fails."""
    timeline = begun(tmp_path, FAILS, WAITS)
    assert timeline.run(1000)["reason"] == "handler"
    return timeline


def data(timeline: Timeline) -> dict[str, object]:
    hypervisor = timeline.runner.hypervisor
    assert hypervisor is not None
    return hypervisor.vms[0].vcpus[0].data


# --- after a failure --------------------------------------------------------------------------------------------------


def test_a_mended_handler_goes_on_at_the_exit_that_failed(failed: Timeline, tmp_path: Path) -> None:
    place = failed.position
    load(failed, tmp_path, MENDED)
    assert (failed.history.name, failed.history.begins_at) == ("branch1", place)
    assert failed.run(1000)["reason"] == "guest"
    assert data(failed) == {"waits": 7}, "the data stay, and the exit that failed has counted"
    assert failed.runner.handlers is not None
    assert failed.runner.handlers.snapshot()["globals"] == {"arm_hyp_handlers_h": {"TRIES": [4]}}


def test_going_back_over_a_mended_failure(failed: Timeline, tmp_path: Path) -> None:
    place = failed.position
    load(failed, tmp_path, MENDED)
    failed.run(1000)
    end, frontier = state(failed), failed.frontier
    failed.seek(START)
    states = walked(failed)
    assert (failed.position, state(failed)) == (frontier, end)
    for wanted in (place, START, frontier, Position(place.n, place.seq + 1), place):
        assert failed.seek(wanted) == wanted and state(failed) == states[wanted]
    failed.switch("main")
    assert failed.outcome is not None and "not so" in failed.outcome.text
    assert failed.position == place == failed.frontier


def test_a_failure_that_comes_twice_is_passed_twice(tmp_path: Path) -> None:
    timeline = begun(tmp_path, RETRIES, WAITS)
    assert [timeline.run(1000)["reason"] for _ in range(3)] == ["handler", "handler", "guest"]
    end, frontier = state(timeline), timeline.frontier
    timeline.seek(START)
    assert timeline.seek(frontier) == frontier and state(timeline) == end


def test_an_edit_mends_a_failure_too(tmp_path: Path) -> None:
    divides = "from arm_hyp.hypervisor import *\n@handler(EC.WFX)\ndef wfx(vcpu, exit):\n    5 // vcpu.x(7)\n"
    timeline = begun(tmp_path, divides + "    vcpu.skip_instruction()\n", WAITS)
    assert timeline.run(1000)["reason"] == "handler"
    timeline.edit(Edit(("X7=1",)))
    assert timeline.run(1000)["reason"] == "guest"
    end = state(timeline)
    timeline.seek(Position(0))
    timeline.seek(timeline.frontier)
    assert state(timeline) == end


def test_new_handlers_have_a_new_patience(tmp_path: Path) -> None:
    timeline = begun(tmp_path, FAILS.replace("    vcpu.skip_instruction()", ""), WAITS)
    timeline.run(1000)
    load(timeline, tmp_path, MENDED)
    assert timeline.run(1000)["reason"] == "guest"


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("def", "no Python"),
        ("x = 1", "registers no handler"),
        ("1 // 0", "ZeroDivisionError"),
        (DEVICE.format(low=0x4000_0000, value=1), "overlaps RAM"),
    ],
)
def test_a_wrong_file_leaves_everything_as_it_was(source: str, cause: str, tmp_path: Path) -> None:
    timeline = begun(tmp_path, "first")
    timeline.run(40)
    place = timeline.seek(Position(20))
    before, code = state(timeline), timeline.runner.handlers
    with pytest.raises(UserError) as error:
        load(timeline, tmp_path, source)
    assert cause in error.value.cause
    assert (list(timeline.branches), timeline.position) == (["main"], place)
    assert state(timeline) == before and timeline.runner.handlers is code
    timeline.seek(timeline.frontier)
    assert timeline.run(1000)["reason"] == "guest"


def test_no_such_file(tmp_path: Path) -> None:
    timeline = begun(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        timeline.load_handlers(str(tmp_path / "none.py"))


def test_a_machine_without_a_hypervisor_in_python_takes_none(tmp_path: Path) -> None:
    (tmp_path / "g.s").write_text("hvc #0\n")
    (tmp_path / "h.py").write_text(FILES["first"])
    timeline = Timeline(Configuration(image=str(tmp_path / "g.s")))
    with pytest.raises(UserError, match="--hypervisor"):
        timeline.load_handlers(str(tmp_path / "h.py"))
    assert list(timeline.branches) == ["main"]


# --- what changes hands -----------------------------------------------------------------------------------------------


def test_a_device_moves(tmp_path: Path) -> None:
    timeline = begun(tmp_path, DEVICE.format(low=0x0B00_0000, value=5), READS)
    assert timeline.run(8)["reason"] == "limit"
    load(timeline, tmp_path, DEVICE.format(low=0x0B00_1000, value=7))
    timeline.run(8 + 6)
    hypervisor = timeline.runner.hypervisor
    assert hypervisor is not None
    assert [over.addresses.start for over in hypervisor.vms[0].bus._over] == [0x0B00_1000]
    timeline.seek(Position(3))
    assert [over.addresses.start for over in hypervisor.vms[0].bus._over] == [0x0B00_0000]
    assert timeline.switch("main") == Position(8)
    assert timeline.run(1000)["reason"] == "guest"
    assert timeline.runner.machine.cpus.cores[0].x(10) == 4 * 5


def test_prints_and_calls_happen_once(tmp_path: Path) -> None:
    sink = RecordingSink()
    timeline = begun(tmp_path, "first", sink=sink)
    timeline.run(30)
    load(timeline, tmp_path, "third")
    timeline.run(1000)
    heard = [repr(each) for each in sink.events]
    timeline.seek(Position(3))
    timeline.seek(timeline.frontier)
    assert [repr(each) for each in sink.events] == heard
    again = RecordingSink()
    timeline.replay(START, timeline.frontier, sink=again)
    kinds = HandlerEffect | HandlerOutput
    told, repeated = ([repr(one) for one in each.events if isinstance(one, kinds)] for each in (sink, again))
    assert repeated == told and any("third" in each for each in told) and any("first" in each for each in told)


def test_handlers_that_come_where_the_guest_waits(tmp_path: Path) -> None:
    """The default handler has the vCPU wait for ever; no event tells that it did, and new ones come behind that."""
    timeline = begun(tmp_path, "", WAITS)
    assert timeline.run(1000)["reason"] == "idle"
    load(timeline, tmp_path, MENDED)
    assert timeline.run(1000)["reason"] == "idle"
    assert data(timeline) == {}
    end, frontier = state(timeline), timeline.frontier
    timeline.seek(START)
    assert timeline.seek(frontier) == frontier and state(timeline) == end


def test_branches_of_branches_keep_their_own_handlers(tmp_path: Path) -> None:
    timeline = begun(tmp_path, "first")
    ends = {}
    for name, place in (("main", None), ("branch1", 30), ("branch2", 45), ("branch3", 10)):
        if place is not None:
            timeline.seek(Position(place))
            load(timeline, tmp_path, {"branch1": "second", "branch2": "third", "branch3": "third"}[name])
        timeline.run(1000)
        assert timeline.history.name == name
        ends[name] = state(timeline)
    for name in ("branch1", "main", "branch3", "branch2", "main"):
        timeline.switch(name)
        assert state(timeline) == ends[name]
    assert [branch.parent for branch in timeline.branches.values()] == [None, "main", "branch1", "branch2"]


# --- in a recording ---------------------------------------------------------------------------------------------------


def recorded(path: Path, handlers: str) -> tuple[Timeline, Recording]:
    """Return a timeline with loads on two branches, and its recording."""
    path.mkdir(exist_ok=True)
    timeline = begun(path, handlers)
    recorder = Recorder(timeline.configuration)
    journal = timeline.runner.machine.cpus.where.journal
    recorder.started(timeline.runner)
    timeline.runner.machine.cpus.where.journal = journal
    timeline.run(60)
    timeline.seek(Position(25))
    load(timeline, path, "second")
    timeline.run(40)
    load(timeline, path, FAILS.replace("== 3", "> 1002"))
    timeline.run(60)
    load(timeline, path, "third")
    timeline.run(1000)
    return timeline, record(timeline, recorder, 10_000)


def everywhere(timeline: Timeline) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for name in list(timeline.branches):
        timeline.switch(name)
        timeline.seek(START)
        found[name] = [*walked(timeline, timeline.end).items()]
    return found


@pytest.mark.parametrize("handlers", ["first", ""])
def test_a_recording_holds_the_handlers_of_each_branch_without_their_code(handlers: str, tmp_path: Path) -> None:
    timeline, recording = recorded(tmp_path / "a", handlers)
    write_recording(str(tmp_path / "run.hyp"), recording)
    known = everywhere(timeline)
    (tmp_path / "a" / "h.py").unlink()
    with Replay(read_recording(str(tmp_path / "run.hyp")), "run.hyp") as replay:
        again, branch, _ = open_timeline(replay)
        assert branch == timeline.history.name == "branch3"
        again.switch("branch3")
        assert again.seek(again.end) == timeline.branches["branch3"].tip.position
        found = everywhere(again)
        assert {name: len(each) for name, each in found.items()} == {name: len(each) for name, each in known.items()}
        assert found == known
        loads = [edited.what for each in again.branches.values() for edited in each.edits]
        assert loads and all(isinstance(load, Load) and not load.code.is_live for load in loads)


def test_a_file_can_be_loaded_on_a_branch_of_a_recording(tmp_path: Path) -> None:
    _, recording = recorded(tmp_path / "a", "first")
    with Replay(recording, "run.hyp") as replay:
        timeline, _, _ = open_timeline(replay)
        timeline.switch("branch1")
        timeline.seek(Position(33))
        load(timeline, tmp_path / "a", "third")
        assert timeline.run(1000)["reason"] == "idle"
        end = state(timeline)
        timeline.seek(START)
        timeline.seek(timeline.frontier)
        assert state(timeline) == end


def test_registrations_that_do_not_fit_the_run_are_refused(tmp_path: Path) -> None:
    _, recording = recorded(tmp_path / "a", "first")
    saved = recording.part(PART)
    saved["branches"][0]["edits"][0][2]["registrations"]["mmio"][0][0] = [0x4000_0000, 0x4000_1000]
    with Replay(recording.with_part(PART, saved), "run.hyp") as replay, pytest.raises(UserError, match="overlaps RAM"):
        open_timeline(replay)
