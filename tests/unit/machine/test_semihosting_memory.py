"""Semihosting's pointers: guest memory by virtual address, with the rights of the CPU that asks, on a real core."""

import pytest
from firmware_support import FakePower
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import RecordingSink
from arm_hyp.machine.firmware import Firmware, Host, VirtualMemory
from arm_hyp.machine.firmware.memory import pages
from arm_hyp.machine.machine import Machine
from arm_hyp.machine.seams import BusError

BASE = 0x4008_0000
MASK_64 = FAILED = (1 << 64) - 1


@given(st.integers(0, MASK_64), st.integers(0, 20_000))
def test_pages_cover_the_range_and_never_cross(address, size_bytes):
    pieces = list(pages(address, size_bytes))
    assert sum(size for _, size in pieces) == size_bytes
    assert all(va % 4096 + size <= 4096 for va, size in pieces)
    assert [va for va, _ in pieces[1:]] == [(va + size) & MASK_64 for va, size in pieces[:-1]]


class Ram:
    """GuestMemory over the RAM of a machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def read(self, address: int, size_bytes: int) -> bytes:
        try:
            return self.machine.read_memory(address, size_bytes)
        except ValueError as error:
            raise BusError(str(error)) from error

    def write(self, address: int, data: bytes) -> None:
        try:
            self.machine.write_memory(address, data)
        except ValueError as error:
            raise BusError(str(error)) from error


def run(source: str) -> tuple[Machine, bytearray]:
    """Run a source at EL1 with semihosting that reaches memory through the MMU."""
    machine, printed = Machine(sink=RecordingSink(), memory_bytes=16 << 20, start_el=1), bytearray()
    memory = VirtualMemory(Ram(machine))
    made = Firmware(printed.append, memory.read, power=FakePower(), host=Host(memory.write, command_line=b"hello"))
    machine.core.firmware, machine.core.semihosting = made.call, made.semihosting
    machine.write_memory(BASE, assemble(source, filename="test.s", base=BASE).code)
    machine.core.pc = BASE
    machine.core.run(1000)
    return machine, printed


END = "\n b .\n .balign 8\n"


def test_a_guest_prints_and_goes_on_behind_the_call():
    machine, printed = run(f'adr x1, text\n mov w0, #4\n hlt #0xf000\n mov x9, #1\n {END} text: .asciz "hello"\n')
    assert (printed, machine.core.x(9)) == (b"hello", 1)


def test_pointers_outside_ram_fail():
    machine, _ = run(f"mov x1, #0x09000000\n mov w0, #3\n hlt #0xf000\n {END}")
    assert machine.core.x(0) == FAILED


TABLES = """
    ldr x0, =0x40100000
    ldr x1, =0x40000721      // 0x40000000: 1 GiB block, read and write, AF
    str x1, [x0, #8]
    ldr x1, =0x400007a1      // 0x80000000: the same memory, read-only
    str x1, [x0, #16]
    msr ttbr0_el1, x0
    mov x1, #0xff
    msr mair_el1, x1
    ldr x1, =0x200800019     // T0SZ 25: a walk from level 1, EPD1
    msr tcr_el1, x1
    mrs x1, sctlr_el1
    orr x1, x1, #1
    isb
    msr sctlr_el1, x1
    isb
"""


@pytest.mark.parametrize(("buffer", "result"), [("0x40200ffe", 0), ("0x80200ffe", FAILED), ("0xc0000000", FAILED)])
def test_pointers_go_through_the_tables_with_their_rights(buffer, result):
    block = f"ldr x2, ={buffer}\n mov x3, #64\n adr x1, block\n stp x2, x3, [x1]\n mov w0, #0x15\n hlt #0xf000\n"
    machine, _ = run(f"{TABLES}{block}{END} block: .quad 0, 0\n")
    assert machine.core.x(0) == result
    assert machine.read_memory(0x4020_0FFE, 6) == (b"\0" * 6 if result else b"hello\0")


def test_read_only_memory_can_be_read():
    _, printed = run(
        f"{TABLES} ldr x1, =0x80200000\n ldr x2, =0x40200000\n mov w3, #0x41\n str x3, [x2]\n"
        f" mov w0, #4\n hlt #0xf000\n {END}"
    )
    assert printed == b"A"
