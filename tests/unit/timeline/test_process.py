"""A machine in a process of its own: the same answers, and the same run whatever becomes of the process."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arm_hyp.errors import UserError
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit, Poke, Run, Type
from arm_hyp.timeline import messages as ask
from arm_hyp.timeline.answers import Answer, ConsoleAnswer, Done, Failed, Hash, Moved, Restarted, StatusAnswer
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import MachineProcess
from arm_hyp.timeline.process_pipe import LONGEST_REQUEST_BYTES, Progress, RecordingFile
from arm_hyp.timeline.recording_replay import Replay
from arm_hyp.timeline.session import Session

SMALL = 4 << 20
FOREVER = 1 << 60
BUSY = """
_start: adr     x1, table
1:      add     x0, x0, #1
        str     x0, [x1, x0, lsl #3]
        and     x0, x0, #0xfff
        b       1b
        .balign 4096
table:  .space  65536
"""
ECHO = """
_start: ldr     x1, =0x09000000
1:      ldr     w2, [x1, #0x18]         // FR
        tbnz    w2, #4, 2f              // nothing there
        ldr     w0, [x1]
        strb    w0, [x1]
2:      add     x11, x11, #1
        b       1b
"""
WAITING_ECHO = """
_start: ldr     x1, =0x09000000
        mov     w2, #0x10
        str     w2, [x1, #0x38]         // IMSC: receive
        ldr     x3, =0x08000000         // GICD
        mov     w2, #1
        str     w2, [x3]
        mov     w2, #2
        str     w2, [x3, #0x104]        // ISENABLER1: INTID 33
        ldr     x4, =0x08010000         // GICC
        mov     w2, #0xff
        str     w2, [x4, #4]
        mov     w2, #1
        str     w2, [x4]
        mov     w5, #0x821
        strb    w2, [x3, x5]            // ITARGETSR: CPU 0
        mov     x5, #0x38               // physical interrupts come here
        msr     hcr_el2, x5
1:      wfi
        ldr     w0, [x1]
        strb    w0, [x1]
        b       1b
"""
WAITS = "mov x1, #6\n1: wfi\n sub x1, x1, #1\n cbnz x1, 1b\nldr x0, =0x84000008\nhvc #0\n"
HANDLERS = """
from arm_hyp.hypervisor import *

@handler(EC.WFX)
def wfx(vcpu, exit):
    n = vcpu.data["n"] = vcpu.data.get("n", 0) + 1
    with open(__file__ + ".called", "a") as file:
        file.write("x")
    if n == HANGS_AT:
        with open(__file__ + ".fifo", "w") as file:
            file.write("x")
        sum(range(10 ** 12))
    vcpu.skip_instruction()
"""
HANGING_LINES = range(10, 13)
"""From the `with` at whose end the test goes on."""


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Configuration]:
    """Make a configuration of a guest's source."""

    def write(source: str) -> Configuration:
        (tmp_path / "g.s").write_text(source)
        return Configuration(image=str(tmp_path / "g.s"), memory_bytes=SMALL)

    return write


@pytest.fixture
def start() -> Iterator[Callable[..., MachineProcess]]:
    """Start processes that are ended with the test."""
    started: list[MachineProcess] = []

    def begin(configuration: Configuration | RecordingFile, **options: float) -> MachineProcess:
        started.append(MachineProcess(configuration, **options))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for process in started:
        process.close()


def wait_for_progress(process: MachineProcess, is_enough: Callable[[Progress], bool]) -> Progress:
    """Wait until something was heard of what is being done."""
    while process.progress is None or not is_enough(process.progress):
        select.select([process], [], [])
        assert process.poll() is None
    return process.progress


def has_advanced(progress: Progress) -> bool:
    return progress.position.n > 0


def state(who: MachineProcess | Session) -> bytes:
    answer = who.send(ask.StateHash())
    assert isinstance(answer, Hash)
    return answer.digest


def straight(configuration: Configuration, position: Position) -> bytes:
    """Return the state of a run that only went forward."""
    session = Session(configuration)
    session.send(ask.Seek(position))
    return state(session)


def text_of(answer: Answer) -> bytes:
    assert isinstance(answer, ConsoleAnswer)
    return b"".join(chunk.data for chunk in answer.chunks)


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
    heard = ""
    while not heard.endswith("end"):
        select.select([process], [], [])
        assert process.poll() is None
        heard += "".join(str(event["text"]) for event in process.take_events().events)
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
    heard = ""
    for typed in "abc":
        process.type(typed.encode())
        while not heard.endswith(typed):
            select.select([process], [], [])
            assert process.poll() is None
            heard += "".join(str(event["text"]) for event in process.take_events().events)
    process.stop()
    answer = process.answer()
    assert isinstance(answer, Moved) and answer.reason == "stopped"
    before = state(process)
    assert isinstance(process.kill(), Restarted) and state(process) == before
    assert text_of(process.send(ask.Console())) == b"abc"


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


# --- killed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_in_the_middle_of_a_run_is_replaced_where_it_was(
    ended_by: signal.Signals, made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    configuration = made(BUSY)
    process = start(configuration)
    process.ask(Run(FOREVER))
    heard = wait_for_progress(process, has_advanced).position
    os.kill(process.pid, ended_by)
    answer = process.answer()
    assert isinstance(answer, Restarted) and ended_by.name in answer.reason and answer.handler is None
    assert answer.position >= heard
    status = process.send(ask.Status())
    assert isinstance(status, StatusAnswer) and status.position == status.frontier == answer.position
    assert state(process) == straight(configuration, answer.position)
    further = Position(answer.position.n + 100_000)
    process.send(Run(further.n))
    assert state(process) == straight(configuration, further)


def test_branches_edits_marks_and_the_cursor_survive(
    made: Callable[[str], Configuration], start: Callable[..., MachineProcess]
) -> None:
    process = start(made(BUSY))
    for message in (Run(3000), ask.Seek(Position(1000)), Edit(("X0=5",)), Run(5000), Poke(0x4010_0000, b"abc")):
        process.send(message)
    process.send(ask.Mark("middle", Position(2500)))
    process.send(ask.Breakpoints(("main", "EC=0x24")))
    process.send(ask.Seek(Position(4000)))
    before, at = process.send(ask.Status()), state(process)
    assert isinstance(process.kill(), Restarted)
    assert process.send(ask.Status()) == before and state(process) == at
    process.send(ask.Switch("main"))
    main = state(process)
    process.kill()
    assert state(process) == main
    process.send(ask.Switch("branch1"))
    process.send(ask.Seek(Position(4000)))
    assert state(process) == at


def test_a_machine_that_cannot_start_again_says_so(tmp_path: Path, start: Callable[..., MachineProcess]) -> None:
    (tmp_path / "g.s").write_text(BUSY)
    process = start(Configuration(image=str(tmp_path / "g.s"), memory_bytes=SMALL))
    (tmp_path / "g.s").unlink()
    answer = process.kill()
    assert isinstance(answer, Failed) and "g.s" in answer.cause + answer.thing
    assert isinstance(process.send(ask.Status()), Failed)


# --- a user's handlers ------------------------------------------------------------------------------------------------


def with_handlers(path: Path, hangs_at: int) -> Configuration:
    (path / "h.py").write_text(HANDLERS.replace("HANGS_AT", str(hangs_at)))
    (path / "g.s").write_text(WAITS)
    return Configuration(image=str(path / "g.s"), memory_bytes=SMALL, hypervisor=str(path / "h.py"))


def calls(path: Path) -> int:
    return len((path / "h.py.called").read_text())


@pytest.mark.parametrize("deadline_s", [None, 0.0])
def test_a_handler_that_never_returns_is_ended_at_the_exit_before_it(
    deadline_s: float | None, tmp_path: Path, start: Callable[..., MachineProcess]
) -> None:
    configuration = with_handlers(tmp_path, hangs_at=3)
    os.mkfifo(tmp_path / "h.py.fifo")
    process = start(configuration)
    process.ask(Run(1000))
    assert (tmp_path / "h.py.fifo").read_text() == "x"  # now it hangs
    answer = process.kill("the user was tired of it") if deadline_s is None else process.answer(deadline_s)
    assert isinstance(answer, Restarted) and answer.handler is not None
    call = answer.handler
    assert answer.reason == ("the user was tired of it" if deadline_s is None else "it was not done after 0 s")
    assert call.vcpu == "vm0/vcpu0" and call.decorator == "@handler(EC.WFX)"
    file, line = call.at.removesuffix(", in wfx").split(":")
    assert file == str(tmp_path / "h.py") and int(line) in HANGING_LINES
    assert answer.position == call.position
    assert calls(tmp_path) == 3
    assert state(process) == straight(with_handlers(tmp_path, hangs_at=0), answer.position)
    back = process.send(ask.Previous("exit"))
    assert isinstance(back, Answer) and calls(tmp_path) == 3 + 2


def test_what_handlers_did_is_not_done_again(tmp_path: Path, start: Callable[..., MachineProcess]) -> None:
    process = start(with_handlers(tmp_path, hangs_at=0))
    process.send(Run(10))
    before, called = state(process), calls(tmp_path)
    assert called
    process.kill()
    assert (state(process), calls(tmp_path)) == (before, called)
    process.send(Run(1000))
    assert calls(tmp_path) == 6


def test_a_user_whose_file_is_broken_meanwhile_loses_nothing(
    tmp_path: Path, start: Callable[..., MachineProcess]
) -> None:
    process = start(with_handlers(tmp_path, hangs_at=0))
    process.send(Run(10))
    before, text = state(process), (tmp_path / "h.py").read_text()
    (tmp_path / "h.py").write_text("def (")
    assert isinstance(process.kill(), Restarted) and state(process) == before
    (tmp_path / "h.py").write_text(text.replace('get("n", 0) + 1', 'get("n", 0) + 100'))
    assert isinstance(process.send(ask.LoadHandlers(str(tmp_path / "h.py"))), Moved)
    process.send(Run(1000))
    after = state(process)
    assert isinstance(process.kill(), Restarted) and state(process) == after
    process.send(ask.Seek(Position(10)))
    assert state(process) == before


def test_a_recording_goes_on_where_its_user_was(tmp_path: Path, start: Callable[..., MachineProcess]) -> None:
    path = sorted((Path(__file__).parents[2] / "fixtures" / "recordings").glob("*.hyp"))[0]
    session, process = Session(Replay.open(str(path))), start(RecordingFile(str(path)))
    for message in (Run(3000), ask.StepBack(5), ask.Status(), ask.StateHash()):
        assert process.send(message) == session.send(message)
    before = state(process)
    process.kill()
    assert state(process) == before


def test_what_a_user_prints_reaches_no_terminal(
    tmp_path: Path, start: Callable[..., MachineProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    configuration = with_handlers(tmp_path, hangs_at=0)
    (tmp_path / "h.py").write_text('import os\nprint("loaded")\nos.write(1, b"raw")\n' + HANDLERS)
    (tmp_path / "h.py").write_text((tmp_path / "h.py").read_text().replace("HANGS_AT", "0"))
    process = start(configuration)
    assert "loaded" in process.captured and "raw" in process.captured
    assert capfd.readouterr() == ("", "")


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
from arm_hyp.timeline.process import MachineProcess
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
    before = sorted(os.listdir("/proc/self/fd"))
    for number in range(8):
        with MachineProcess(configuration) as process:
            assert isinstance(process.send(Run(1000)), Moved)
            if number % 2:
                process.kill()
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_closed_process_answers_that_it_is(made: Callable[[str], Configuration]) -> None:
    process = MachineProcess(made(BUSY))
    assert process.send(Type(b"x")) == Done()
    process.close()
    process.close()
    assert process.send(ask.Status()) == Failed("the machine process", "is closed")
