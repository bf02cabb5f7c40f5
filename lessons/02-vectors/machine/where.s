// A guest at EL1 makes a hypercall, at `call`. VBAR_EL2 is 0x40081000: where does the CPU go on?

_start: ldr     x0, =0x40081000
        msr     vbar_el2, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, call
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

call:   hvc     #0
        b       .

        .macro  entry text              // one of 16 entries: it prints its offset, and ends the run
        .balign 128
        adr     x8, 1f
        bl      puts
        b       off
1:      .asciz  "\text\n"
        .endm

        .balign 4096                    // here is 0x40081000
table:  entry   "+0x000"
        entry   "+0x080"
        entry   "+0x100"
        entry   "+0x180"
        entry   "+0x200"
        entry   "+0x280"
        entry   "+0x300"
        entry   "+0x380"
        entry   "+0x400"
        entry   "+0x480"
        entry   "+0x500"
        entry   "+0x580"
        entry   "+0x600"
        entry   "+0x680"
        entry   "+0x700"
        entry   "+0x780"
        .balign 128

        .include "include/end.inc"
