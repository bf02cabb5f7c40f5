// PSCI SYSTEM_RESET: the machine starts again, devices and CPU in their reset state. RAM that the image does not cover
// keeps its contents here and on QEMU (no architecture says so), so that this guest can count how often it has booted.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, currentel
        cmp     x0, #2 << 2
        b.ne    fail
        mrs     x0, daif
        cmp     x0, #0xf << 6           // everything masked
        b.ne    fail
        mrs     x0, sctlr_el2
        tbnz    x0, #0, fail            // the MMU is off
        ldr     x20, =0x08000000        // GICD
        ldr     w0, [x20]               // GICD_CTLR
        tst     w0, #3
        b.ne    fail                    // no group is enabled
        ldr     w0, counted
        cbnz    w0, fail                // the image has been loaded again

        ldr     x21, =0x41800000
        ldr     w22, [x21]
        add     w22, w22, #1
        str     w22, [x21]
        add     w0, w22, #'0'
        adr     x8, digit
        strb    w0, [x8]
        bl      puts
        cmp     w22, #3
        b.eq    pass

        mov     w0, #3                  // leave traces that the reset removes
        str     w0, [x20]
        adr     x1, counted
        str     w0, [x1]
        msr     daifclr, #0xf
        ldr     x0, =0x84000009         // PSCI SYSTEM_RESET
        smc     #0
        b       fail

counted: .word  0
digit:  .asciz  "?\n"
        .balign 4

        .include "include/vectors.inc"
        .include "include/verdict.inc"

        vectors el2_vectors
