"""gdb and a machine in a process of its own: the same as one in this process, and what becomes of it when it dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from arm_hyp.debug.gdb.debuggee import Reason, StopKind, StopPoint
from arm_hyp.debug.gdb.machine_debuggee import MachineDebuggee
from arm_hyp.debug.gdb.stub import Stub
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.machine import Machine
from arm_hyp.timeline.process.pipe import Progress
from arm_hyp.timeline.process.process import MachineProcess
from arm_hyp.timeline.process.session import Session

LIMIT = 1 << 60
BASE = 0x4008_0000
BUSY = """
_start: adr     x1, table
1:      add     x0, x0, #1
        str     x0, [x1]
        b       1b
        .balign 64
table:  .quad   0
"""
HANGS = """
from arm_hyp.hypervisor import *

@handler(EC.HVC64)
def hvc(vcpu, exit):
    with open(__file__ + ".fifo", "w") as file:
        file.write("x")
    sum(range(10 ** 12))
"""
PACKETS = [
    b"qSupported:swbreak+;hwbreak+",
    b"?",
    b"g",
    b"vCont;s:1;c",
    b"g",
    b"m40080000,40",
    b"M40080f00,4:01020304",
    b"P3=0700000000000000",
    b"p3",
    b"p60",
    b"p61",
    b"Z2,40080f00,8",
    b"m40080efe,8",
    b"m9000000,4",
    b"M9000000,4:01020304",
    b"qfThreadInfo",
    b"qThreadExtraInfo,1",
    b"qXfer:threads:read::0,fff",
    b"bs",
    b"bs",
    b"z2,40080f00,8",
    b"Hg2",
    b"g",
    b"Hg1",
    *(b"qRcmd," + name.encode().hex().encode() for name in ("why", "exits", "gic", "stage2", "position", "help")),
    *(b"qRcmd," + name.encode().hex().encode() for name in ("walk 0x40080000", "walk 0 write el1", "walk 0 el9")),
    b"c",
    b"bc",
]


@pytest.fixture
def start() -> Iterator[Callable[..., MachineProcess]]:
    """Start processes that are ended with the test."""
    started: list[MachineProcess] = []

    def begin(configuration: Configuration, **options: object) -> MachineProcess:
        started.append(MachineProcess(configuration, **options))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for process in started:
        process.close()


def _busy(path: Path) -> Configuration:
    (path / "busy.s").write_text(BUSY)
    return Configuration(image=str(path / "busy.s"), memory_bytes=4 << 20)


def _position(machine: Machine) -> Position:
    return machine.send(ask.Status()).position  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "options"), [("02-wfi", {"settings": ("HCR_EL2.TWI=1",)}), ("26-virtual-timer", {"hypervisor": ""})]
)
def test_packets_have_the_same_answers_in_a_process(
    name: str, options: dict[str, object], start: Callable[..., MachineProcess]
) -> None:
    image = str(guests_directory() / f"{name}.s")
    made = Configuration(image=image, memory_bytes=4 << 20, **options)  # type: ignore[arg-type]
    session, process = Session(made), start(made)
    stubs = [Stub(MachineDebuggee(machine, 10_000), lambda: 0) for machine in (session, process)]
    for packet in PACKETS:
        here, there = (stub.handle(packet) for stub in stubs)
        assert there == here, packet
    assert process.send(ask.StateHash()) == session.send(ask.StateHash())


def test_a_packet_of_all_registers_is_one_message() -> None:
    class Counting:
        """A session that counts what it is asked."""

        def __init__(self, session: Session) -> None:
            self.send, self.stop, self.take_events, self.asked = self._send, session.stop, session.take_events, 0
            self._session = session

        def _send(self, message: ask.Message) -> object:
            self.asked += 1
            return self._session.send(message)

    image = str(guests_directory() / "02-wfi.s")
    machine = Counting(Session(Configuration(image=image, memory_bytes=4 << 20)))
    stub = Stub(MachineDebuggee(machine, LIMIT), lambda: 0)  # type: ignore[arg-type]
    for packet, messages in ((b"g", 1), (b"g", 0), (b"s", 1), (b"g", 1), (b"p60", 1), (b"p60", 0)):
        before = machine.asked
        stub.handle(packet)
        assert machine.asked - before == messages, packet


def test_a_process_that_dies_in_a_motion_is_replaced_and_gdb_is_told(
    tmp_path: Path, start: Callable[..., MachineProcess]
) -> None:
    said: list[str] = []
    heard: list[Position] = []

    def hear(progress: Progress) -> None:
        if progress.position.n and not heard:
            heard.append(progress.position)
            os.kill(process.pid, signal.SIGKILL)

    process = start(_busy(tmp_path), on_progress=hear)
    debuggee = MachineDebuggee(process, LIMIT, say=said.append)
    stop = debuggee.go(frozenset(), is_forward=True)
    assert stop.reason is Reason.FAILED and "SIGKILL" in stop.text and "replaced" in stop.text
    assert len(said) == 1 and stop.text in said[0]
    position = _position(process)
    assert position >= heard[0]
    straight = Session(_busy(tmp_path))
    straight.send(ask.Seek(position))
    assert process.send(ask.StateHash()) == straight.send(ask.StateHash())
    assert debuggee.read_register(1, "pc") == straight.timeline.runner.machine.core.pc
    assert debuggee.step(1).reason is Reason.STEP and _position(process).n == position.n + 1
    assert debuggee.step_back().text == "" and _position(process) == position


def test_a_process_that_dies_while_it_stands_answers_and_gdb_learns_it_with_the_next_stop(
    tmp_path: Path, start: Callable[..., MachineProcess]
) -> None:
    process = start(_busy(tmp_path))
    debuggee = MachineDebuggee(process, LIMIT)
    point = StopPoint(StopKind.HARDWARE, BASE + 8, 4)
    stop = debuggee.go(frozenset({point}), is_forward=True)
    assert (stop.reason, stop.point) == (Reason.POINT, point)
    before = debuggee.read_memory(1, BASE, 64)
    os.kill(process.pid, signal.SIGSEGV)
    assert debuggee.read_memory(1, BASE, 64) == before
    assert debuggee.read_register(1, "pc") == point.address
    stop = debuggee.go(frozenset({point}), is_forward=True)  # the points are gdb's, and hold
    assert (stop.reason, stop.point) == (Reason.POINT, point) and "SIGSEGV" in stop.text
    assert debuggee.step(1).text == ""


def test_a_handler_that_hangs_is_named(tmp_path: Path, start: Callable[..., MachineProcess]) -> None:
    (tmp_path / "g.s").write_text("_start: mov x0, #1\n        hvc #0\n        b .\n")
    (tmp_path / "h.py").write_text(HANGS)
    os.mkfifo(tmp_path / "h.py.fifo")
    fifo = os.open(tmp_path / "h.py.fifo", os.O_RDONLY | os.O_NONBLOCK)
    beside: dict[int, Callable[[], None]] = {}

    def tired() -> None:
        del beside[fifo]
        os.kill(process.pid, signal.SIGABRT)

    def look() -> Mapping[int, Callable[[], None]]:
        return beside

    image, handlers = str(tmp_path / "g.s"), str(tmp_path / "h.py")
    process = start(Configuration(image=image, memory_bytes=4 << 20, hypervisor=handlers), beside=look)
    debuggee = MachineDebuggee(process, LIMIT)
    beside[fifo] = tired
    stop = debuggee.go(frozenset(), is_forward=True)
    os.close(fifo)
    assert stop.reason is Reason.FAILED and "@handler(EC.HVC64)" in stop.text and "h.py" in stop.text
    assert (stop.thread, _position(process).n) == (2, 2)


def test_a_run_is_stopped_from_beside(tmp_path: Path, start: Callable[..., MachineProcess]) -> None:
    readable, writable = os.pipe()
    beside: dict[int, Callable[[], None]] = {}
    process = start(_busy(tmp_path), beside=lambda: beside)
    debuggee = MachineDebuggee(process, LIMIT)

    def stop() -> None:
        del beside[readable]
        debuggee.stop()

    beside[readable] = stop
    os.write(writable, b"!")  # at once: it comes with the message that it is to stop
    assert debuggee.go(frozenset(), is_forward=True).reason is Reason.INTERRUPT
    position = _position(process)
    assert debuggee.step(1).reason is Reason.STEP and _position(process).n == position.n + 1
    os.close(readable)
    os.close(writable)
