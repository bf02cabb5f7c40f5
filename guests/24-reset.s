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

// --- the same in every guest of the board ---------------------------------------------------------------------------

        .macro  vector handler          // one entry: 128 bytes
        .balign 128
        b       \handler
        .endm

        .macro  vectors name, spx_sync=unexpected, spx_irq=unexpected, low_sync=unexpected, low_irq=unexpected
        .balign 2048                    // VBAR_ELx<10:0> are RES0
\name:
        .rept   4                       // +0x000 same level with SP_EL0: synchronous, IRQ, FIQ, SError
        vector  unexpected
        .endr
        vector  \spx_sync               // +0x200 same level with SP_ELx
        vector  \spx_irq
        vector  unexpected
        vector  unexpected
        vector  \low_sync               // +0x400 from a lower level
        vector  \low_irq
        .rept   6                       // and from a lower level in AArch32
        vector  unexpected
        .endr
        .endm

pass:   adr     x8, text_pass
        b       say
fail:   adr     x8, text_fail
        b       say
unexpected:                             // an exception that this guest does not provoke
        adr     x8, text_unexpected
say:    bl      puts
off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF, by EL2 or through it
        smc     #0
        b       .

// Print the text at x8 on the PL011. Changes x8, x9, x10.
puts:   ldr     x9, =0x09000000
1:      ldrb    w10, [x8], #1
        cbz     w10, 2f
        str     w10, [x9]
        b       1b
2:      ret

text_pass: .asciz "PASS\n"
text_fail: .asciz "FAIL\n"
text_unexpected: .asciz "unexpected\n"
        .balign 4

        vectors el2_vectors
