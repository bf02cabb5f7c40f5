// A guest of a hypervisor in Python: an operating system that switches its MMU on, then its caches, and then goes from
// process to process. HCR_EL2.TVM is set when it starts.

        .include "seed.inc"

_start: ldr     x5, =0xff               // 0: normal memory, write-back; 1: Device-nGnRnE
types:  msr     mair_el1, x5
        ldr     x6, =1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 32
format: msr     tcr_el1, x6
        adr     x7, table
tables: msr     ttbr0_el1, x7
        mov     x11, #SEED_FIRST
name:   msr     contextidr_el1, x11     // the process that begins
        mrs     x0, contextidr_el1
        cmp     x0, x11
        b.ne    lost
        mrs     x0, mair_el1
        cmp     x0, x5
        b.ne    lost
        tlbi    vmalle1
        dsb     nsh
        isb
        ldr     x12, =0x30d00801        // RES1, M: the MMU is on, and the caches are not
mmu:    msr     sctlr_el1, x12
        isb
        mrs     x0, sctlr_el1
        cmp     x0, x12
        b.ne    lost
unname: msr     contextidr_el1, xzr
        mrs     x0, contextidr_el1
        cbnz    x0, lost
        ldr     x13, =0x30d01805        // I, C, M: the caches are on
caches: msr     sctlr_el1, x13
        isb
        adr     x8, text_on
        bl      puts

        mov     x19, #SEED_SWITCHES
switch: msr     contextidr_el1, x19     // from process to process, a thousand times a second
        mrs     x0, contextidr_el1
        cmp     x0, x19
        b.ne    lost
        subs    x19, x19, #1
        b.ne    switch
        adr     x8, text_bye
        b       say

lost:   adr     x8, text_lost           // what was written is not there
        b       say

unexpected:
say:    bl      puts
off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
        b       .

        .include "include/puts.inc"
        .ltorg

text_on:   .asciz "caches on\n"
text_bye:  .asciz "good bye\n"
text_lost: .asciz "a write was lost\n"
        .balign 64
table:  .quad   0x0060000000000405      // devices: block, Device, AF, not executable
        .quad   0x40000701              // RAM: block, Normal, Inner Shareable, AF
        .quad   0, 0
