// Illegal exception returns: ERET cannot go up, nor to a state that does not exist.
//
// Then the level stays, PC becomes ELR_ELx, and PSTATE.IL is set: the next instruction, whatever it is, raises EC 0x0e.
// The handler finds IL in SPSR_ELx and must clear it there, or its own ERET sets it again.

        .macro  illegal_return el, spsr
        adr     x0, 9f
        mov     x1, #\spsr
        msr     elr_el\el, x0
        msr     spsr_el\el, x1
        eret
9:      nop                             // raises the exception, and runs after it
        .endm

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mov     x20, #0                 // counts illegal states
        illegal_return 2, 0x3cd         // EL3h: up
        illegal_return 2, 0x3c1         // EL0 with its own SP: no such state
        illegal_return 2, 0x3c6         // M<1> set: reserved
        illegal_return 2, 0x3d3         // AArch32: this machine has none
        mov     x1, #0x3c5              // EL1h
        adr     x0, el1
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    illegal_return 1, 0x3c9         // EL2h: up
        hvc     #0
        b       .

at_el1: add     x20, x20, #1
        mrs     x0, spsr_el1
        tbz     x0, #20, unexpected     // IL
        bic     x0, x0, #1 << 20
        msr     spsr_el1, x0
        eret

same:   add     x20, x20, #1
        mrs     x0, spsr_el2
        tbz     x0, #20, unexpected     // IL
        bic     x0, x0, #1 << 20
        msr     spsr_el2, x0
        eret

done:   cmp     x20, #5
        b.ne    unexpected
        adr     x8, text_done
        bl      puts
        b       off

        .macro  vector handler          // one entry: 128 bytes
        .balign 128
        b       \handler
        .endm

        .macro  vectors name, spx_sync=unexpected, spx_irq=unexpected, low_sync=unexpected, low_irq=unexpected
        .balign 2048                    // VBAR_ELx<10:0> are RES0
\name:
        vector  unexpected              // +0x000 same level with SP_EL0: synchronous, IRQ, FIQ, SError
        vector  unexpected
        vector  unexpected
        vector  unexpected
        vector  \spx_sync               // +0x200 same level with SP_ELx
        vector  \spx_irq
        vector  unexpected
        vector  unexpected
        vector  \low_sync               // +0x400 from a lower level
        vector  \low_irq
        vector  unexpected
        vector  unexpected
        .rept   4                       // +0x600 from a lower level in AArch32
        vector  unexpected
        .endr
        .endm
        vectors el2_vectors, spx_sync=same, low_sync=done
        vectors el1_vectors, spx_sync=at_el1

text_done: .asciz "5 illegal returns\n"

// --- the same in every guest ----------------------------------------------------------------------------------------

        .balign 4
// Print the text at x8 on the PL011. Changes x8, x9, x10.
puts:   ldr     x9, =0x09000000
1:      ldrb    w10, [x8], #1
        cbz     w10, 2f
        str     w10, [x9]
        b       1b
2:      ret

unexpected:                             // an exception that this guest does not provoke
        adr     x8, text_unexpected
        bl      puts
off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        smc     #0
        b       .

text_unexpected: .asciz "unexpected\n"
