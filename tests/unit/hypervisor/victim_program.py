"""What the victim runs: it computes over its memory, calls, accesses devices and registers, and faults.

Read `guest_support.py` before this file and `attack_support.py` after it. It reads no clock, and takes no interrupt
that it did not send itself. So nothing that another VM does may change what it does, or what it leaves behind.
"""

from __future__ import annotations

from functools import lru_cache

from arm_hyp.cpu.assembler import assemble
from arm_hyp.machine import board

BASE = 0x4008_0000
_SELF_SGI = {
    2: f"""
    ldr x1, ={board.GICD_BASE:#x}
    ldr x3, ={board.GICC_BASE:#x}
    mov w2, #1
    str w2, [x1]
    str w2, [x3]
    mov w2, #0xf0
    str w2, [x3, #4]
    msr DAIFClr, #2
    movz w2, #0x200, lsl #16
    str w2, [x1, #0xf00]
""",
    3: f"""
    ldr x1, ={board.GICD_BASE:#x}
    mov w2, #2
    str w2, [x1]
    ldr x1, ={board.GICR_BASE + 0x10000:#x}
    mov w2, #1
    str w2, [x1, #0x100]
    mov x2, #0xf0
    msr ICC_PMR_EL1, x2
    mov x2, #1
    msr ICC_IGRPEN1_EL1, x2
    isb
    msr DAIFClr, #2
    msr ICC_SGI1R_EL1, x2
""",
}
_ACKNOWLEDGE = {
    2: "ldr w28, [x3, #0xc]\n str w28, [x3, #0x10]\n",
    3: "mrs x28, ICC_IAR1_EL1\n msr ICC_EOIR1_EL1, x28\n",
}
_VICTIM = """
    adr x0, vectors
    msr VBAR_EL1, x0
    ldr x20, =0x40200000        // its data: another block than its code
    mov x0, #(3 << 20)
    msr CPACR_EL1, x0
    isb
    mov x19, #0                 // rounds
    mov x21, #0x1234
    fmov d8, x21
round:
    // memory: a sequence of pseudo-random numbers, stored all over 1 MiB
    mov x1, #60
fill:
    mov x2, #0x5851
    madd x21, x21, x2, x1
    ubfx x3, x21, #7, #17
    lsl x3, x3, #3
    ldr x4, [x20, x3]
    eor x4, x4, x21
    str x4, [x20, x3]
    subs x1, x1, #1
    b.ne fill
    // FP: kept over all exits
    scvtf d0, x21
    fadd d8, d8, d0
    fsqrt d9, d8
    str q8, [x20, #16]
    str d9, [x20, #32]
    // an exclusive
again:
    ldxr x5, [x20]
    add x5, x5, x19
    stxr w6, x5, [x20]
    cbnz w6, again
    // calls
    ldr x0, =0xc600f002
    mov x1, x21
    mov x2, x19
    hvc #1
    add x21, x21, x0
    mov x0, #0x84000000
    smc #0
    add x21, x21, x0
    ldr x0, =0xdeadbeef
    hvc #0
    add x21, x21, x0
    // devices: the UART, an identification register by LDP, and nothing at all
    ldr x7, =0x09000000
    and w8, w21, #0x3f
    add w8, w8, #0x30
    strb w8, [x7]
    ldr w9, [x7, #0x18]
    ldr x10, =0x0a000e00
    ldp w11, w12, [x10]
    add x21, x21, x11
    add x21, x21, x12
    ldr x13, =0x0b000000
    ldr x14, [x13, x19, lsl #3]
    // system registers: emulated ones, absent ones
    mrs x15, ID_AA64PFR0_EL1
    mrs x16, ID_AA64DFR0_EL1
    add x21, x21, x15
    eor x21, x21, x16
    mrs x17, PMCR_EL0
    msr OSLAR_EL1, x19
    mrs x17, OSLSR_EL1
    add x21, x21, x17
    svc #7
    .word 0
    str x21, [x20, #48]
    add x19, x19, #1
    cmp x19, #12
    b.ne round
    // an interrupt that it sends itself
    mov x26, #0
    SELF_SGI
1:  cbz x26, 1b
    str x27, [x20, #56]
    ldr x0, =0x84000008
    hvc #0
    .ltorg
.balign 2048
vectors:
    .space 0x200
    mrs x28, ESR_EL1
    mrs x29, ELR_EL1
    add x27, x27, x28
    lsr x28, x28, #26
    cmp x28, #0x15              // SVC: ELR is behind it already
    b.eq 1f
    add x29, x29, #4
    msr ELR_EL1, x29
1:  mrs x28, FAR_EL1
    str x28, [x20, #64]
    eret
.org vectors + 0x280
    ACKNOWLEDGE
    add x28, x28, #1
    str x28, [x20, #72]
    mov x26, #1
    eret
"""


@lru_cache
def victim(gic: int) -> bytes:
    """Return its code, for BASE, on a machine with a GIC of this version."""
    source = _VICTIM.replace("SELF_SGI", _SELF_SGI[gic]).replace("ACKNOWLEDGE", _ACKNOWLEDGE[gic])
    return assemble(source, filename="victim.s", base=BASE).code
