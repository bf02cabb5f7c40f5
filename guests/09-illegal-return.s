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

        .include "include/vectors.inc"
        vectors el2_vectors, spx_sync=same, low_sync=done
        vectors el1_vectors, spx_sync=at_el1

text_done: .asciz "5 illegal returns\n"

        .include "include/end.inc"
