"""The yardstick: the least Python that boots an unmodified Linux on this core at EL1. It prints one line of JSON.

Read `bench/README.md` and `arm_hyp/cpu/native.py` before this file; `bench/bench_linux.py` runs it. No trap rules, no
events, no exact positions: exceptions are copied from the native record, the virtual timer's registers and nothing else
are sites, GICv2 and PL011 know what this kernel needs and answer nonsense to the rest. Counting is `NativeCore`'s, so
it counts in the same way as the machine that is measured against it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import process_time
from typing import Any, Final

from memory_use import peak_bytes
from unicorn import arm64_const as a64
from unicorn import unicorn_const as uc_const

from arm_hyp.cpu import access_exits, counting, probe
from arm_hyp.cpu.native import SCR_EL3_LEAVE, NativeCore

SLICE: Final = 200_000
KERNEL, INITRD, TREE = 0x4020_0000, 0x4800_0000, 0x4F00_0000
GICD, GICC, UART = 0x0800_0000, 0x0801_0000, 0x0900_0000
OTHERS, OTHERS_BYTES = 0x0901_0000, 0x0100_0000  # PL031, PL061, virtio: nothing is connected
TIMER: Final = 27
SCR_EL3, HCR_EL2, CNTHCTL_EL2, SPSR_EL1 = (3, 6, 1, 1, 0), (3, 4, 1, 1, 0), (3, 4, 14, 1, 0), (3, 0, 4, 0, 0)
HCR: Final = 1 << 31 | 1 << 5 | 1 << 4 | 1 << 3
VI: Final = 1 << 7
PL011_IDS: Final = {0x18: 0x90, 0xFE0: 0x11, 0xFE4: 0x10, 0xFE8: 0x14, 0xFF0: 0x0D, 0xFF4: 0xF0, 0xFF8: 5, 0xFFC: 0xB1}
TIMER_MASK, TIMER_PATTERN, IS_READ = 0xFFD8_F000, 0xD518_E000, 1 << 21  # MRS and MSR with op0 = 3, CRn = 14
SYSTEM_OFF, SYSTEM_RESET = 0x8400_0008, 0x8400_0009
NOT_SUPPORTED: Final = (1 << 64) - 1
ANSWERS: Final = {
    0x8400_0000: 0x1_0001,  # PSCI 1.1
    0x8400_0006: 2,  # nothing to migrate
    0x8400_000A: 0,  # SMCCC_VERSION exists
    0x8000_0000: 0x1_0001,  # SMCCC 1.1
    0x8000_0001: 1,  # this CPU needs no workaround
    0x8400_0050: 0x1_0000,  # TRNG 1.0
    0x8400_0051: 0,
    0x8400_0052: 1,
    0xC400_0053: 0,  # what is in the registers passes for random numbers
}
"""What PSCI and SMCCC answer: what the machine's firmware says, so that the kernel does the same work on both."""
SP_EL: Final = (a64.UC_ARM64_REG_SP_EL0, a64.UC_ARM64_REG_SP_EL1)


class Gic:
    """One interrupt at a time, no priorities."""

    def __init__(self, native: NativeCore) -> None:
        self.native, self.line = native, False
        self.enabled = self.pending = self.active = self.level = 0
        self.registers: dict[int, int] = {}  # GICD_CTLR and GICC_CTLR, and what is only stored

    def waiting(self) -> int:
        """Return the bits of the interrupts that could be taken."""
        return (self.pending | self.level) & self.enabled & ~self.active

    def update(self) -> None:
        """Drive HCR_EL2.VI: the core then takes the interrupt by itself."""
        on = bool(self.waiting() and self.registers.get(GICD) and self.registers.get(GICC))
        if on != self.line:
            self.line = on
            self.native.write_cp(HCR_EL2, HCR | on * VI)

    def read_distributor(self, offset: int, size_bytes: int) -> int:
        """Read GICD."""
        if offset == 4:
            return 1
        if 0x100 <= offset < 0x180:
            return self.enabled >> (offset - 0x100) * 8 & 0xFFFF_FFFF
        if 0x800 <= offset < 0xC00:
            return 0x0101_0101
        return 0x2B if offset == 0xFE8 else self.registers.get(GICD + offset, 0)

    def write_distributor(self, offset: int, size_bytes: int, value: int) -> None:
        """Write GICD."""
        bits = value << (offset & 0x7F) * 8
        bank = offset & ~0x7F
        if bank == 0x100:
            self.enabled |= bits
        elif bank == 0x180:
            self.enabled &= ~bits
        elif bank == 0x200:
            self.pending |= bits
        elif bank == 0x280:
            self.pending &= ~bits
        else:
            self.registers[GICD + offset] = value
        self.update()

    def read_interface(self, offset: int, size_bytes: int) -> int:
        """Read GICC; reading GICC_IAR acknowledges."""
        if offset != 0xC:
            return 0x0202_143B if offset == 0xFC else self.registers.get(GICC + offset, 0)
        waiting = self.waiting()
        if not waiting:
            return 1023
        bit = waiting & -waiting
        self.active |= bit
        self.pending &= ~bit
        self.update()
        return bit.bit_length() - 1

    def write_interface(self, offset: int, size_bytes: int, value: int) -> None:
        """Write GICC; writing GICC_EOIR ends."""
        if offset == 0x10:
            self.active &= ~(1 << (value & 0x3FF))
        else:
            self.registers[GICC + offset] = value
        self.update()


class Thinnest:
    """One CPU, its timer, and the loop."""

    def __init__(self) -> None:
        self.native = native = NativeCore("a72", probe.internals())
        counting.install(native)
        access_exits.install(native)
        self.gic, self.console = Gic(native), bytearray()
        self.retired = self.idle = self.control = self.compare = 0
        self.off = False
        self.known: set[int] = set()
        self.stale: list[tuple[int, int]] = []
        self.place = native.batch([a64.UC_ARM64_REG_PC, a64.UC_ARM64_REG_PSTATE])
        native.uc.hook_add(uc_const.UC_HOOK_EDGE_GENERATED, self.translated)
        native.uc.hook_add(uc_const.UC_HOOK_INTR, self.interrupted)
        native.map_mmio(GICD, 0x10000, self.gic.read_distributor, self.gic.write_distributor)
        native.map_mmio(GICC, 0x10000, self.gic.read_interface, self.gic.write_interface)
        native.map_mmio(UART, 0x1000, lambda offset, _size: PL011_IDS.get(offset, 0), self.write_uart)
        native.map_mmio(OTHERS, OTHERS_BYTES, lambda _offset, _size: 0, lambda _offset, _size, _value: None)

    def load(self, kernel: Path, initrd: Path, tree: Path, memory_bytes: int) -> None:
        """Put the images into RAM, by the Linux boot protocol."""
        uc, native = self.native.uc, self.native
        uc.mem_map(0x4000_0000, memory_bytes)
        native.start(0x4000_0000, 1)  # Unicorn reports translations only after a first run; it ends in an abort
        if native.exits is not None:
            native.exits.begin(0x4000_0000, memory_bytes)
        for address, path in ((KERNEL, kernel), (INITRD, initrd), (TREE, tree)):
            uc.mem_write(address, path.read_bytes())
        native.write_cp(SCR_EL3, SCR_EL3_LEAVE["a72"])
        native.write(a64.UC_ARM64_REG_PSTATE, 0x3C5)
        native.write_cp(CNTHCTL_EL2, 3)
        native.write_cp(HCR_EL2, HCR)
        native.write(a64.UC_ARM64_REG_X0, TREE)
        native.write(a64.UC_ARM64_REG_PC, KERNEL)
        self.off = False

    def run(self) -> None:
        """Run until the kernel powers off."""
        pc = KERNEL
        while not self.off:
            status = self.native.start(pc, SLICE)
            if status:
                raise SystemExit(f"the core stopped with status {status} at {self.place.read()[0]:#x}")
            started = min(self.native.started(), SLICE)
            self.retired += started
            for start, end in self.stale:
                self.native.drop_translations(start, end)
            if started < SLICE and not self.stale:
                self.skip_idle_time()
            self.stale.clear()
            self.update_timer()
            pc = self.place.read()[0]

    def skip_idle_time(self) -> None:
        """Let time jump to the timer's deadline, if the core waits for it."""
        if not self.gic.line and self.control & 3 == 1:
            self.idle += max(0, self.compare * 16 - self.retired - self.idle)

    # --- the virtual timer -------------------------------------------------------------------------------------------

    def ticks(self, running: bool) -> int:
        """Return the counter: 62.5 MHz at 1 ns an instruction."""
        return (self.retired + self.idle + (self.native.started() if running else 0)) >> 4

    def update_timer(self, running: bool = False) -> None:
        """Drive the timer's interrupt."""
        fires = self.control & 3 == 1 and self.ticks(running) >= self.compare
        self.gic.level = self.gic.level | 1 << TIMER if fires else self.gic.level & ~(1 << TIMER)
        self.gic.update()

    def read_timer(self, uc: Any, register: int, access: Any, _data: object) -> bool:
        """Execute MRS of CNTVCT_EL0, CNTV_CTL_EL0 and CNTV_CVAL_EL0."""
        which, now = (access.op1, access.crm, access.op2), self.ticks(True)
        values = {
            (3, 0, 2): now,
            (3, 3, 1): self.control | 4 * (self.control & 1 and now >= self.compare),
            (3, 3, 2): self.compare,
        }
        if which not in values:
            return False
        uc.reg_write(register, values[which])
        return True

    def write_timer(self, _uc: Any, _register: int, access: Any, _data: object) -> bool:
        """Execute MSR of CNTV_CTL_EL0 and CNTV_CVAL_EL0."""
        which = access.op1, access.crm, access.op2
        if which == (3, 3, 1):
            self.control = access.val & 3
        elif which == (3, 3, 2):
            self.compare = access.val
        else:
            return False
        self.update_timer(running=True)
        return True

    def translated(self, _uc: object, block: Any, _previous: object, _data: object) -> None:
        """Look for the timer's instructions in a new block."""
        pc, size_bytes, fresh = block.pc, block.size, False
        for index, word in enumerate(self.native.fetch_words(pc, size_bytes)):
            at = pc + 4 * index
            if word & TIMER_MASK == TIMER_PATTERN and at not in self.known:
                self.known.add(at)
                fresh = True
                is_read = word & IS_READ
                callback = self.read_timer if is_read else self.write_timer
                kind = a64.UC_ARM64_INS_MRS if is_read else a64.UC_ARM64_INS_MSR
                self.native.uc.hook_add(uc_const.UC_HOOK_INSN, callback, None, at, at, kind)
        if fresh:
            self.stale.append((pc, pc + size_bytes))
            self.native.stop()

    # --- the rest ----------------------------------------------------------------------------------------------------

    def write_uart(self, offset: int, _size_bytes: int, value: int) -> None:
        """Take what the kernel prints."""
        if offset == 0:
            self.console.append(value & 0xFF)

    def interrupted(self, _uc: object, number: int, _data: object) -> None:
        """Take an exception to EL1, or answer PSCI."""
        if number == 11:
            self.answer_psci()
            return
        native, (pc, pstate), record = self.native, self.place.read(), self.native.record()
        if number in (3, 4):
            native.write(a64.UC_ARM64_REG_FAR_EL1, record.vaddress)
        native.write(a64.UC_ARM64_REG_ESR_EL1, record.syndrome)
        native.write(a64.UC_ARM64_REG_ELR_EL1, pc)
        native.write(SP_EL[pstate >> 2 & pstate & 1], native.read(a64.UC_ARM64_REG_SP))
        native.write(a64.UC_ARM64_REG_SP, native.read(SP_EL[1]))
        native.write(a64.UC_ARM64_REG_PSTATE, 0x3C5)
        native.write_cp(SPSR_EL1, pstate)  # a raw write also makes the core see the new PSTATE
        offset = 0x400 if not pstate & 0xC else 0x200 * (pstate & 1)
        native.write(a64.UC_ARM64_REG_PC, native.read(a64.UC_ARM64_REG_VBAR_EL1) + offset)

    def answer_psci(self) -> None:
        """Answer HVC."""
        function = self.native.read(a64.UC_ARM64_REG_X0) & 0xFFFF_FFFF
        if function in (SYSTEM_OFF, SYSTEM_RESET):
            self.off = True
            self.native.stop()
        else:
            self.native.write(a64.UC_ARM64_REG_X0, ANSWERS.get(function, NOT_SUPPORTED))


def main() -> None:
    """Boot the images named on the command line."""
    parser = argparse.ArgumentParser(description="Boot Linux with the thinnest possible hooks.")
    for name in ("kernel", "initrd", "tree"):
        parser.add_argument(name, type=Path)
    parser.add_argument("memory_bytes", type=int)
    made = parser.parse_args()
    machine = Thinnest()
    machine.load(made.kernel, made.initrd, made.tree, made.memory_bytes)
    start = process_time()
    machine.run()
    seconds = process_time() - start
    end = machine.console[-200:].decode("latin-1")
    print(json.dumps({"seconds": seconds, "n": machine.retired, "peak_bytes": peak_bytes(), "end": end}))


if __name__ == "__main__":
    main()
