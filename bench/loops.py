"""The tiny guests of the benchmarks, as words, and what puts them into a machine.

Read `arm_hyp/machine/machine.py` before this file, then the `bench_*.py` beside it.
"""

from __future__ import annotations

import struct
from typing import Final

from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.sysregs import by_name
from arm_hyp.events import EventSink
from arm_hyp.machine.machine import Machine

LOAD_ADDRESS: Final = 0x4008_0000
HVC_LOOP: Final = (0xD400_0002, 0x17FF_FFFF)
"""hvc #0; b .-4"""
ALU_LOOP: Final = (0x9100_0400, 0xCA00_0021, 0x8B01_0042, 0xF100_0463) * 16 + (0x17FF_FFC0,)
"""add x0, x0, #1; eor x1, x1, x0; add x2, x2, x1; subs x3, x3, #1, 16 times; b to the first.

Long, because where the translation of a short loop happens to lie changes its speed by a tenth.
"""
MEMORY_BYTES: Final = 16 << 20


def code_of(words: tuple[int, ...]) -> bytes:
    """Return instruction words as bytes."""
    return struct.pack(f"<{len(words)}I", *words)


def machine_with(words: tuple[int, ...], *, start_el: int, sink: EventSink | None = None) -> Machine:
    """Return a machine about to run a guest at a level, its EL1 in AArch64."""
    machine = Machine(start_el=start_el, memory_bytes=MEMORY_BYTES, sink=sink)
    machine.core.conduit = "smc"  # HVC belongs to the Python at EL2, not to the firmware
    machine.write_memory(LOAD_ADDRESS, code_of(words))
    machine.core.registers.write(by_name("HCR_EL2").encoding, HCR_EL2.of(RW=1))
    machine.core.pc = LOAD_ADDRESS
    return machine
