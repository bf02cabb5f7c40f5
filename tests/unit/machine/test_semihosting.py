"""Semihosting: every operation and every way to fail; no call can break it."""

import struct

import pytest
from firmware_support import MASK_64, FakeCore, FakeMemory, FakePower
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.machine.firmware import Firmware, HeapInfo, Host
from arm_hyp.machine.firmware.host_files import Errno
from arm_hyp.machine.firmware.semihosting import MAX_TRANSFER_BYTES, Operation

BLOCK, BUFFER, NOWHERE = 0x1000, 0x1800, 0x9000
FAILED = MASK_64
FEATURES = b"SHFB\x03"


class World:
    """A firmware with memory, a console, a clock and a power controller."""

    def __init__(self, typed: bytes = b"", command_line: bytes = b"guest -v") -> None:
        self.memory, self.power, self.typed, self.now_ns = FakeMemory(), FakePower(), bytearray(typed), 3_250_000_000
        heap = HeapInfo(0x4100_0000, 0x4200_0000, 0x4300_0000, 0x4280_0000)
        host = Host(self.memory.write, self.take, lambda: self.now_ns, 1_000_000, command_line, heap)
        self.firmware = Firmware(self.memory.text.append, self.memory.read, power=self.power, host=host)

    def take(self, count: int) -> bytes:
        taken = bytes(self.typed[:count])
        del self.typed[:count]
        return taken

    def ask(self, operation: int, parameter: int, el: int = 1) -> int | None:
        """Do a call; None if the instruction is UNDEFINED."""
        core = FakeCore(operation, parameter, el=el)
        before = core.registers[1:]
        modelled = self.firmware.semihosting(core)
        assert core.registers[1:] == before
        return core.x(0) if modelled else None

    def block(self, operation: int, *words: int) -> int | None:
        """Do a call with a block of words."""
        self.memory.put(BLOCK, struct.pack(f"<{len(words)}Q", *words))
        return self.ask(operation, BLOCK)

    def open(self, name: bytes, mode: int) -> int | None:
        self.memory.put(BUFFER, name)
        return self.block(Operation.OPEN, BUFFER, mode, len(name))

    @property
    def errno(self) -> int | None:
        return self.ask(Operation.ERRNO, 0)


# --- handles ---------------------------------------------------------------------------------------------------------


def test_the_console_opens_as_three_streams():
    world = World(b"in")
    stdin, stdout, stderr = (world.open(b":tt", mode) for mode in (0, 4, 8))
    assert (stdin, stdout, stderr) == (1, 2, 3)
    world.memory.put(BUFFER, b"text")
    assert world.block(Operation.WRITE, stdout, BUFFER, 2) == 0
    assert world.block(Operation.WRITE, stderr, BUFFER + 2, 2) == 0
    assert world.memory.text == b"text"
    assert world.block(Operation.READ, stdin, BUFFER, 2) == 0
    assert [world.block(Operation.ISTTY, handle) for handle in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.parametrize("mode", range(12))
def test_all_modes_of_the_console_open(mode):
    assert World().open(b":tt", mode) == 1


@pytest.mark.parametrize(
    ("name", "mode", "number"),
    [
        (b":tt", 12, Errno.EINVAL),
        (b":tt", MASK_64, Errno.EINVAL),
        (b"/etc/passwd", 0, Errno.EACCES),
        (b"out.txt", 4, Errno.EACCES),
        (b"", 0, Errno.EACCES),
        (b":semihosting-features", 2, Errno.EACCES),
    ],
)
def test_open_refuses(name, mode, number):
    world = World()
    assert (world.open(name, mode), world.errno) == (FAILED, number)


def test_open_refuses_a_name_that_is_too_long_or_faults():
    world = World()
    assert (world.block(Operation.OPEN, BUFFER, 0, 1 << 40), world.errno) == (FAILED, Errno.ENAMETOOLONG)
    assert (world.block(Operation.OPEN, NOWHERE, 0, 3), world.errno) == (FAILED, Errno.EFAULT)


def test_handles_run_out_and_come_back():
    world = World()
    assert [world.open(b":tt", 4) for _ in range(64)] == list(range(1, 65))
    assert (world.open(b":tt", 4), world.errno) == (FAILED, Errno.EMFILE)
    assert world.block(Operation.CLOSE, 7) == 0
    assert world.open(b":tt", 4) == 7


@pytest.mark.parametrize("operation", [Operation.CLOSE, Operation.ISTTY, Operation.SEEK, Operation.FLEN])
@pytest.mark.parametrize("handle", [0, 1, 5, MASK_64])
def test_a_handle_that_is_not_open_fails(operation, handle):
    world = World()
    assert (world.block(operation, handle, 0), world.errno) == (FAILED, Errno.EBADF)


@pytest.mark.parametrize("operation", [Operation.READ, Operation.WRITE])
def test_a_handle_that_is_not_open_moves_nothing(operation):
    world = World()
    assert (world.block(operation, 9, BUFFER, 12), world.errno) == (12, Errno.EBADF)


def test_the_features_are_read_piece_by_piece():
    world = World()
    handle = world.open(b":semihosting-features", 1)
    assert world.block(Operation.FLEN, handle) == len(FEATURES)
    assert world.block(Operation.ISTTY, handle) == 0
    assert world.block(Operation.READ, handle, BUFFER, 3) == 0
    assert world.block(Operation.READ, handle, BUFFER + 3, 8) == 6
    assert world.memory.read(None, BUFFER, 5) == FEATURES
    assert world.block(Operation.READ, handle, BUFFER, 8) == 8
    assert world.block(Operation.SEEK, handle, 4) == 0
    assert world.block(Operation.READ, handle, BUFFER, 1) == 0
    assert world.memory.read(None, BUFFER, 1) == b"\x03"
    assert (world.block(Operation.SEEK, handle, 6), world.errno) == (FAILED, Errno.EINVAL)
    assert (world.block(Operation.WRITE, handle, BUFFER, 1), world.errno) == (1, Errno.EBADF)


def test_the_console_has_no_position_and_no_length():
    world = World()
    handle = world.open(b":tt", 4)
    assert (world.block(Operation.SEEK, handle, 0), world.errno) == (FAILED, Errno.ESPIPE)
    assert world.block(Operation.FLEN, handle) == 0


# --- the console -----------------------------------------------------------------------------------------------------


def test_characters_and_strings():
    world = World()
    world.memory.put(BUFFER - 30, b"x" * 200 + b"\xff\0not this")
    assert world.ask(Operation.WRITEC, BUFFER - 30) == Operation.WRITEC
    assert world.ask(Operation.WRITE0, BUFFER - 30) == Operation.WRITE0
    assert world.memory.text == b"x" * 201 + b"\xff"


def test_a_string_that_runs_into_a_fault_prints_what_there_is():
    world = World()
    world.memory.put(FakeMemory.END - 5, b"abcde")
    assert (world.ask(Operation.WRITE0, FakeMemory.END - 5), world.errno) == (FAILED, Errno.EFAULT)
    assert world.memory.text == b"abcde"


def test_a_string_without_end_ends():
    printed = bytearray()
    made = Firmware(printed.append, lambda core, address, size: b"y" * size, power=FakePower())
    assert made.semihosting(FakeCore(Operation.WRITE0, 0x1001))
    assert MAX_TRANSFER_BYTES <= len(printed) < MAX_TRANSFER_BYTES + 64


@pytest.mark.parametrize("operation", [Operation.WRITEC, Operation.WRITE0])
def test_text_that_faults_fails(operation):
    world = World()
    assert (world.ask(operation, NOWHERE), world.errno) == (FAILED, Errno.EFAULT)
    assert world.memory.text == b""


def test_write_tells_how_much_was_not_written():
    world = World()
    handle = world.open(b":tt", 4)
    assert world.block(Operation.WRITE, handle, FakeMemory.END - 0x1000, 0x1800) == 0x800
    assert (len(world.memory.text), world.errno) == (0x1000, Errno.EFAULT)


def test_write_moves_at_most_a_mebibyte():
    printed, memory = bytearray(), FakeMemory()
    made = Firmware(
        printed.append, lambda core, at, size: memory.read(core, at, size) or b"z" * size, power=FakePower()
    )
    memory.put(BLOCK, struct.pack("<3Q", BUFFER, 4, 3))
    memory.put(BUFFER, b":tt")
    assert made.semihosting(FakeCore(Operation.OPEN, BLOCK))
    memory.put(BLOCK, struct.pack("<3Q", 1, 0x10_0000, MASK_64))
    core = FakeCore(Operation.WRITE, BLOCK)
    assert made.semihosting(core)
    assert (core.x(0), len(printed)) == (MASK_64 - MAX_TRANSFER_BYTES, MAX_TRANSFER_BYTES)


def test_standard_input_is_for_reading_only():
    world = World()
    stdin, stdout = world.open(b":tt", 0), world.open(b":tt", 4)
    assert (world.block(Operation.WRITE, stdin, BUFFER, 4), world.errno) == (4, Errno.EBADF)
    assert (world.block(Operation.READ, stdout, BUFFER, 5), world.errno) == (5, Errno.EBADF)


def test_read_fills_what_was_typed():
    world = World(b"hello")
    handle = world.open(b":tt", 0)
    assert world.block(Operation.READ, handle, BUFFER, 8) == 3
    assert world.memory.read(None, BUFFER, 5) == b"hello"
    assert world.block(Operation.READ, handle, BUFFER, 8) == 8


def test_read_into_memory_that_cannot_be_written_fails():
    world = World(b"hello")
    handle = world.open(b":tt", 0)
    assert (world.block(Operation.READ, handle, FakeMemory.READ_ONLY, 4), world.errno) == (4, Errno.EFAULT)


def test_readc_takes_one_byte_and_does_not_wait():
    world = World(b"\xe9z")
    assert [world.ask(Operation.READC, 0) for _ in range(3)] == [0xE9, ord("z"), FAILED]


# --- time and the environment ----------------------------------------------------------------------------------------


def test_time_is_virtual():
    world = World()
    assert world.ask(Operation.CLOCK, 0) == 325
    assert world.ask(Operation.TIME, 0) == 1_000_003
    assert world.ask(Operation.TICKFREQ, 0) == 1_000_000_000
    assert world.ask(Operation.ELAPSED, BUFFER) == 0
    assert world.memory.read(None, BUFFER, 8) == struct.pack("<Q", 3_250_000_000)
    assert (world.ask(Operation.ELAPSED, NOWHERE), world.errno) == (FAILED, Errno.EFAULT)


@pytest.mark.parametrize("operation", [Operation.CLOCK, Operation.TIME, Operation.ELAPSED])
def test_without_a_clock_there_is_no_time(operation):
    memory = FakeMemory()
    made = Firmware(memory.text.append, memory.read, power=FakePower(), host=Host(memory.write))
    core = FakeCore(operation, BUFFER)
    assert made.semihosting(core)
    assert core.x(0) == FAILED


def test_errno_is_kept_until_the_next_error():
    world = World()
    assert world.errno == 0
    world.ask(Operation.REMOVE, BLOCK)
    assert world.ask(Operation.CLOCK, 0) == 325
    assert world.errno == Errno.EACCES


@pytest.mark.parametrize("operation", [Operation.TMPNAM, Operation.REMOVE, Operation.RENAME, Operation.SYSTEM])
def test_the_host_is_out_of_reach(operation):
    world = World()
    assert (world.block(operation, BUFFER, 4, BUFFER, 4), world.errno) == (FAILED, Errno.EACCES)


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (1, 0), (MASK_64, 1), (1 << 63, 1), (0xFFFF_FFFF, 0)])
def test_iserror_looks_at_the_sign(status, expected):
    assert World().block(Operation.ISERROR, status) == expected


def test_the_command_line_and_its_length():
    world = World()
    assert world.block(Operation.GET_CMDLINE, BUFFER, 9) == 0
    assert world.memory.read(None, BUFFER, 9) == b"guest -v\0"
    assert world.memory.read(None, BLOCK, 16) == struct.pack("<2Q", BUFFER, 8)


@pytest.mark.parametrize(
    ("address", "size", "number"),
    [(BUFFER, 8, Errno.E2BIG), (BUFFER, 0, Errno.E2BIG), (NOWHERE, 64, Errno.EFAULT)],
)
def test_a_command_line_that_does_not_fit_fails(address, size, number):
    world = World()
    assert (world.block(Operation.GET_CMDLINE, address, size), world.errno) == (FAILED, number)


def test_heapinfo_fills_the_block_behind_the_pointer():
    world = World()
    assert world.block(Operation.HEAPINFO, BUFFER) == Operation.HEAPINFO
    expected = struct.pack("<4Q", 0x4100_0000, 0x4200_0000, 0x4300_0000, 0x4280_0000)
    assert world.memory.read(None, BUFFER, 32) == expected
    assert (world.block(Operation.HEAPINFO, NOWHERE), world.errno) == (FAILED, Errno.EFAULT)


def test_cache_maintenance_has_nothing_to_do():
    assert World().block(Operation.SYNCCACHE, BUFFER, 64) == 0


# --- the end, and what is not there ----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [Operation.EXIT, Operation.EXIT_EXTENDED])
@pytest.mark.parametrize(
    ("reason", "subcode", "status", "words"),
    [(0x20026, 0, 0, "status 0"), (0x20026, 300, 44, "status 300"), (0x20023, 0, 1, "reason 0x20023")],
)
def test_exit_ends_the_run(operation, reason, subcode, status, words):
    world = World()
    world.block(operation, reason, subcode)
    ((what, got, text),) = world.power.done
    assert (what, got) == ("system off", status)
    assert text.endswith(words)


def test_exit_with_a_block_that_faults_does_not_end_the_run():
    world = World()
    assert (world.ask(Operation.EXIT, NOWHERE), world.errno) == (FAILED, Errno.EFAULT)
    assert world.power.done == []


@pytest.mark.parametrize("operation", [0, 0x0B, 0x14, 0x17, 0x21, 0x32, 0x100, 0xFFFF_FFFF])
def test_unknown_operations_are_undefined(operation):
    assert World().ask(operation, BLOCK) is None


def test_el0_has_no_semihosting():
    assert World().ask(Operation.CLOCK, 0, el=0) is None
    assert World().ask(Operation.CLOCK, 0, el=2) == 325


def test_the_operation_is_w0():
    assert World().ask(0xDEAD_0000_0000_0000 | Operation.CLOCK, 0) == 325


def test_handles_and_errno_are_in_the_snapshot():
    world, other = World(), World()
    world.open(b":tt", 4)
    handle = world.open(b":semihosting-features", 0)
    world.block(Operation.SEEK, handle, 2)
    world.ask(Operation.SYSTEM, 0)
    other.firmware.restore(world.firmware.snapshot())
    assert other.firmware.snapshot() == world.firmware.snapshot()
    assert other.errno == Errno.EACCES
    assert other.block(Operation.READ, handle, BUFFER, 3) == 0
    assert other.memory.read(None, BUFFER, 3) == FEATURES[2:]


words = st.one_of(st.sampled_from([0, 1, 2, 3, BLOCK, BUFFER, 0x2FFF, NOWHERE, MASK_64]), st.integers(0, MASK_64))
calls = st.tuples(st.sampled_from(Operation), st.sampled_from([BLOCK, BUFFER, NOWHERE]), words, words, words)


@given(st.lists(calls, max_size=6))
def test_no_sequence_of_calls_raises(sequence):
    world = World(b"typed")
    for operation, parameter, *content in sequence:
        world.memory.put(BLOCK, struct.pack("<3Q", *content))
        world.ask(operation, parameter)
    state = world.firmware.snapshot()
    world.firmware.restore(state)
    assert world.firmware.snapshot() == state
