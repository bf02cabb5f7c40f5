"""The flash banks: identification, programming, erasing; and contents that run, take commands, and run again."""

import pytest

from arm_hyp.cpu import counting
from arm_hyp.cpu.assembler import assemble
from arm_hyp.cpu.counting import is_usable
from arm_hyp.machine.boot import BootRequest, File, plan_boot
from arm_hyp.machine.device_tree import BoardDescription
from arm_hyp.machine.flash import BANK_BYTES, READY, SECTOR_BYTES, FlashBank
from arm_hyp.machine.machine import Machine


def both(value: int) -> int:
    return value | value << 16


def test_the_array_reads_its_contents_and_erased_flash_behind():
    bank = FlashBank(b"\x01\x02\x03\x04\x05")
    assert bank.read(0, 4) == 0x0403_0201 and bank.read(4, 4) == 0xFFFF_FF05
    assert bank.read(BANK_BYTES - 4, 4) == 0xFFFF_FFFF


def test_the_query_tells_two_chips_of_32_mib():
    bank = FlashBank()
    bank.write(0x55 * 4, 4, both(0x98))
    assert [bank.read(4 * at, 4) for at in (0x10, 0x11, 0x12)] == [both(ord(letter)) for letter in "QRY"]
    assert bank.read(4 * 0x27, 1) == 25
    sectors = bank.read(4 * 0x2D, 2) + 1
    assert sectors * 2 * bank.read(4 * 0x30, 2) * 0x10000 == BANK_BYTES
    bank.write(0, 4, both(0x90))
    assert (bank.read(0, 2), bank.read(4, 2)) == (0x89, 0x18)
    bank.write(0, 4, both(0xFF))
    assert bank.read(0, 4) == 0xFFFF_FFFF


@pytest.mark.parametrize("command", [0x10, 0x40])
def test_programming_only_clears_bits(command):
    bank = FlashBank(b"\xf0\xf0\xf0\xf0")
    for value in (0x3C3C_3C3C, 0xFFFF_FFFF):
        bank.write(0, 4, both(command))
        bank.write(0, 4, value)
        assert bank.read(0, 4) == both(READY)
    bank.write(0, 4, both(0xFF))
    assert bank.read(0, 4) == 0x3030_3030


def test_erasing_needs_its_confirmation_and_takes_one_sector():
    bank = FlashBank(bytes(2 * SECTOR_BYTES))
    for confirm, expected in ((0xFF, 0), (0xD0, 0xFFFF_FFFF)):
        bank.write(SECTOR_BYTES, 4, both(0x20))
        bank.write(SECTOR_BYTES, 4, both(confirm))
        bank.write(0, 4, both(0xFF))
        assert bank.read(2 * SECTOR_BYTES - 4, 4) == expected
    assert bank.read(SECTOR_BYTES - 4, 4) == 0


def test_a_buffer_is_programmed_and_confirmed():
    bank = FlashBank()
    bank.write(0x1000, 4, both(0xE8))
    bank.write(0x1000, 4, both(2))
    for index in range(3):
        bank.write(0x1000 + 4 * index, 4, index)
    bank.write(0x1000, 4, both(0xD0))
    assert bank.read(0x1000, 1) == READY
    bank.write(0x1000, 4, both(0xFF))
    assert [bank.read(0x1000 + 4 * index, 4) for index in range(4)] == [0, 1, 2, 0xFFFF_FFFF]


def test_the_state_comes_back():
    bank, other = FlashBank(b"abcd"), FlashBank(b"abcd")
    bank.write(0, 4, both(0x40))
    bank.write(0, 4, 0)
    bank.write(0x10000, 4, both(0x40))
    other.restore(bank.snapshot())
    other.write(0x10000, 4, 0x1234_5678)
    other.write(0, 4, both(0xFF))
    assert (other.read(0, 4), other.read(0x10000, 4)) == (0, 0x1234_5678)
    bank.reset()
    assert (bank.read(0, 4), bank.read(0x10000, 4)) == (0, 0xFFFF_FFFF)


GUEST = """
    ldr  x10, =0x40100000       // copy the routine to RAM, and call it there
    adr  x1, routine
    mov  x2, #64
copy:
    ldr  x3, [x1], #8
    str  x3, [x10], #8
    subs x2, x2, #8
    b.ne copy
    ldr  x10, =0x40100000
    mov  x9, #3
again:
    blr  x10                    // identify, back here in flash
    subs x9, x9, #1
    b.ne again
    mov  x3, #0x09000000
    strb w6, [x3]
    movz x0, #0x8400, lsl #16
    movk x0, #0x0008
    smc  #0
    .balign 8
routine:
    mov  x4, #0
    mov  w5, #0x90
    str  w5, [x4]
    ldr  w6, [x4]               // 0x89 in both chips
    and  w6, w6, #0x7f
    add  w6, w6, #'A' - 9
    mov  w5, #0xff
    str  w5, [x4]
    ret
    .balign 64
"""


def test_a_guest_runs_from_flash_commands_it_and_runs_on():
    code = assemble(GUEST, filename="flash.s", base=0).code
    plan = plan_boot(BootRequest(board=BoardDescription(el=2, has_flash=True), flash=File("flash", code)))
    whole, cut = Machine(flash=plan.flash), Machine(flash=plan.flash)
    whole.boot(plan)
    cut.boot(plan)
    assert whole.run(10_000).reason == "guest"
    while not cut.step():
        assert cut.retired < 10_000
    assert bytes(whole.console) == bytes(cut.console) == b"A"
    assert whole.retired == cut.retired == 78


RUNS_FROM_WHAT_IT_WRITES = """
    mov  x4, #0x40
    mov  w5, #0x71              // no command: back to the array, whatever ran from it runs on
    str  w5, [x4]
    ldr  w6, [x4]
    strh w5, [x4, #2]
    strb wzr, [x4]
    movz x0, #0x8400, lsl #16
    movk x0, #0x0008
    smc  #0
    .balign 64
    .word 0x12345678
"""


def test_code_may_write_to_the_flash_that_it_runs_from():
    code = assemble(RUNS_FROM_WHAT_IT_WRITES, filename="flash.s", base=0).code
    plan = plan_boot(BootRequest(board=BoardDescription(el=2, has_flash=True), flash=File("flash", code)))
    machine = Machine(flash=plan.flash)
    machine.boot(plan)
    outcome = machine.run(100)
    assert (outcome.reason, machine.retired) == ("guest", 9), outcome.text
    assert machine.core.x(6) == 0x1234_5678


MAINTAINS_WHAT_IT_RUNS = """
    mov  x9, #3
again:
    adr  x4, next
    ic   ivau, x4
    dsb  ish
    isb
next:
    subs x9, x9, #1
    b.ne again
    movz x0, #0x8400, lsl #16
    movk x0, #0x0008
    smc  #0
"""


@pytest.mark.parametrize("way", [way for way in (*counting.BY_BLOCK, "python") if way == "python" or is_usable(way)])
def test_code_in_flash_is_maintained_as_any_code(way: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(counting.SWITCH, way)
    code = assemble(MAINTAINS_WHAT_IT_RUNS, filename="flash.s", base=0).code
    plan = plan_boot(BootRequest(board=BoardDescription(el=2, has_flash=True), flash=File("flash", code)))
    machine = Machine(flash=plan.flash)
    dropped: list[tuple[int, int]] = []
    drop = machine.core.native.drop_physical
    monkeypatch.setattr(machine.core.native, "drop_physical", lambda *line: (dropped.append(line), drop(*line)))
    machine.boot(plan)
    outcome = machine.run(100)
    assert (outcome.reason, machine.retired) == ("guest", 22), outcome.text
    assert dropped.count((0, 64)) == 3
