"""Recorded and replayed: the same events, the same state, whoever typed and however long he took."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from recording_support import ECHO, LIMIT, SLEEPER, User, guest, record, replay, saved

from arm_hyp.errors import UserError
from arm_hyp.kvm_events import HandlerOutput
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Run, Runner, Type
from arm_hyp.runner.vm_file import read_vm_file
from arm_hyp.timeline.recordings.container import read
from arm_hyp.timeline.recordings.recorder import Recorder
from arm_hyp.timeline.recordings.recording import OPEN

GUESTS = sorted(guests_directory().glob("*.s"))
NEEDS = {
    "15-timer-gicv3.s": {"gic": 3},
    "18-inject-gicv3.s": {"gic": 3},
    "19-smp.s": {"cpus": 2},
    "20-other-cpus-code.s": {"cpus": 2},
    "22-vhe.s": {"cpu": "max"},
    "22-vhe-timers.s": {"cpu": "max"},
    "28-vm-smp.s": {"cpus": 2, "hypervisor": ""},
    "25-demand-paging.s": {"hypervisor": ""},
}


def everything(runner):
    """Return the whole state but for the queues of input: what a replay has in its script, the run had been typed."""
    state = runner.snapshot()
    (state.get("machine") or state).pop("input")
    for vm in (state.get("hypervisor") or {}).get("vms", ()):
        vm.get("devices", {}).pop("input", None)
    return state


def assert_same(folder, recording, runner, events):
    """Replay from a file, and compare with the run."""
    path = folder / "run.hyp"
    assert saved(path, recording) == recording
    difference, again, repeated = replay(path)
    assert difference == ""
    assert repeated == events
    assert everything(again) == everything(runner)


@pytest.mark.parametrize("path", GUESTS, ids=lambda path: path.stem)
def test_every_guest_is_repeated_from_its_recording_alone(tmp_path, path):
    made = Configuration(image=str(path), **NEEDS.get(path.name, {}))
    recording, runner, events = record(made, limit=200_000)
    assert_same(tmp_path, recording, runner, events)


def test_two_vms_from_a_file_are_repeated(tmp_path):
    made = read_vm_file(str(guests_directory() / "vms" / "counting.toml"))
    recording, runner, events = record(made, limit=200_000)
    assert len(recording.inputs) == len(made.vms)
    assert_same(tmp_path, recording, runner, events)


def test_what_is_typed_from_a_file_is_repeated(tmp_path):
    made = guest(tmp_path, ECHO)
    recorder = Recorder(made)
    runner = Runner(made)
    recorder.started(runner)
    runner.send(Type(b"hello, all of you who are there; goodbye q"))
    answer = runner.send(Run(LIMIT))
    recording = recorder.recording(runner, answer, LIMIT)
    assert runner.machine.console.endswith(b"goodbye q")
    saved(tmp_path / "run.hyp", recording)
    difference, again, _ = replay(tmp_path / "run.hyp")
    assert difference == "" and again.machine.console == runner.machine.console


@given(
    script=st.lists(
        st.tuples(st.integers(1, 5_000_000_000), st.one_of(st.none(), st.binary(min_size=1, max_size=20))), max_size=8
    )
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_live_user_is_repeated_to_the_nanosecond(tmp_path, script):
    """However long each key took, wherever the user ended the run: also within a sleep, and where input had ended."""
    recording, runner, events = record(guest(tmp_path, SLEEPER), user=User(script), limit=60_000)
    assert_same(tmp_path, recording, runner, events)


def test_a_run_that_the_user_ends_within_a_sleep_ends_there_again(tmp_path):
    user = User([(1_234_567_890, b"a"), (77, None)])
    recording, runner, events = record(guest(tmp_path, SLEEPER), user=user)
    assert (recording.end.reason, recording.end.status) == ("stopped", 130)
    assert 1_234_567_890 < recording.end.time_ns < 1_300_000_000
    assert_same(tmp_path, recording, runner, events)


HANDLERS = """
from arm_hyp.arch.syndromes import EC
from arm_hyp.hypervisor import handler, hypercall, mmio
from words import WORD

asked = 0

@hypercall(0xC600_0001)
def answer(vcpu, call):
    global asked
    asked += 1
    print("asked", asked, WORD)
    vcpu.data["asked"] = asked
    return ord("0") + asked

@mmio(range(0x0B00_0000, 0x0B00_1000))
def device(vcpu, access):
    return 0x21
"""
CALLS = """
        ldr     x1, =0x09000000
        mov     x20, #5
1:      ldr     x0, =0xc6000001
        hvc     #0
        str     w0, [x1]
        subs    x20, x20, #1
        b.ne    1b
        mov     x2, #0x0b000000
        ldr     w0, [x2]
        str     w0, [x1]
        ldr     x0, =0x84000008
        hvc     #0
"""


def test_handlers_are_repeated_without_their_code(tmp_path):
    """The replay has the effects; that the files are gone, and others in their place, makes no difference."""
    code, away = tmp_path / "handlers.py", tmp_path / "away"
    code.write_text(HANDLERS)
    (tmp_path / "words.py").write_text("WORD = 'politely'\n")
    away.mkdir()
    made = structs.replace(guest(tmp_path, CALLS), hypervisor=str(code))
    recording, runner, events = record(made)
    assert runner.hypervisor.vms[0].devices.console == b"12345!"
    assert {one.name for one in recording.run.files} == {"guest.s", "handlers.py", "words.py"}
    for file in (code, tmp_path / "words.py"):
        file.write_text("raise SystemExit('somebody ran me')")
    saved(away / "run.hyp", recording)
    assert str(tmp_path).encode() not in b"".join(one.unpack() for one in read(str(away / "run.hyp")))
    difference, again, repeated = replay(away / "run.hyp")
    assert difference == ""
    assert [named(event) for event in repeated] == [named(event) for event in events]
    assert again.hypervisor.vms[0].devices.console == b"12345!"
    assert again.hypervisor.vms[0].vcpus[0].data == {"asked": 5}
    assert "words" not in sys.modules


def named(event):
    """Return an event with files by their own names."""
    return structs.replace(event, file=Path(event.file).name) if isinstance(event, HandlerOutput) else event


def test_a_failing_handler_fails_again_in_the_same_words(tmp_path):
    code = tmp_path / "handlers.py"
    code.write_text(HANDLERS.replace('vcpu.data["asked"] = asked', "1 / (3 - asked)").replace("from words", "#"))
    code.write_text(code.read_text().replace(", WORD", ""))
    recording, runner, _ = record(structs.replace(guest(tmp_path, CALLS), hypervisor=str(code)))
    assert recording.end.reason == "handler" and "ZeroDivisionError" in recording.end.text
    assert str(tmp_path) not in recording.end.text
    saved(tmp_path / "run.hyp", recording)
    difference, again, _ = replay(tmp_path / "run.hyp")
    assert (difference, again.machine.retired) == ("", runner.machine.retired)


@pytest.mark.parametrize("limit", [1, 17, 65536, 70_001])
def test_a_limit_is_repeated(tmp_path, limit):
    recording, runner, events = record(guest(tmp_path, "1: add x0, x0, #1\n b 1b\n"), limit=limit)
    assert (recording.end.reason, recording.end.n) == ("limit", limit)
    assert_same(tmp_path, recording, runner, events)


@pytest.mark.parametrize("until", ["lo", "never"])
def test_a_text_that_is_waited_for_is_repeated(tmp_path, until):
    made = guest(tmp_path, ECHO)
    recorder = Recorder(made)
    runner = Runner(made)
    recorder.started(runner)
    runner.send(Type(b"hello q"))
    answer = runner.send(Run(LIMIT, until))
    recording = recorder.recording(runner, answer, LIMIT, until)
    saved(tmp_path / "run.hyp", recording)
    difference, again, _ = replay(tmp_path / "run.hyp")
    assert (difference, again.machine.retired) == ("", runner.machine.retired)


def test_a_run_that_was_torn_off_is_repeated_to_its_last_event(tmp_path):
    made = Configuration(image=str(guests_directory() / "08-virq.s"))
    recorder = Recorder(made)
    runner = Runner(made)
    recorder.started(runner)
    runner.send(Run(100))
    recording = saved(tmp_path / "run.hyp", recorder.recording(runner, None, LIMIT))
    assert recording.end.reason == OPEN and 0 < recording.end.n <= 100
    difference, again, events = replay(tmp_path / "run.hyp")
    assert difference == "" and len(events) > 3
    assert again.machine.retired in (recording.end.n, recording.end.n + 1)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    made = guest(tmp_path, ECHO)
    recorder = Recorder(made)
    runner = Runner(made)
    guest(tmp_path, ECHO + " nop\n")
    with pytest.raises(UserError, match="changed while it was read"):
        recorder.started(runner)
