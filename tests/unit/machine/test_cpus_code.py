"""Code that one CPU changes and another runs: instruction-cache maintenance reaches every CPU.

Ref: Arm ARM B2.4.4 (concurrent modification and execution of instructions): after the store, IC IVAU on any CPU, or
IC IALLU on the one that runs the code.
"""

from __future__ import annotations

import pytest
from board_support import DATA, POWER_OFF, machine, start_cpu, word

FLAG, WRITTEN, BEFORE, AFTER = DATA, DATA + 4, DATA + 8, DATA + 12
ALIAS = 0x4000_0000
MMU_ON = f"""
    ldr x20, ={DATA + 0x1000:#x}
    ldr x21, =0x40000705              // a block: normal memory, executable
    str x21, [x20, #8]
    ldr x21, =0x0040000040000705      // the same memory once more, never executable
    str x21, [x20, #16]
    msr ttbr0_el2, x20
    mov x21, #0xff
    msr mair_el2, x21
    ldr x21, =0x80823519              // 39 bits of VA, 4 KiB granule, TG0
    msr tcr_el2, x21
    isb
    tlbi alle2
    dsb ish
    mrs x21, sctlr_el2
    orr x21, x21, #1
    msr sctlr_el2, x21
    isb
"""


def guest(by_the_writer: str, by_the_other: str, prologue: str = "") -> str:
    """CPU 1 runs `target`, CPU 0 changes it, CPU 1 runs it again."""
    return f"""
        {prologue}
        {start_cpu(1, "second")}
        ldr x10, ={DATA:#x}
    wait:
        ldr w1, [x10]
        cbz w1, wait
        adr x11, target
        ldr w12, =0x52800540          // mov w0, #42
        str w12, [x11]
        dsb ish
        {by_the_writer}
        dsb ish
        isb
        mov w1, #1
        str w1, [x10, #4]
    park:
        wfe
        b park
    second:
        {prologue}
        ldr x10, ={DATA:#x}
        adr x11, target
        bl target
        str w0, [x10, #8]
        mov w1, #1
        str w1, [x10]
    again:
        ldr w1, [x10, #4]
        cbz w1, again
        {by_the_other}
        dsb ish
        isb
        bl target
        str w0, [x10, #12]
        {POWER_OFF}
        .ltorg
        .balign 4096
    target:
        mov w0, #7
        ret
    """


@pytest.mark.parametrize(
    ("by_the_writer", "by_the_other"),
    [("ic ivau, x11", ""), ("ic ialluis", ""), ("", "ic ivau, x11"), ("", "ic iallu"), ("", "ic ialluis")],
)
def test_maintenance_makes_the_new_code_seen(by_the_writer: str, by_the_other: str) -> None:
    made = machine(guest(by_the_writer, by_the_other), cpus=2)
    assert made.run(1_000_000).reason == "guest"
    assert (word(made, BEFORE), word(made, AFTER)) == (7, 42)


def test_maintenance_by_an_address_that_cannot_be_executed() -> None:
    """Operating systems clean code through a mapping of their own, which is execute-never."""
    by_alias = f"ldr x13, ={ALIAS:#x}\n add x13, x13, x11\n ic ivau, x13"
    made = machine(guest(by_alias, "", MMU_ON), cpus=2)
    assert made.run(1_000_000).reason == "guest"
    assert (word(made, BEFORE), word(made, AFTER)) == (7, 42)


def test_maintenance_by_an_address_that_is_not_mapped_reaches_everything() -> None:
    by_nothing = "mov x13, #0x1000\n ic ivau, x13"
    made = machine(guest(by_nothing, "", MMU_ON), cpus=2)
    assert made.run(1_000_000).reason == "guest"
    assert word(made, AFTER) == 42
