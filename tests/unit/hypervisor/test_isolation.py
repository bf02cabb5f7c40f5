"""A victim is what it is alone, whoever runs beside it: its memory to the byte, its synchronous exits one by one.

Read `victim_program.py` and `attack_support.py` before this file. Each neighbour here is written by hand and harms in
one way; `test_attacks.py` has those that are drawn.
"""

from __future__ import annotations

import pytest
from attack_support import VM_BYTES, Duel, Shape, check_hypervisor, check_victim, pages_of, remains, undisturbed
from victim_program import BASE

from arm_hyp.cpu.assembler import assemble
from arm_hyp.hypervisor.guest_memory import IpaMemory
from arm_hyp.hypervisor.stage2.allocator import OutOfPhysicalMemory
from arm_hyp.hypervisor.vcpu import State
from arm_hyp.machine import board
from arm_hyp.machine.seams import BusError

_START_OTHERS = """
    mov x20, #3
1:  ldr x0, =0xc4000003
    mov x1, x20
    adr x2, others
    mov x3, x20
    hvc #0
    subs x20, x20, #1
    b.ne 1b
"""
NEIGHBOURS = {
    "quiet": "1: wfi\n b 1b\n",
    "off": "ldr x0, =0x84000008\n hvc #0\n",
    "exception loop": "mov x0, #0x1000\n msr VBAR_EL1, x0\n svc #0\n",
    "exception loop in RAM": "adr x0, 1f\n msr VBAR_EL1, x0\n.balign 2048\n1: .word 0\n .fill 1024, 4, 0\n",
    "spins with interrupts masked": "msr DAIFSet, #15\n1: b 1b\n",
    "yields for ever": "1: yield\n wfe\n b 1b\n",
    "resets for ever": "mov x1, #200\n1: subs x1, x1, #1\n b.ne 1b\n ldr x0, =0x84000009\n hvc #0\n",
    "resets for ever by SMC": "mov x1, #200\n1: subs x1, x1, #1\n b.ne 1b\n ldr x0, =0x84000009\n smc #0\n",
    "touches all of its RAM": "ldr x1, =0x40100000\n1: str x1, [x1]\n add x1, x1, #0x1000\n b 1b\n",
    # RAM above its code, RAM below it, then registers of all devices; and all again.
    "scribbles over its IPA space": """
    adr x0, vectors
    msr VBAR_EL1, x0
    adr x9, end
    mvn x10, x9
again:
    mov x2, x9
    ldr x1, =0x40400000
    bl scribble
    ldr x2, =0x40000000
    ldr x1, =0x40080000
    bl scribble
    adr x11, frames
1:  ldr w1, [x11], #4
    cbz w1, again
    mov x2, #79
2:  ldr w3, [x1]
    mvn w3, w3
    str w3, [x1], #52
    subs x2, x2, #1
    b.ne 2b
    b 1b
scribble:
    stp x9, x10, [x1, #-16]!
    sub x1, x1, #496
    cmp x1, x2
    b.hi scribble
    ret
frames:
    .word 0x08000000, 0x08001000, 0x08006000, 0x08010000, 0x08030000, 0x08040000, 0x080a0000, 0x080b0000, 0x080c0000
    .word 0x09000000, 0x09010000, 0x09030000, 0x0a000000, 0x0a003000, 0x090a0000, 0x0b000000, 0x3ffff000, 0x40400000
    .word 0
    .ltorg
.balign 2048
vectors:
    .space 0x200
    mrs x28, ELR_EL1
    add x28, x28, #4
    msr ELR_EL1, x28
    eret
end:
""",
    # The same virtual addresses as the victim's, always translated anew, with instructions that the machine decides.
    "forgets its code": "1: ic iallu\n tlbi vmalle1\n isb\n mrs x0, MIDR_EL1\n mrs x0, ID_AA64PFR0_EL1\n b 1b\n",
    "computes with other FP registers": """
    mov x0, #(3 << 20)
    msr CPACR_EL1, x0
    isb
    mov x1, #-1
1:  dup v8.2d, x1
    dup v0.2d, x1
    msr FPCR, x1
    yield
    b 1b
""",
    "vCPUs come and go": f"""
    {_START_OTHERS}
1:  ldr x0, =0xc4000003
    mov x1, x20
    adr x2, others
    hvc #0
    add x20, x20, #1
    and x20, x20, #3
    b 1b
others:
    mov x4, #50
2:  subs x4, x4, #1
    b.ne 2b
    ldr x0, =0x84000002
    hvc #0
    """,
    "vCPUs send interrupts to each other": f"""
    adr x9, others
    {_START_OTHERS}
others:
    ldr x1, =0x08000000
    mov w2, #2
    str w2, [x1]
    ldr x1, =0x080b0000
    mov w2, #0xffff
1:  str w2, [x1, #0x100]
    mov x3, #15
    msr ICC_SGI1R_EL1, x3
    orr x3, x3, #(1 << 24)
    msr ICC_SGI1R_EL1, x3
    wfi
    b 1b
    """,
}


SCRIBBLER = "scribbles over its IPA space"


def meet(neighbour: str, shape: Shape) -> Duel:
    """Make the victim and a neighbour."""
    return Duel(assemble(NEIGHBOURS[neighbour], filename="neighbour.s", base=BASE).code, shape)


def beside(neighbour: str, shape: Shape, slice_ns: int = 10_000) -> Duel:
    """Run the victim beside a neighbour."""
    duel = meet(neighbour, shape)
    duel.hypervisor.scheduler.slice_ns = slice_ns
    outcome = duel.run(at_least=60_000 if neighbour == SCRIBBLER else 8_000)
    assert outcome.reason in ("limit", "guest", "idle")
    return duel


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_no_neighbour_is_noticed(neighbour: str, cpus: int) -> None:
    shape = Shape(cpus=cpus, vcpus=4)
    duel = beside(neighbour, shape)
    check_hypervisor(duel)
    check_victim(duel, shape)


@pytest.mark.parametrize("neighbour", ["quiet", "forgets its code", SCRIBBLER])
def test_no_neighbour_is_noticed_by_a_guest_with_a_gicv2(neighbour: str) -> None:
    shape = Shape(gic=2)
    duel = beside(neighbour, shape)
    check_hypervisor(duel)
    check_victim(duel, shape)


@pytest.mark.parametrize("slice_ns", [3_001, 4_003, 5_009, 7_013])
def test_no_length_of_slices_is_noticed(slice_ns: int) -> None:
    """Wherever the victim is interrupted: also between the translation of a block and its run."""
    shape = Shape()
    check_victim(beside("forgets its code", shape, slice_ns), shape)


def test_the_victim_does_what_it_should() -> None:
    """All else compares runs of it: so here is what it must have done once."""
    alone = undisturbed(Shape())
    kinds = {step[0] for step in alone.exits}
    classes = {step[1] >> 26 for step in alone.exits if step[0] == "exit" and isinstance(step[1], int)}
    assert kinds == {"exit", "fault", "mmio", "call"}
    assert classes == {0x16, 0x17, 0x18, 0x20, 0x24}  # HVC, SMC, system registers, instruction and data aborts
    assert len(alone.console) == 12 and len(alone.exits) > 200
    assert len(alone.pages) > 100


def test_memory_that_nobody_touched_stays_zero() -> None:
    """The scribbler writes every page of its own; the victim's are those that it wrote itself."""
    duel = beside(SCRIBBLER, Shape())
    scribbled = pages_of(duel, duel.attacker)
    assert len([ipa for ipa in scribbled if ipa >= board.RAM_BASE]) == VM_BYTES // board.PAGE_BYTES
    assert remains(duel).pages.keys() == undisturbed(Shape()).pages.keys()


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_vm_that_ended_is_off_and_the_other_runs_on(cpus: int) -> None:
    duel = beside("exception loop", Shape(cpus=cpus))
    assert duel.attacker.end is not None and duel.attacker.end.reason == "crashed"
    assert all(vcpu.state is State.OFF for vcpu in duel.attacker.vcpus)
    assert duel.victim.end is not None and duel.victim.end.reason == "off"


def check_but_for_faults(duel: Duel) -> None:
    """Check that the victim left what it leaves alone; it may have faulted more often, for the hypervisor's reasons."""
    now, alone = remains(duel), undisturbed(Shape())
    assert (now.end, now.pages, now.console) == (alone.end, alone.pages, alone.console)
    assert [step for step in now.exits if step[0] in ("mmio", "call")] == [
        step for step in alone.exits if step[0] in ("mmio", "call")
    ]


def test_a_log_finds_the_pages_that_the_victim_wrote() -> None:
    duel = meet("quiet", Shape())
    slot = duel.victim.memory.slot_of(board.RAM_BASE)
    assert slot is not None
    log = duel.victim.memory.start_logging(slot)
    duel.run()
    check_but_for_faults(duel)
    dirty = int.from_bytes(log.bitmap, "little")
    written = {ipa for ipa in pages_of(duel, duel.victim) if dirty >> (ipa - slot.ipa) // board.PAGE_BYTES & 1}
    assert remains(duel).pages.keys() - written == {BASE}  # its code was loaded before


@pytest.mark.parametrize("cpus", [1, 2])
def test_pages_that_are_copied_on_write_hide_what_the_other_writes(cpus: int) -> None:
    """The neighbour gets the victim's code and its data, before either runs, and writes over them."""
    duel = meet(SCRIBBLER, Shape(cpus=cpus))
    victim, other = duel.victim.memory, duel.attacker.memory
    victim.share(BASE, other, 0x4030_0000, board.PAGE_BYTES, copy_on_write=True)
    victim.share(0x4020_0000, other, 0x4031_0000, 16 * board.PAGE_BYTES, copy_on_write=True)
    code = duel.attacker.read_ipa(0x4030_0000, board.PAGE_BYTES)
    assert code == duel.victim.read_ipa(BASE, board.PAGE_BYTES) and any(code)
    duel.run(at_least=60_000)
    check_but_for_faults(duel)
    assert duel.attacker.read_ipa(0x4030_0000, board.PAGE_BYTES) != code
    for theirs, ours in ((0x4030_0000, BASE), (0x4031_0000, 0x4020_0000)):
        copy, original = duel.attacker.stage2.lookup(theirs), duel.victim.stage2.lookup(ours)
        assert copy is not None and original is not None and copy.pa_of(theirs) != original.pa_of(ours)


@pytest.mark.parametrize("mebibytes", [4, 5, 6, 7])
@pytest.mark.parametrize("neighbour", ["touches all of its RAM", SCRIBBLER])
def test_a_machine_with_less_ram_than_its_vms_ends_those_that_ask_for_more(neighbour: str, mebibytes: int) -> None:
    duel = meet(neighbour, Shape(memory_bytes=mebibytes << 20))
    assert duel.run(at_least=60_000).reason in ("limit", "guest")
    check_hypervisor(duel)
    assert duel.victim.end is not None
    if duel.victim.end.reason == "off":
        check_but_for_faults(duel)  # it may have got pages where blocks were to be had before
    else:
        assert duel.victim.end.text.startswith("no memory")


def test_a_device_that_finds_no_page_for_its_dma_ends_the_vm() -> None:
    """A device may access memory while no exit is handled: as something is typed, or time passes."""
    duel = meet("quiet", Shape())
    with pytest.raises(OutOfPhysicalMemory):
        while True:
            duel.hypervisor.allocator.allocate(board.PAGE_BYTES)
    memory = IpaMemory(duel.attacker)
    memory.write(BASE, b"there")
    with pytest.raises(BusError):
        memory.write(0x4030_0000, b"not there")
    assert duel.attacker.end is not None and duel.attacker.end.text.startswith("no memory")
    with pytest.raises(BusError):
        memory.read(0x4030_0000, 1)
    assert duel.run().reason == "guest"  # the victim, too, finds no page
