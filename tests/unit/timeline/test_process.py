"""A machine in a process of its own: the same answers, and the same run whatever becomes of the process."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from process_support import (
    BUSY,
    ECHO,
    FOREVER,
    SMALL,
    WAITING_ECHO,
    has_advanced,
    state,
    text_of,
    wait_for_progress,
    wait_for_text,
    with_handlers,
)

from arm_hyp.errors import UserError
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit, Poke, Run, Type
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Answer, Done, Failed, Moved, Restarted
from arm_hyp.timeline.process.pipe import LONGEST_REQUEST_BYTES
from arm_hyp.timeline.process.process import MachineProcess
from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.process.telling import MOST_HELD, Told

PRINTS = """
_start: ldr     x1, =0x09000000
1:      add     w0, w0, #1
        and     w0, w0, #0x1f
        orr     w2, w0, #0x40
        strb    w2, [x1]
        mrs     x3, hcr_el2
        b       1b
"""

# --- the same as without a process ------------------------------------------------------------------------------------

DIALOGUE: tuple[ask.Message, ...] = (
    ask.Status(),
    ask.Subscribe(("all",)),
    Run(100_000),
    ask.Status(),
    ask.Console(),
    ask.StepBack(3),
    ask.Step(),
    ask.Previous("exception"),
    ask.Previous("exit"),
    ask.Next("return"),
    ask.Exceptions(at_most=5),
    ask.Exceptions(at_most=2, is_from_end=True),
    ask.Registers(groups=("general", "vector", "el0", "el1", "el2", "timers", "gic", "pmu", "debug", "id")),
    ask.Registers(whose=ask.Whose(0, 0)),
    ask.Registers(groups=("none",)),
    ask.Memory(0x4008_0000, 64),
    ask.Memory(0x4008_0000, 64, "va"),
    ask.Memory(0x4008_0000, 64, "ipa", ask.Whose(0, 0)),
    ask.Memory(0, 1 << 30),
    ask.Walk(0x4008_0000),
    ask.Walk(0xFFFF_0000_0000_0000, "write", 1),
    ask.Gic(),
    ask.Gic(ask.Whose(0, 0)),
    ask.Stage2Map(),
    ask.Vcpus(),
    ask.Stretch(Position(3), Position(12)),
    ask.Stretch(Position(3), Position(12), ("exception_taken",), 1),
    ask.LastChange("X0"),
    ask.LastChange("X99"),
    ask.Find(conditions=("event==exception_taken",)),
    ask.Find(breakpoints=(ask.Break(0x4008_0000),)),
    ask.Find(breakpoints=(ask.Break("nowhere"),)),
    ask.Find(),
    Edit(("X3=7",)),
    Poke(0x4000_1000, b"abc"),
    Poke(0, b"abc"),
    ask.Write(0x4000_1FFE, b"abcd"),
    ask.Write(0x0900_0000, b"abcd", "pa"),
    ask.Locate(0x4008_0000),
    ask.Locate(0xFFFF_0000_0000_0000, ask.Whose(0, 0)),
    ask.GoToPoint((ask.Point("execute", 0x4008_0004), ask.Point("access", 0x4000_1000, 8)), limit=100),
    ask.GoToPoint((), is_back=True),
    ask.StepOne(limit=100),
    ask.UnstepOne(),
    ask.ExceptionCounts(),
    ask.WalkWords(ask.Walk(0x4008_0000)),
    ask.Stage2Words(),
    ask.KernelSymbols(),
    ask.VmEnded(),
    ask.Dumps(("vcpus", "stage2", "vgic")),
    ask.Dumps(("nothing",)),
    ask.Diagnose(),
    ask.Branch("second"),
    ask.Branch("second"),
    ask.Mark("here", Position(3)),
    ask.Mark("nowhere"),
    ask.Switch("main"),
    ask.Switch("nowhere"),
    Type(b"x", 7),
    ask.Status(),
    ask.StateHash(),
)


@pytest.mark.parametrize(
    ("name", "options"), [("08-virq", {}), ("19-smp", {"cpus": 2}), ("26-virtual-timer", {"hypervisor": ""})]
)
def test_a_dialogue_has_the_same_answers_in_a_process(
    name: str, options: dict[str, object], start: Callable[..., MachineProcess]
) -> None:
    configuration = Configuration(
        image=str(guests_directory() / f"{name}.s"),
        memory_bytes=SMALL,
        **options,  # type: ignore[arg-type]
    )
    session, process = Session(configuration), start(configuration)
    for message in DIALOGUE:
        assert process.send(message) == session.send(message), message
    assert process.take_events() == session.take_events()


def test_what_is_wrong_with_a_configuration_is_an_error_at_once(tmp_path: Path) -> None:
    missing = Configuration(image=str(tmp_path / "nothing.s"))
    with pytest.raises(UserError) as here:
        Session(missing)
    with pytest.raises(UserError) as there:
        MachineProcess(missing)
    assert str(here.value) == str(there.value)


# --- while it works ---------------------------------------------------------------------------------------------------


def test_a_run_tells_how_far_it_is_and_can_be_stopped(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    process = start(made(BUSY))
    assert process.ask(Run(FOREVER)) is None
    first = wait_for_progress(process, has_advanced).position
    wait_for_progress(process, lambda progress: progress.position > first)
    assert isinstance(process.ask(ask.Status()), Failed)  # it is busy
    process.stop()
    answer = process.answer()
    assert isinstance(answer, Moved) and answer.reason == "stopped" and answer.position > first
    further = answer.position.n + 1000
    answer = process.send(Run(further))
    assert isinstance(answer, Moved) and (answer.reason, answer.position.n) == ("limit", further)


def test_a_stop_that_comes_with_what_it_is_to_stop_holds(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    process = start(made(BUSY))
    process.ask(Run(FOREVER))
    process.stop()
    answer = process.answer()
    assert isinstance(answer, Moved) and answer.reason == "stopped"


def test_a_stop_that_comes_too_late_stops_nothing(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    process = start(made(BUSY))
    process.send(Run(1000))
    process.stop()
    answer = process.send(Run(2000))
    assert isinstance(answer, Moved) and (answer.reason, answer.position.n) == ("limit", 2000)


def test_what_is_typed_into_a_run_comes_back_with_it(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    configuration = made(ECHO)
    process = start(configuration)
    process.send(ask.Subscribe(("console_output",)))
    process.send(Type(b"begin "))
    process.ask(Run(FOREVER))
    process.type(b"end")
    wait_for_text(process, "end")
    process.stop()
    assert isinstance(process.answer(), Moved)
    before = state(process)
    assert isinstance(process.kill(), Restarted)
    assert state(process) == before and text_of(process.send(ask.Console())) == b"begin end"


def test_a_guest_that_waits_for_input_is_waited_for(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    process = start(made(WAITING_ECHO))
    assert isinstance(Session(made(WAITING_ECHO)).send(ask.Live()), Failed)
    answer = process.send(Run(FOREVER))
    assert isinstance(answer, Moved) and answer.reason == "idle"  # nobody can type
    process.send(ask.Live())
    process.send(ask.Subscribe(("console_output",)))
    process.ask(Run(FOREVER))
    for typed in "abc":
        process.type(typed.encode())
        wait_for_text(process, typed)
    process.stop()
    answer = process.answer()
    assert isinstance(answer, Moved) and answer.reason == "stopped"
    before = state(process)
    assert isinstance(process.kill(), Restarted) and state(process) == before
    assert text_of(process.send(ask.Console())) == b"abc"


def test_a_guest_whose_input_has_ended_waits_for_nobody(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    process = start(made(WAITING_ECHO))
    process.send(ask.Live())
    process.send(ask.Subscribe(("console_output",)))
    process.ask(Run(FOREVER))
    process.type(b"a")
    wait_for_text(process, "a")
    process.live(ask.Live(can_type=False, is_paced=False))
    answer = process.answer()
    assert isinstance(answer, Moved) and answer.reason == "idle"


def test_events_come_in_batches_that_are_bounded(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    process = start(made("1: mrs x0, hcr_el2\n b 1b\n"))
    process.send(ask.Subscribe(("all",)))
    process.ask(Run(200_000))
    answer = process.answer()
    events = process.take_events()
    assert isinstance(answer, Moved) and len(events.events) <= 10_000 and events.dropped > 0
    assert process.take_events().events == ()


def test_all_is_told_and_nothing_is_left_out(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    configuration, told = made(PRINTS), list[Told]()
    process, session = start(configuration, on_told=told.append), Session(configuration)
    for machine in (session, process):
        machine.send(ask.Tell(("all",)))
        machine.send(Run(20_000))
        machine.send(ask.StepBack(100))
        machine.send(ask.Step(100))  # what happens again is not told again
    teller = session.listeners.teller
    alone = None if teller is None else teller.take()
    assert alone is not None and len(alone.events) > 2 * MOST_HELD
    assert [event for one in told for event in one.events] == [*alone.events]
    printed = b"".join(one.data for each in told for one in each.printed)
    assert printed == b"".join(one.data for one in alone.printed) == bytes(session.timeline.runner.consoles[0]) != b""


def test_what_is_to_be_told_is_told_by_the_next_process_too(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    told = list[Told]()
    process = start(made(PRINTS), on_told=told.append)
    process.send(ask.Tell())
    process.send(Run(100))
    before = b"".join(one.data for each in told for one in each.printed)
    process.kill()
    process.send(Run(200))
    after = b"".join(one.data for each in told for one in each.printed)
    assert before and after == text_of(process.send(ask.Console())) and len(after) > len(before)


# --- what is sent -----------------------------------------------------------------------------------------------------


def raw(process: MachineProcess, data: bytes) -> Answer:
    """Send bytes, and return what was answered to nothing in particular."""
    end = process._pipe._end
    end.setblocking(True)
    end.sendall(data)
    end.setblocking(False)
    while True:
        process._pipe.wait()
        answer = process._take_in(0)
        if answer is not None:
            return answer


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", bytes(64), b"\x91" * 5000, b"\xff\xfe" * 20],
    ids=["empty", "no-type", "zeros", "nested", "numbers"],
)
def test_a_message_that_cannot_be_read_is_refused_and_the_process_lives(
    body: bytes, made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    process = start(made(BUSY))
    pid = process.pid
    assert isinstance(raw(process, struct.pack("<I", len(body)) + body), Failed)
    assert isinstance(process.send(Run(1000)), Moved) and process.pid == pid


def test_a_message_that_is_too_long_is_passed_over(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    process = start(made(BUSY))
    pid, length = process.pid, LONGEST_REQUEST_BYTES + 1
    answer = raw(process, struct.pack("<I", length) + bytes(length))
    assert isinstance(answer, Failed) and "the longest has" in answer.cause
    assert isinstance(process.send(Run(1000)), Moved) and process.pid == pid


def test_a_child_that_writes_nonsense_is_replaced(tmp_path: Path, start: Callable[..., MachineProcess]) -> None:
    configuration = with_handlers(tmp_path, hangs_at=0)
    text = (tmp_path / "h.py").read_text()
    (tmp_path / "h.py").write_text(
        text.replace("    if n ==", "    import os, sys\n    os.write(int(sys.argv[1]), b'nonsense')\n    if n ==")
    )
    process = start(configuration)
    answer = process.send(Run(1000))
    assert isinstance(answer, Restarted) and "it sent what it should not" in answer.reason


# --- nothing is left --------------------------------------------------------------------------------------------------

PARENT = """
import sys
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Run
from arm_hyp.timeline.process.process import MachineProcess
process = MachineProcess(Configuration(image=sys.argv[1], memory_bytes=4 << 20, hypervisor=sys.argv[2] or None))
if sys.argv[3]:
    process.ask(Run(1 << 60))
print(process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("what", ["idle", "running", "hanging"])
def test_a_child_ends_with_its_parent(what: str, tmp_path: Path) -> None:
    configuration = with_handlers(tmp_path, hangs_at=2)
    os.mkfifo(tmp_path / "h.py.fifo")
    (tmp_path / "busy.s").write_text(BUSY)
    image = str(configuration.image) if what == "hanging" else str(tmp_path / "busy.s")
    handlers = str(configuration.hypervisor) if what == "hanging" else ""
    arguments = [sys.executable, "-c", PARENT, image, handlers, "" if what == "idle" else "run"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        if what == "hanging":
            assert (tmp_path / "h.py.fifo").read_text() == "x"
        parent.kill()
    assert select.select([child], [], [], 60)[0], "the child is still there"
    os.close(child)


def test_starting_and_ending_leaves_no_process_and_no_descriptor(made: Callable[[str], Configuration]) -> None:
    configuration = made(BUSY)
    MachineProcess(configuration).close()
    before, children = sorted(os.listdir("/proc/self/fd")), _children()
    for number in range(8):
        with MachineProcess(configuration) as process:
            assert isinstance(process.send(Run(1000)), Moved)
            if number % 2:
                process.kill()
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert _children() <= children, "others may have children of their own, but none came"


def _children() -> set[str]:
    """Return the children of this process, those that have ended and were not waited for included."""
    return {pid for each in Path("/proc/self/task").iterdir() for pid in (each / "children").read_text().split()}


def test_a_closed_process_answers_that_it_is(made: Callable[[str], Configuration]) -> None:
    process = MachineProcess(made(BUSY))
    assert process.send(Type(b"x")) == Done()
    process.close()
    process.close()
    assert process.send(ask.Status()) == Failed("the machine process", "is closed")
