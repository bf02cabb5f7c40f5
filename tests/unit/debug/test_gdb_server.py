"""The socket of the gdb stub: two clients, connections cut off, interrupts; the machine lives on."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from arm_hyp.debug.gdb.debuggee import Reason, Stop, StopPoint, Thread
from arm_hyp.debug.gdb.packets import MAX_PACKET_BYTES, Decoder, Packet, encode
from arm_hyp.debug.gdb.server import Address, Server, parse_address
from arm_hyp.debug.gdb.stub import Ending
from arm_hyp.debug.gdb.target_description import describe
from arm_hyp.errors import UserError


class Still:
    """A machine that does not run by itself: `go` waits for whoever stops it, and looks at what is beside."""

    description = describe("a72", 2, 4)
    thread_count = 1

    def __init__(self, server: Server) -> None:
        self._server = server
        self.is_stopped, self.moves = False, 0
        self.moving = threading.Event()

    def threads(self) -> tuple[Thread, ...]:
        return (Thread(1, "CPU 0", "at EL2"),)

    def thread_at_stop(self) -> int:
        return 1

    def read_register(self, thread: int, name: str) -> int | None:
        return self.moves if name == "x0" else 0

    def write_register(self, thread: int, name: str, value: int) -> None:
        raise UserError(name, "cannot be changed")

    def read_memory(self, thread: int, address: int, size_bytes: int) -> bytes:
        return bytes(size_bytes)

    def write_memory(self, thread: int, address: int, data: bytes) -> None:
        raise UserError("memory", "cannot be changed")

    def locate(self, thread: int, address: int) -> int | None:
        return address

    def step(self, thread: int) -> Stop:
        self.moves += 1
        return Stop(Reason.STEP, 1)

    def step_back(self) -> Stop:
        return Stop(Reason.START, 1)

    def go(self, points: frozenset[StopPoint], *, is_forward: bool) -> Stop:
        self.moves += 1
        self.moving.set()
        while not self.is_stopped:  # as whoever waits for a machine process
            beside = self._server.beside()
            for one in () if self.is_stopped else select.select([*beside], [], [])[0]:
                beside[one]()
        self.is_stopped = False
        return Stop(Reason.INTERRUPT, 1)

    def stop(self) -> None:
        self.is_stopped = True

    def monitor(self, thread: int, command: str) -> str:
        return command


class Peer:
    """The other end."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(server.address)
        self._decoder = Decoder()

    def send(self, *packets: bytes) -> None:
        self.socket.sendall(b"".join(map(encode, packets)))

    def ask(self, packet: bytes) -> bytes:
        self.send(packet)
        return self.answer()

    def answer(self) -> bytes:
        while data := self.socket.recv(1 << 16):
            for item in self._decoder.feed(data):
                if isinstance(item, Packet):
                    return item.data
        raise EOFError

    def is_closed(self) -> bool:
        while True:
            try:
                if not self.socket.recv(1 << 16):
                    return True
            except ConnectionResetError:
                return True


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def server(said: list[str]) -> Iterator[Server]:
    made = Server(Address("127.0.0.1", 0), said.append)
    yield made
    made.close()


def _serve(server: Server, dialogue: Callable[[], None], machine: Still | None = None) -> Ending:
    """Serve here, while somebody else has a dialogue."""
    failed: list[BaseException] = []

    def talk() -> None:
        try:
            dialogue()
        except BaseException as error:
            failed.append(error)
            Peer(server).send(b"k")

    peer = threading.Thread(target=talk)
    peer.start()
    ending = server.serve(machine or Still(server), lambda: 0)
    peer.join()
    assert not failed, failed
    return ending


def test_a_dialogue(server: Server) -> None:
    def dialogue() -> None:
        gdb = Peer(server)
        assert b"PacketSize" in gdb.ask(b"qSupported:swbreak+")
        assert gdb.ask(b"?").startswith(b"T05")
        assert gdb.ask(b"D") == b"OK"

    assert _serve(server, dialogue) is Ending.DETACHED


def test_a_second_client_is_sent_away_and_the_first_lives_on(server: Server, said: list[str]) -> None:
    def dialogue() -> None:
        gdb = Peer(server)
        gdb.ask(b"?")
        assert Peer(server).is_closed()
        assert gdb.ask(b"?").startswith(b"T05")
        gdb.send(b"k")

    assert _serve(server, dialogue) is Ending.KILLED
    assert any("sent away" in line for line in said)


def test_a_second_client_is_sent_away_while_the_machine_runs(server: Server, said: list[str]) -> None:
    machine = Still(server)

    def dialogue() -> None:
        gdb = Peer(server)
        gdb.send(b"c")
        machine.moving.wait()
        assert Peer(server).is_closed()
        gdb.socket.sendall(b"\x03")
        assert gdb.answer().startswith(b"T02")
        gdb.send(b"k")

    assert _serve(server, dialogue, machine) is Ending.KILLED
    assert any("sent away" in line for line in said)


def test_an_interrupt_that_comes_with_the_packet_holds(server: Server) -> None:
    def dialogue() -> None:
        gdb = Peer(server)
        gdb.socket.sendall(encode(b"c") + b"\x03")
        assert gdb.answer().startswith(b"T02")
        gdb.send(b"k")

    assert _serve(server, dialogue) is Ending.KILLED


def test_an_interrupt_while_nothing_moves_is_none(server: Server) -> None:
    machine = Still(server)

    def dialogue() -> None:
        gdb = Peer(server)
        gdb.socket.sendall(b"\x03\x03")
        assert gdb.ask(b"s").startswith(b"T05")
        gdb.send(b"k")

    _serve(server, dialogue, machine)
    assert not machine.is_stopped


@pytest.mark.parametrize("last", [b"", b"$m4008", encode(b"c"), encode(b"c")[:-1], b"$" + b"x" * 300_000])
def test_a_lost_connection_leaves_the_machine_to_the_next_client(server: Server, said: list[str], last: bytes) -> None:
    machine = Still(server)

    def dialogue() -> None:
        first = Peer(server)
        first.ask(b"s")
        first.socket.sendall(last)
        first.socket.close()
        while not any("connection is lost" in line for line in said):
            pass
        second = Peer(server)
        assert second.ask(b"p0")[:2] != b"00"
        second.send(b"k")

    assert _serve(server, dialogue, machine) is Ending.KILLED


def test_a_packet_that_is_too_long_gets_an_error_and_the_next_an_answer(server: Server) -> None:
    def dialogue() -> None:
        gdb = Peer(server)
        gdb.socket.sendall(b"$" + b"m" * (MAX_PACKET_BYTES + 1) + b"#00")
        assert gdb.answer().startswith(b"E")
        assert gdb.ask(b"?").startswith(b"T05")
        gdb.send(b"k")

    assert _serve(server, dialogue) is Ending.KILLED


def test_a_damaged_packet_is_asked_for_again_and_an_answer_sent_again(server: Server) -> None:
    def dialogue() -> None:
        gdb = Peer(server)
        gdb.socket.sendall(b"$?#00")
        assert gdb.socket.recv(1) == b"-"
        first = gdb.ask(b"?")
        gdb.socket.sendall(b"-")
        assert gdb.answer() == first
        gdb.send(b"k")

    assert _serve(server, dialogue) is Ending.KILLED


def test_who_connects_while_nobody_debugs_stops_the_run(server: Server) -> None:
    machine = Still(server)

    def come() -> None:
        machine.moving.wait()
        gdb = Peer(server)
        assert gdb.ask(b"?").startswith(b"T05")
        gdb.send(b"k")

    peer = threading.Thread(target=come)
    peer.start()
    with server.attended(machine.stop):
        machine.go(frozenset(), is_forward=True)
    assert server.has_client
    assert server.serve(machine, lambda: 0) is Ending.KILLED
    peer.join()


@pytest.mark.parametrize("is_connected", [False, True])
def test_the_user_can_end_a_wait(said: list[str], is_connected: bool) -> None:
    readable, writable = os.pipe()
    ended: list[bytes] = []
    others = {readable: lambda: ended.append(os.read(readable, 1))}
    server = Server(Address("127.0.0.1", 0), said.append, lambda: others, lambda: bool(ended))
    peers = [Peer(server)] if is_connected else []
    os.write(writable, b"!")
    assert server.serve(Still(server), lambda: 0) is Ending.ENDED
    assert [peer.is_closed() for peer in peers] == [True] * is_connected
    server.close()
    os.close(readable)
    os.close(writable)


@pytest.mark.parametrize(
    ("text", "address", "is_loopback"),
    [
        ("1234", Address("127.0.0.1", 1234), True),
        ("0", Address("127.0.0.1", 0), True),
        (":99", Address("127.0.0.1", 99), True),
        ("0.0.0.0:99", Address("0.0.0.0", 99), False),
        ("[::1]:99", Address("::1", 99), True),
        ("localhost:99", Address("localhost", 99), True),
    ],
)
def test_addresses(text: str, address: Address, is_loopback: bool) -> None:
    assert parse_address(text) == address
    assert parse_address(text).is_loopback is is_loopback


@pytest.mark.parametrize("text", ["", "host", "1:2:x", "65536", "-1", "host:", "1٣"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UserError):
        parse_address(text)


def test_a_port_that_is_taken_is_told_in_one_line(server: Server) -> None:
    with pytest.raises(UserError, match="--gdb"):
        Server(server.address, print)
