"""Guests that program nonsense into every device: the machine answers as the architecture does, and never breaks.

A run must end by its limit of instructions, by the guest, or with a diagnosis: no Python exception, no endless idling,
and nothing outside RAM is touched by a device. Each seed is a program; a failure names the seed.
"""

from __future__ import annotations

import random
from typing import Final

import pytest
from board_support import BASE, DATA, MEMORY_BYTES, machine, start_cpu, with_vectors

from arm_hyp.events import NullSink
from arm_hyp.machine import board
from arm_hyp.machine.virtio.drive import OverlayDrive

LIMIT: Final = 4_000
LENGTH: Final = 150
REGIONS: Final = {
    2: ((board.GICD_BASE, 0x1000), (board.GICC_BASE, 0x2000), (board.GICH_BASE, 0x200), (board.GICV_BASE, 0x2000)),
    3: ((board.GICD_BASE, 0x1_0000), (board.GICR_BASE, 0x4_0000)),
}
DEVICES: Final = (
    (board.PL011_BASE, 0x60),
    (board.PL031_BASE, 0x30),
    (board.PL061_BASE, 0x420),
    (board.VIRTIO_BASE, 0x800),
    (board.VIRTIO_BASE, 0x110),
)
BOTH: Final = tuple(
    [
        "cntv_ctl_el0",
        "cntv_cval_el0",
        "cntv_tval_el0",
        "cntp_ctl_el0",
        "cntp_cval_el0",
        "cntp_tval_el0",
        "cnthp_ctl_el2",
        "cnthp_cval_el2",
        "cntvoff_el2",
        "cnthctl_el2",
        "cntkctl_el1",
        "pmcr_el0",
        "pmcntenset_el0",
        "pmintenset_el1",
        "pmccntr_el0",
        "pmevcntr0_el0",
        "pmevtyper0_el0",
        "mdcr_el2",
        "hcr_el2",
        "vttbr_el2",
        "vtcr_el2",
        "ttbr0_el1",
        "tcr_el1",
        "ttbr0_el2",
        "tcr_el2",
        "vbar_el1",
        "spsr_el2",
        "elr_el2",
        "sctlr_el1",
        "mdscr_el1",
        "dbgclaimset_el1",
        "dbgprcr_el1",
        "daif",
        "cptr_el2",
        "cpacr_el1",
        "hstr_el2",
    ]
)
GICV3: Final = tuple(
    [
        "icc_pmr_el1",
        "icc_bpr0_el1",
        "icc_bpr1_el1",
        "icc_igrpen0_el1",
        "icc_igrpen1_el1",
        "icc_ctlr_el1",
        "icc_eoir0_el1",
        "icc_eoir1_el1",
        "icc_dir_el1",
        "icc_sgi1r_el1",
        "icc_sgi0r_el1",
        "icc_ap0r0_el1",
        "icc_ap1r0_el1",
        "icc_sre_el1",
        "icc_sre_el2",
        "ich_hcr_el2",
        "ich_vmcr_el2",
        "ich_lr0_el2",
        "ich_lr1_el2",
        "ich_lr2_el2",
        "ich_lr3_el2",
        "ich_ap0r0_el2",
        "ich_ap1r0_el2",
    ]
)
READS: Final = ("icc_iar0_el1", "icc_iar1_el1", "icc_hppir1_el1", "icc_rpr_el1", "ich_misr_el2", "ich_eisr_el2")
INTERESTING: Final = (0, 1, 2, 3, 0xF, 0xFF, 0x3FF, 0x400, (1 << 31), (1 << 32) - 1, (1 << 63), (1 << 64) - 1)


class Hostile:
    """A program of random hostility."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.gic = self.random.choice((2, 3))
        self.cpus = self.random.choice((1, 1, 2))
        self.written = BOTH + (GICV3 if self.gic == 3 else ())

    def value(self) -> int:
        pick = self.random
        kinds = (
            lambda: pick.choice(INTERESTING),
            lambda: pick.getrandbits(64),
            lambda: pick.getrandbits(32),
            lambda: pick.getrandbits(5),
            lambda: DATA + 16 * pick.randrange(64),
            lambda: board.RAM_BASE + MEMORY_BYTES - pick.randrange(32),
            lambda: 1 << pick.randrange(64),
        )
        return pick.choice(kinds)()

    def address(self) -> int:
        base, size_bytes = self.random.choice(REGIONS[self.gic] + DEVICES)
        offset = self.random.randrange(0, size_bytes, 4)
        return base + offset + self.random.choice((0, 0, 0, 0, 0, 1, 2, 3))

    def access(self) -> list[str]:
        forms = ("str w1", "str x1", "strb w1", "strh w1", "stp x1, x2", "stp w1, w2", "str q1")
        forms += ("ldr w1", "ldr x1", "ldrb w1", "ldp x1, x2", "ldr q1", "ldxr w1", "ldar w1", "ldrsw x1")
        back = self.random.choice(("", "", ", #16"))
        form = self.random.choice(forms)
        line = f"{form}, [x10]" if form.startswith(("ldxr", "ldar")) else f"{form}, [x10]{back}"
        return [f"ldr x10, ={self.address():#x}", f"ldr x1, ={self.value():#x}", line]

    def system(self) -> list[str]:
        return [f"ldr x1, ={self.value():#x}", f"msr {self.random.choice(self.written)}, x1"]

    def reading(self) -> list[str]:
        return [f"mrs x1, {self.random.choice(self.written + (READS if self.gic == 3 else ()))}"]

    def ring(self) -> list[str]:
        """Set up a virtio queue of a random device, more or less well, with descriptors in DATA, and notify it."""
        slot = board.VIRTIO_BASE + board.VIRTIO_BYTES * self.random.randrange(4)
        steps = [(0x70, 1), (0x70, 3), (0x24, 1), (0x20, 1), (0x70, 11), (0x30, 0), (0x38, self.random.choice((4, 8)))]
        steps += [(0x80, DATA), (0x84, 0), (0x90, DATA + 0x100), (0x94, 0), (0xA0, DATA + 0x200), (0xA4, 0)]
        steps += [(0x44, 1), (0x70, 15), (0x50, 0)]
        if self.random.random() < 0.5:
            index = self.random.randrange(len(steps))
            steps[index] = (steps[index][0], self.value() & 0xFFFF_FFFF)
        lines = [f"ldr x10, ={slot:#x}"]
        for offset, value in steps:
            lines += [f"ldr w1, ={value:#x}", f"str w1, [x10, #{offset:#x}]"]
        return lines

    def memory(self) -> list[str]:
        offset = self.random.randrange(0, 0x400, 8)
        return [f"ldr x10, ={DATA + offset:#x}", f"ldr x1, ={self.value():#x}", "str x1, [x10]"]

    def jump(self) -> list[str]:
        value = self.random.choice((self.address(), self.value(), BASE + 4 * self.random.randrange(LENGTH)))
        form = self.random.choice(("br x1", "blr x1", "msr vbar_el2, x1", "msr elr_el2, x1\n eret", "mov sp, x1"))
        return [f"ldr x1, ={value:#x}", form]

    def event(self) -> list[str]:
        plain = ("wfi", "wfe", "sev", "yield", "svc #1", "hvc #2", "isb", "tlbi alle1", "dc zva, x10", "ic iallu")
        calls = (0xC4000003, 0x84000002, 0xC4000004, 0x84000009, 0xC4000001, 0x84000050, 0xC4000053)
        call = f"ldr x0, ={self.random.choice(calls):#x}\n ldr x1, ={self.value():#x}\n ldr x2, ={BASE:#x}\n smc #0"
        return [self.random.choice((*plain, call, "msr daifclr, #15", "msr daifclr, #15", "hlt #0xf000"))]

    def program(self) -> str:
        kinds = ([self.access] * 6) + ([self.system] * 4) + [self.reading, self.ring, self.memory, self.memory]
        kinds += [self.event, self.event] + ([self.jump] if self.random.random() < 0.3 else [])
        lines = [f"ldr x30, ={BASE:#x}", "msr daifclr, #15"]
        lines += start_cpu(1, "again").splitlines() if self.cpus > 1 else []
        lines.append("again:")
        while len(lines) < LENGTH:
            lines += self.random.choice(kinds)()
        skips = "mrs x28, elr_el2\n add x28, x28, #4\n msr elr_el2, x28\n eret"
        acknowledges = "eret" if self.gic == 2 else "mrs x28, icc_iar1_el1\n msr icc_eoir1_el1, x28\n eret"
        return with_vectors(
            "\n ".join(lines), sync_same=skips, sync_lower=skips, irq_same=acknowledges, fiq_same=acknowledges
        )


class MemoryDrive:
    """A drive of zeros, whose size does not change."""

    read_only, sectors = True, 64

    def read(self, sector: int, count: int) -> bytes:
        assert 0 <= sector <= sector + count <= self.sectors
        return bytes(512 * count)

    def write(self, sector: int, data: bytes) -> None:
        raise AssertionError("the base of an overlay is never written")

    def flush(self) -> None: ...

    def snapshot(self) -> dict[str, int]:
        return {}

    def restore(self, state: dict[str, int]) -> None: ...


def survive(seed: int) -> None:
    hostile = Hostile(seed)
    made = machine(
        hostile.program(),
        sink=NullSink(),
        gic=hostile.gic,
        cpus=hostile.cpus,
        model="max" if hostile.random.random() < 0.5 else "a72",
        drives=(OverlayDrive(MemoryDrive()),),
        has_rng=True,
        has_virtio_console=True,
    )
    outcome = made.run(LIMIT)
    assert outcome.reason in ("limit", "guest", "dead", "idle"), outcome
    assert made.retired <= LIMIT
    assert len(made.ram) == MEMORY_BYTES
    state = made.snapshot()
    made.restore(state)
    assert made.snapshot() == state


@pytest.mark.parametrize("seed", range(50))
def test_nonsense_is_survived(seed: int) -> None:
    survive(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1500))
def test_more_nonsense_is_survived(seed: int) -> None:
    survive(seed)
