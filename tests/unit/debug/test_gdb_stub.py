"""What each packet means, on a machine that is not one: answers, stops, errors; and packets that make no sense."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.debug.gdb.debuggee import Reason, Stop, StopKind, StopPoint, Thread
from arm_hyp.debug.gdb.packets import MAX_PACKET_BYTES
from arm_hyp.debug.gdb.stub import Ending, Stub
from arm_hyp.debug.gdb.target_description import describe
from arm_hyp.errors import UserError

BASE = 0x4008_0000
MEMORY = bytes(range(64))


class Fake:
    """Two CPUs and a vCPU whose registers are numbers, 64 bytes of memory, and stops as a test wants them."""

    description = describe("a72", 2, 4)

    def __init__(self) -> None:
        self.registers: dict[tuple[int, str], int] = {}
        self.memory = bytearray(MEMORY)
        self.next_stop = Stop(Reason.STEP, 1)
        self.moves: list[object] = []

    thread_count = 3

    def threads(self) -> tuple[Thread, ...]:
        return (Thread(1, "CPU 0", "at EL2"), Thread(2, "CPU 1", "off"), Thread(3, "vm<0>/vcpu0", "ready"))

    def thread_at_stop(self) -> int:
        return 1

    def read_register(self, thread: int, name: str) -> int | None:
        if thread == 3 and name.endswith("_EL2"):
            return None
        return self.registers.get((thread, name), 0)

    def write_register(self, thread: int, name: str, value: int) -> None:
        if name == "cpsr":
            raise UserError("cpsr", "cannot be changed here")
        self.registers[thread, name] = value

    def read_memory(self, thread: int, address: int, size_bytes: int) -> bytes:
        offset = address - BASE
        return bytes(self.memory[offset : offset + size_bytes]) if 0 <= offset < len(self.memory) else b""

    def write_memory(self, thread: int, address: int, data: bytes) -> None:
        self.memory[address - BASE : address - BASE + len(data)] = data

    def locate(self, thread: int, address: int) -> int | None:
        return address + 0x1000 if address >= BASE else None

    def step(self, thread: int) -> Stop:
        self.moves.append(("step", thread))
        return self.next_stop

    def step_back(self) -> Stop:
        self.moves.append("step back")
        return self.next_stop

    def go(self, points: frozenset[StopPoint], *, is_forward: bool) -> Stop:
        self.moves.append(("forward" if is_forward else "back", points))
        return self.next_stop

    def stop(self) -> None:
        self.moves.append("stop")

    def monitor(self, thread: int, command: str) -> str:
        if command == "bad":
            raise UserError("monitor bad", "there is no such command")
        return f"{command} of thread {thread}"


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def stub(fake: Fake) -> Stub:
    made = Stub(fake, lambda: 3)
    made.handle(b"qSupported:swbreak+;hwbreak+")
    return made


def _one(stub: Stub, packet: bytes) -> bytes:
    (answer,) = stub.handle(packet)
    return answer


# --- state ------------------------------------------------------------------------------------------------------------


def test_registers_come_in_the_order_and_width_of_the_description(stub: Stub, fake: Fake) -> None:
    fake.registers |= {(1, "x1"): 0x0102_0304_0506_0708, (1, "pc"): BASE, (1, "cpsr"): 0x3C9}
    data = bytes.fromhex(_one(stub, b"g").decode())
    assert data[8:16] == bytes((8, 7, 6, 5, 4, 3, 2, 1))
    assert data[32 * 8 : 33 * 8 + 4] == BASE.to_bytes(8, "little") + (0x3C9).to_bytes(4, "little")
    assert len(data) == 33 * 8 + 4 + 32 * 16 + 2 * 4


def test_a_register_is_read_and_written_by_its_number(stub: Stub, fake: Fake) -> None:
    number = f"{fake.description.by_name['HCR_EL2'].number:x}".encode()
    assert _one(stub, b"P" + number + b"=0100008000000000") == b"OK"
    assert fake.registers[1, "HCR_EL2"] == 0x8000_0001
    assert _one(stub, b"p" + number) == b"0100008000000000"


def test_a_register_that_a_thread_lacks_is_unavailable(stub: Stub, fake: Fake) -> None:
    number = f"{fake.description.by_name['HCR_EL2'].number:x}".encode()
    assert _one(stub, b"Hg3") == b"OK"
    assert _one(stub, b"p" + number) == b"x" * 16


def test_only_registers_that_change_are_written(stub: Stub, fake: Fake) -> None:
    data = bytearray.fromhex(_one(stub, b"g").decode())
    data[16:24] = (7).to_bytes(8, "little")
    assert _one(stub, b"G" + data.hex().encode()) == b"OK"
    assert fake.registers == {(1, "x2"): 7}


def test_what_cannot_be_changed_is_said_in_words(stub: Stub) -> None:
    assert b"cpsr" in _one(stub, b"P21=00000000")


def test_memory_is_read_as_far_as_it_goes(stub: Stub) -> None:
    assert _one(stub, b"m40080000,4") == b"00010203"
    assert _one(stub, b"m4008003e,8") == b"3e3f"
    assert _one(stub, b"m0,8").startswith(b"E")
    assert _one(stub, b"m40080000,ffffffff") == MEMORY.hex().encode()


def test_memory_is_written_in_hexadecimal_and_in_binary(stub: Stub, fake: Fake) -> None:
    assert _one(stub, b"M40080001,2:aabb") == b"OK"
    assert _one(stub, b"X40080003,2:#\xff") == b"OK"
    assert _one(stub, b"X40080003,0:") == b"OK"
    assert fake.memory[:6] == b"\0\xaa\xbb#\xff\x05"
    assert _one(stub, b"M40080001,3:aabb").startswith(b"E")


# --- moving -----------------------------------------------------------------------------------------------------------


def test_a_stop_carries_what_gdb_always_wants(stub: Stub, fake: Fake) -> None:
    fake.registers[1, "pc"] = BASE
    answer = _one(stub, b"?").decode()
    assert re.fullmatch(r"T05(1d|1f|20):.*thread:1;", answer)
    assert "20:0000084000000000;" in answer


@pytest.mark.parametrize(
    ("stop", "told"),
    [
        (Stop(Reason.STEP, 2), b"thread:2;"),
        (Stop(Reason.INTERRUPT, 1), b"T02"),
        (Stop(Reason.FAILED, 1), b"T06"),
        (Stop(Reason.START, 1), b"replaylog:begin;"),
        (Stop(Reason.END, 1), b"replaylog:end;"),
        (Stop(Reason.POINT, 1, StopPoint(StopKind.SOFTWARE, BASE, 4)), b"swbreak:;"),
        (Stop(Reason.POINT, 1, StopPoint(StopKind.HARDWARE, BASE, 4)), b"hwbreak:;"),
        (Stop(Reason.POINT, 1, StopPoint(StopKind.WRITE, BASE, 8)), b"watch:40080000;"),
        (Stop(Reason.POINT, 1, StopPoint(StopKind.READ, BASE, 8)), b"rwatch:40080000;"),
        (Stop(Reason.POINT, 1, StopPoint(StopKind.ACCESS, BASE, 8)), b"awatch:40080000;"),
    ],
)
def test_why_it_stopped_is_told(stub: Stub, fake: Fake, stop: Stop, told: bytes) -> None:
    fake.next_stop = stop
    assert told in _one(stub, b"vCont;c")
    assert told in _one(stub, b"?")


def test_a_gdb_that_knows_no_reasons_gets_none(fake: Fake) -> None:
    stub = Stub(fake, lambda: 0)
    fake.next_stop = Stop(Reason.POINT, 1, StopPoint(StopKind.SOFTWARE, BASE, 4))
    assert b"swbreak" not in _one(stub, b"c")


@pytest.mark.parametrize(
    ("packet", "move"),
    [
        (b"vCont;s:2;c", ("step", 2)),
        (b"vCont;c:1;s:3", ("step", 3)),
        (b"vCont;s", ("step", 1)),
        (b"vCont;S05:-1", ("step", 1)),
        (b"s", ("step", 1)),
        (b"bs", "step back"),
        (b"vCont;c", ("forward", frozenset())),
        (b"c", ("forward", frozenset())),
        (b"bc", ("back", frozenset())),
    ],
)
def test_packets_that_move(stub: Stub, fake: Fake, packet: bytes, move: object) -> None:
    stub.handle(packet)
    assert fake.moves == [move]


@pytest.mark.parametrize("packet", [b"vCont", b"vCont;", b"vCont;x", b"vCont;s:9", b"vCont;s:zz", b"vCont;c;;"])
def test_nothing_moves_for_an_action_that_makes_no_sense(stub: Stub, fake: Fake, packet: bytes) -> None:
    assert _one(stub, packet).startswith(b"E")
    assert not fake.moves


def test_points_hold_until_they_are_taken_away(stub: Stub, fake: Fake) -> None:
    assert _one(stub, b"Z0,40080010,4") == b"OK"
    assert _one(stub, b"Z2,40080020,8") == b"OK"
    stub.handle(b"c")
    watch = StopPoint(StopKind.WRITE, BASE + 0x20, 8, BASE + 0x1020)
    assert fake.moves == [("forward", frozenset({StopPoint(StopKind.SOFTWARE, BASE + 0x10, 4), watch}))]
    assert _one(stub, b"z2,40080020,8") == b"OK"
    assert _one(stub, b"z0,40080010,4") == b"OK"
    stub.handle(b"bc")
    assert fake.moves[-1] == ("back", frozenset())


def test_a_watchpoint_needs_memory(stub: Stub) -> None:
    assert _one(stub, b"Z2,0,8").startswith(b"E")
    assert _one(stub, b"Z9,40080000,4").startswith(b"E")


def test_the_number_of_breakpoints_is_limited(stub: Stub) -> None:
    answers = {_one(stub, f"Z0,{address:x},4".encode()) for address in range(BASE, BASE + 8 * 1024, 4)}
    assert any(b"already" in answer for answer in answers)


def test_forward_from_the_end_the_run_exits(stub: Stub, fake: Fake) -> None:
    fake.next_stop = Stop(Reason.END, 1, text="SYSTEM_OFF")
    said, told = stub.handle(b"c")
    assert bytes.fromhex(said[1:].decode()) == b"SYSTEM_OFF\n"
    assert b"replaylog:end" in told
    assert stub.ending is None
    assert stub.handle(b"c")[-1] == b"W03"
    assert stub.ending is Ending.EXITED


def test_from_the_end_there_is_a_way_back(stub: Stub, fake: Fake) -> None:
    fake.next_stop = Stop(Reason.END, 1)
    stub.handle(b"c")
    fake.next_stop = Stop(Reason.STEP, 1)
    assert _one(stub, b"bs").startswith(b"T05")
    assert stub.ending is None


# --- queries ----------------------------------------------------------------------------------------------------------


def test_the_description_comes_in_pieces(stub: Stub, fake: Fake) -> None:
    document, start = b"", 0
    while True:
        piece = _one(stub, f"qXfer:features:read:target.xml:{start:x},ffb".encode())
        document, start = document + piece[1:], start + len(piece) - 1
        if piece[:1] == b"l":
            break
    assert document == fake.description.xml
    assert _one(stub, b"qXfer:features:read:other.xml:0,ffb") == b"E00"
    assert _one(stub, b"qXfer:auxv:read::0,ffb") == b""


def test_threads_are_cpus_and_vcpus(stub: Stub) -> None:
    document = ET.fromstring(_one(stub, b"qXfer:threads:read::0,1000")[1:])
    assert [(row.get("id"), row.get("name")) for row in document] == [
        ("1", "CPU 0"), ("2", "CPU 1"), ("3", "vm<0>/vcpu0"),
    ]  # fmt: skip
    assert _one(stub, b"qfThreadInfo") == b"m1,2,3"
    assert _one(stub, b"qsThreadInfo") == b"l"
    assert bytes.fromhex(_one(stub, b"qThreadExtraInfo,2").decode()) == b"CPU 1: off"
    assert _one(stub, b"T3") == b"OK"
    assert _one(stub, b"T4").startswith(b"E")
    assert _one(stub, b"Hg9").startswith(b"E")
    assert _one(stub, b"Hc-1") == b"OK"
    assert _one(stub, b"qC") == b"QC1"


def test_monitor_answers_on_the_console(stub: Stub) -> None:
    said, done = stub.handle(b"qRcmd," + b"why".hex().encode())
    assert (bytes.fromhex(said[1:].decode()), done) == (b"why of thread 1\n", b"OK")
    said, done = stub.handle(b"qRcmd," + b"bad".hex().encode())
    assert b"there is no such command" in bytes.fromhex(said[1:].decode())


def test_acknowledgements_can_be_turned_off(stub: Stub) -> None:
    assert stub.wants_acknowledgements
    assert _one(stub, b"QStartNoAckMode") == b"OK"
    assert not stub.wants_acknowledgements


@pytest.mark.parametrize(("packet", "ending"), [(b"D", "detached"), (b"k", "killed"), (b"vKill;1", "killed")])
def test_a_session_ends(stub: Stub, packet: bytes, ending: str) -> None:
    stub.handle(packet)
    assert stub.ending == ending


# --- nonsense ---------------------------------------------------------------------------------------------------------

NAMES = [b"?", b"g", b"G", b"p", b"P", b"m", b"M", b"X", b"Z", b"z", b"H", b"T", b"vCont", b"qXfer:", b"qRcmd,", b""]


@given(st.sampled_from(NAMES), st.binary(max_size=40) | st.text("0123456789abcdef,:;=-", max_size=30).map(str.encode))
def test_any_packet_has_an_answer_and_none_is_longer_than_gdb_takes(name: bytes, rest: bytes) -> None:
    stub = Stub(Fake(), lambda: 0)
    for answer in stub.handle(name + rest):
        assert len(answer) <= MAX_PACKET_BYTES


@pytest.mark.parametrize("packet", [b"vMustReplyEmpty", b"QPassSignals:1", b"qTStatus", b"vRun;", b"!", b"R00", b""])
def test_what_is_not_supported_gets_the_empty_answer(stub: Stub, packet: bytes) -> None:
    assert _one(stub, packet) == b""
