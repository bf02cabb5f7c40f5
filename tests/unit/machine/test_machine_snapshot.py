"""A snapshot restored into a new machine runs on as the first did, with every stateful object in the middle of work.

One guest for each GIC sets all of it up: active and pending interrupts, list registers, running timers, bytes in the
UART's FIFO, an RTC alarm, counting performance monitors, a virtio disk with requests and written sectors, random
numbers, debug registers, the firmware's entropy, and CPUs that wait, are off, or are in the middle of a slice.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from board_support import DATA, machine, start_cpu, state, trace, with_vectors

from arm_hyp.events import Ended, Event, ExceptionTaken
from arm_hyp.machine import board
from arm_hyp.machine.machine import Machine
from arm_hyp.machine.virtio.drive import OverlayDrive

END = 2_600
QUEUE = DATA + 0x4000


class Zeros:
    """A drive of zeros."""

    read_only, sectors = True, 64

    def read(self, sector: int, count: int) -> bytes:
        return bytes(512 * count)

    def write(self, sector: int, data: bytes) -> None:
        raise AssertionError("the base of an overlay is never written")

    def flush(self) -> None: ...

    def snapshot(self) -> dict[str, int]:
        return {}

    def restore(self, state: dict[str, int]) -> None: ...


def stores(base: int, *pairs: tuple[int, int]) -> str:
    """Assembly of 32-bit stores: (offset, value)."""
    lines = [f"ldr x1, ={base:#x}"]
    for offset, value in pairs:
        lines += [f"ldr w2, ={value:#x}", f"ldr x3, ={base + offset:#x}", "str w2, [x3]"]
    return "\n ".join(lines) + "\n"


def writes(**registers: int) -> str:
    """Assembly of system register writes."""
    return "".join(f"ldr x1, ={value:#x}\n msr {name}, x1\n" for name, value in registers.items())


INTERRUPTS = {
    2: stores(board.GICD_BASE, (0x100, 0xFFFF_FFFF), (0x104, 0xFF), (0x200, 1 << 20), (0x300, 1 << 18), (0, 1))
    + stores(board.GICC_BASE, (4, 0xFF), (0, 1))
    + stores(board.GICH_BASE, (0x100, 0x3000_0005), (0x104, 0x1808_0406), (0, 1), (0xF0, 1 << 5)),
    3: stores(board.GICD_BASE, (0, 0x12), (0x104, 0xFF), (0x84, 0xFFFF_FFFF))
    + stores(board.GICR_BASE + 0x1_0000, (0x80, 0xFFFF_FFFF), (0x100, 0xFFFF_FFFF), (0x200, 1 << 20), (0x300, 1 << 18))
    + writes(icc_pmr_el1=0xF8, icc_igrpen1_el1=1, ich_lr0_el2=5 | 1 << 60 | 1 << 62, ich_lr1_el2=6 | 1 << 63)
    + writes(ich_ap1r0_el2=1 << 4, ich_vmcr_el2=0xF800_0002, ich_hcr_el2=1),
}
ACKNOWLEDGE = {
    2: f"ldr x21, ={board.GICC_BASE:#x}\n ldr w22, [x21, #0xc]\n",
    3: "mrs x22, icc_iar1_el1\n",
}
END_OF_INTERRUPT = {2: "str w22, [x21, #0x10]\n", 3: "msr icc_eoir1_el1, x22\n"}
DISK = (
    stores(QUEUE, (0, QUEUE + 0x800), (4, 0), (8, 16), (12, 1 | 1 << 16))
    + stores(QUEUE, (16, DATA), (20, 0), (24, 512), (28, 1 | 2 << 16))
    + stores(QUEUE, (32, QUEUE + 0x900), (36, 0), (40, 1), (44, 2))
    + stores(QUEUE + 0x800, (0, 1), (8, 3))
    + stores(board.VIRTIO_BASE, (0x70, 1), (0x70, 3), (0x24, 1), (0x20, 1), (0x70, 11), (0x30, 0), (0x38, 4))
    + stores(board.VIRTIO_BASE, (0x80, QUEUE), (0x90, QUEUE + 0x100), (0xA0, QUEUE + 0x200), (0x44, 1), (0x70, 15))
)
REQUEST = "ldr x1, =0x40104102\n ldrh w2, [x1]\n add w2, w2, #1\n strh w2, [x1]\n" + stores(
    board.VIRTIO_BASE, (0x50, 0)
)


def guest(gic: int, has_random: bool) -> str:
    rndr = "mrs x9, rndr\n eor x12, x12, x9\n" if has_random else ""
    return with_vectors(
        f"""
        {INTERRUPTS[gic]}
        {stores(board.PL011_BASE, (0x2C, 0x10), (0x30, 0x381), (0x0, 65), (0x0, 66), (0x0, 67))}
        {stores(board.PL031_BASE, (0x8, 77), (0x4, 78), (0x10, 1))}
        {stores(board.PL061_BASE, (0x400, 0xF), (0x3FC, 0x5))}
        {DISK}
        {writes(pmevtyper0_el0=8, pmcntenset_el0=1 << 31 | 1, pmcr_el0=1, dbgclaimset_el1=0x5A, oslar_el1=1)}
        {writes(cntvoff_el2=2, cntv_cval_el0=1 << 40, cntv_ctl_el0=1, cntp_tval_el0=20, cntp_ctl_el0=1)}
        {start_cpu(1, "second", 1)}
        {start_cpu(2, "third", 2)}
        mrs x3, hcr_el2
        orr x3, x3, #1 << 4
        msr hcr_el2, x3
        msr daifclr, #2
    work:
        {REQUEST}
        mrs x9, pmccntr_el0
        eor x12, x12, x9
        mrs x9, pmevcntr0_el0
        eor x12, x12, x9
        mrs x9, cntvct_el0
        eor x12, x12, x9
        {rndr}
        mov x1, #64
        ldr x0, =0xc4000053
        smc #0
        eor x12, x12, x3
        ldr x1, ={board.PL011_BASE:#x}
        ldr w9, [x1]
        eor x12, x12, x9
        ldr x1, ={board.PL031_BASE:#x}
        ldr w9, [x1]
        ldr x1, ={DATA:#x}
        str x12, [x1]
        add v0.16b, v0.16b, v1.16b
        sev
        yield
        b work
    second:
        wfe
        add x5, x5, #1
        cmp x5, #2
        b.lt second
        ldr x0, =0x84000002
        smc #0
    third:
        ldr x1, ={DATA + 0x100:#x}
        add x5, x5, #1
        str x5, [x1]
        tst x5, #15
        b.ne third
        yield
        tst x5, #63
        b.ne third
        wfe
        b third
        """,
        irq_same=f"""
        {ACKNOWLEDGE[gic]}
        mov x23, #25
        msr cntp_tval_el0, x23
        add x27, x27, #1
        b finish
        """,
    ) + finish(gic)


def finish(gic: int) -> str:
    """Assembly of what ends every interrupt, the disk's too."""
    acknowledge_disk = f"ldr x24, ={board.VIRTIO_BASE:#x}\n mov w25, #3\n str w25, [x24, #0x64]\n"
    return f"finish:\n {acknowledge_disk} {END_OF_INTERRUPT[gic]} eret\n .ltorg\n"


def make(gic: int, model: str) -> Machine:
    made = machine(
        guest(gic, model == "max"),
        gic=gic,
        cpus=4,
        model=model,
        drives=(OverlayDrive(Zeros()),),
        has_rng=True,
    )
    made.write_memory(DATA + 8, b"what is written to the disk")
    return made


def behind(made: Machine, count: int) -> list[Event]:
    """Return the events from one on, the run's end aside."""
    return [event for event in trace(made)[count:] if not isinstance(event, Ended)]


@pytest.mark.parametrize(("gic", "model"), [(2, "a72"), (3, "a72"), (3, "max")])
def test_a_new_machine_runs_on_from_any_point(gic: int, model: str) -> None:
    chance = random.Random(gic)
    points = sorted(chance.sample(range(1, END), 12))
    first, saved = make(gic, model), []
    for byte in b"typed":
        first.board.peripherals.uart.receive(byte)
    for point in points:
        outcome = first.run(point)
        assert outcome.reason == "limit", outcome
        saved.append((first.snapshot(), [event for event in trace(first) if not isinstance(event, Ended)]))
    assert first.run(END).reason == "limit"
    expected = [event for event in trace(first) if not isinstance(event, Ended)]
    last = state(first)
    assert_busy(last)
    for snapshot, before in saved:
        second = make(gic, model)
        second.restore(snapshot)
        assert second.snapshot() == snapshot
        heard = len(trace(second))
        second.run(END)
        assert behind(second, heard) == expected[len(before) :]
        assert state(second) == last


def assert_busy(last: dict[str, Any]) -> None:
    """Check that the guest did what this test is for."""
    devices = last["board"]
    assert last["cpus"]["on"] == [True, False, True, False]
    assert devices["virtio-0"]["device"]["state"] != {}
    assert devices["virtio-0"]["rings"][0] is not None
    assert devices["pl031"]["mask"] == 1
    assert devices["debug-0"]["claimed"] == 0x5A
    assert last["firmware"]["trng"] > 1
    assert devices["timers-0"]["timers"]["CNTP"]["ctl"] == 1
    assert last["cpus"]["cores"][0]["general"]["x27"] >= 2, "interrupts were taken"


def test_a_state_of_another_machine_is_refused() -> None:
    small = machine("b .")
    with pytest.raises(ValueError, match="version"):
        small.restore(small.snapshot() | {"version": 1})
    with pytest.raises(ValueError, match="max"):
        small.restore(machine("b .", model="max").snapshot())
    with pytest.raises(ValueError, match="zip"):
        small.restore(machine("b .", cpus=2).snapshot())


def test_the_same_machine_goes_back_from_a_misaligned_pc() -> None:
    """A PC alignment fault that was due when the state was taken back is no longer due."""
    made = machine(
        with_vectors("nop\n adr x1, target + 2\n msr elr_el2, x1\n mov x2, #9\n msr spsr_el2, x2\n eret\ntarget:")
    )
    made.run(4)
    earlier = made.snapshot()
    made.run(9)
    assert made.core.pc & 3 == 2
    later = made.snapshot()
    made.restore(earlier)
    heard = len(trace(made))
    made.run(8)
    assert not [event for event in behind(made, heard) if isinstance(event, ExceptionTaken)]
    made.restore(later)
    other = machine("b .")
    other.restore(later)
    for each in (made, other):
        each.run(12)
    assert state(made)["cpus"] == state(other)["cpus"]
