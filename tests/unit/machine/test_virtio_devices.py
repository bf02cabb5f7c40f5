"""virtio-console and virtio-rng behind the transport."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_virtio_driver import NEXT, RAM_BASE, Rig

from arm_hyp.machine.virtio.console import RECEIVEQ, TRANSMITQ, VirtioConsole
from arm_hyp.machine.virtio.mmio import Reg, Status
from arm_hyp.machine.virtio.ring import F_EVENT_IDX
from arm_hyp.machine.virtio.rng import MAX_BYTES_PER_REQUEST, RandomStream, VirtioRng

# The console


class Terminal:
    """A running console and what it printed."""

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        self.printed: list[bytes] = []
        self.console = VirtioConsole(self.printed.append, size)
        self.rig = Rig(self.console).bring_up()


def test_the_console_prints_chains_in_order_and_interrupts() -> None:
    terminal = Terminal()
    queue = terminal.rig.queues[TRANSMITQ]
    queue.post([b"hello, ", b"wor"])
    queue.post([b"ld\n"])
    queue.post([b""])
    terminal.rig.kick(TRANSMITQ)
    assert b"".join(terminal.printed) == b"hello, world\n"
    assert [(length, data) for _, length, data in queue.collect()] == [(0, b"")] * 3
    assert terminal.rig.line


def test_the_console_prints_nothing_twice() -> None:
    terminal = Terminal()
    terminal.rig.queues[TRANSMITQ].post([b"x"])
    for _ in range(3):
        terminal.rig.kick(TRANSMITQ)
    assert terminal.printed == [b"x"]


def test_input_goes_where_there_is_room_and_the_rest_is_not_accepted() -> None:
    terminal = Terminal()
    queue = terminal.rig.queues[RECEIVEQ]
    assert terminal.console.receive(b"early") == 0
    queue.post(writable=[3])
    queue.post(writable=[2, 2])
    terminal.rig.kick(RECEIVEQ)
    assert not terminal.rig.line, "there is no input yet"
    assert terminal.console.receive(b"") == 0
    assert queue.collect() == []
    assert terminal.console.receive(b"abcdefghij") == 7
    assert [(length, data) for _, length, data in queue.collect()] == [(3, b"abc"), (4, b"defg")]
    assert terminal.rig.line
    assert terminal.console.receive(b"hij") == 0


def test_a_short_input_uses_one_buffer() -> None:
    terminal = Terminal()
    queue = terminal.rig.queues[RECEIVEQ]
    queue.post(writable=[16])
    queue.post(writable=[16])
    assert terminal.console.receive(b"a") == 1
    assert [(length, data[:1]) for _, length, data in queue.collect()] == [(1, b"a")]
    assert terminal.console.receive(b"b") == 1


@given(st.binary(max_size=60), st.lists(st.integers(1, 9), max_size=8), st.booleans())
@settings(deadline=None)
def test_all_input_arrives_in_order(data: bytes, rooms: list[int], event_idx: bool) -> None:
    console = VirtioConsole(lambda text: None)
    rig = Rig(console).bring_up(F_EVENT_IDX if event_idx else 0)
    for room in rooms:
        rig.queues[RECEIVEQ].post(writable=[room])
    accepted = console.receive(data)
    assert accepted == min(len(data), sum(rooms))
    used = rig.queues[RECEIVEQ].collect()
    assert b"".join(text[:length] for _, length, text in used) == data[:accepted]
    assert rig.line == bool(accepted)


def test_input_before_driver_ok_or_after_an_error_is_not_accepted() -> None:
    console = VirtioConsole(lambda text: None)
    assert console.receive(b"x") == 0, "plugged in nowhere"
    rig = Rig(console)
    assert console.receive(b"x") == 0
    rig.bring_up()
    rig.queues[RECEIVEQ].publish(99)
    assert console.receive(b"x") == 0
    assert rig.needs_reset and rig.line


def test_a_receive_buffer_without_room_is_an_error_and_what_went_in_before_counts() -> None:
    terminal = Terminal()
    terminal.rig.queues[RECEIVEQ].post(writable=[1])
    terminal.rig.queues[RECEIVEQ].post([b"read me"])
    assert terminal.console.receive(b"xy") == 1
    assert terminal.rig.needs_reset
    assert "MALFORMED_REQUEST" in terminal.rig.reports[0]


def test_a_chain_of_more_than_1_mib_is_not_printed() -> None:
    terminal = Terminal()
    queue = terminal.rig.queues[TRANSMITQ]
    queue.descriptor(0, RAM_BASE, 1 << 19, NEXT, 1)
    queue.descriptor(1, RAM_BASE, (1 << 19) + 1, 0)
    queue.publish(0)
    terminal.rig.kick(TRANSMITQ)
    assert terminal.printed == []
    assert "CHAIN_TOO_BIG" in terminal.rig.reports[0]


def test_the_consoles_configuration() -> None:
    plain, sized = Terminal().rig, Terminal((80, 25)).rig
    assert (plain.get(Reg.DeviceID), sized.get(Reg.DeviceID)) == (3, 3)
    assert (plain.offered() & 0xFFFFFF, sized.offered() & 0xFFFFFF) == (0, 1)
    assert [sized.transport.read(0x100 + offset, 2) for offset in (0, 2)] == [80, 25]
    assert struct.unpack("<HHII", plain.device.config()) == (0, 0, 1, 0)
    sized.transport.write(0x100, 2, 7)
    assert sized.transport.read(0x100, 2) == 80


def test_a_new_size_is_announced() -> None:
    terminal = Terminal((80, 25))
    terminal.console.resize(132, 43)
    rig = terminal.rig
    assert (rig.get(Reg.ConfigGeneration), rig.get(Reg.InterruptStatus), rig.line) == (1, 2, True)
    assert [rig.transport.read(0x100 + offset, 2) for offset in (0, 2)] == [132, 43]
    with pytest.raises(ValueError, match="no size"):
        Terminal().console.resize(1, 1)


def test_a_restored_console_has_its_size_and_queues() -> None:
    terminal, other = Terminal((80, 25)), Terminal((1, 1))
    terminal.console.resize(132, 43)
    terminal.rig.queues[RECEIVEQ].post(writable=[1])
    terminal.rig.queues[RECEIVEQ].post(writable=[1])
    assert terminal.console.receive(b"a") == 1
    other.rig.ram.data[:] = terminal.rig.ram.data
    other.rig.transport.restore(terminal.rig.transport.snapshot())
    assert other.console.config() == terminal.console.config()
    assert (other.console.receive(b"bc"), terminal.console.receive(b"bc")) == (1, 1)
    assert other.rig.ram.data == terminal.rig.ram.data
    with pytest.raises(ValueError, match="no size"):
        Terminal().console.restore(terminal.console.snapshot())


# Random numbers


def random_bytes(rig: Rig, sizes: list[int]) -> bytes:
    queue = rig.queues[0]
    queue.heap = queue.heap_base
    queue.post(writable=sizes)
    rig.kick()
    ((_, length, data),) = queue.collect()
    return data[:length]


def test_the_seed_determines_the_bytes_and_how_they_are_fetched_does_not_matter() -> None:
    first = Rig(VirtioRng(7)).bring_up()
    whole = random_bytes(first, [200])
    assert first.get(Reg.DeviceID) == 4
    assert len(whole) == 200 and len(set(whole)) > 80
    parts = Rig(VirtioRng(7)).bring_up()
    assert b"".join(random_bytes(parts, sizes) for sizes in ([1], [31], [32, 5], [64], [67])) == whole
    assert random_bytes(Rig(VirtioRng(8)).bring_up(), [200]) != whole


def test_random_bytes_interrupt_and_go_on_after_a_reset() -> None:
    rig = Rig(VirtioRng()).bring_up()
    before = random_bytes(rig, [16])
    assert rig.line
    rig.ram.data[:] = bytes(len(rig.ram.data))
    rig.bring_up()
    assert random_bytes(rig, [16]) != before


def test_a_large_request_is_answered_in_part() -> None:
    rig = Rig(VirtioRng()).bring_up()
    assert len(random_bytes(rig, [5000, 5000])) == MAX_BYTES_PER_REQUEST


def test_a_request_without_room_needs_a_reset() -> None:
    rig = Rig(VirtioRng()).bring_up()
    rig.queues[0].post([b"read me"])
    rig.kick()
    assert rig.needs_reset
    assert rig.get(Reg.Status) & Status.DRIVER_OK


def test_a_restored_generator_goes_on_where_it_was() -> None:
    rig, other = Rig(VirtioRng(5)).bring_up(), Rig(VirtioRng(99)).bring_up()
    random_bytes(rig, [77])
    state, memory = rig.transport.snapshot(), bytes(rig.ram.data)
    expected = random_bytes(rig, [50])
    other.transport.restore(state)
    other.ram.data[:] = memory
    other.queues[0].available = other.queues[0].used_seen = 1
    assert random_bytes(other, [50]) == expected


@given(st.integers(), st.lists(st.integers(0, 100), max_size=8))
@settings(deadline=None)
def test_a_stream_is_one_sequence(seed: int, sizes: list[int]) -> None:
    stream = RandomStream(seed)
    parts = [stream.take(size_bytes) for size_bytes in sizes]
    assert [len(part) for part in parts] == sizes
    assert b"".join(parts) == RandomStream(seed).take(sum(sizes))
