// Three times this program asks its CPU which level it is at, and prints the answer.

_start: adr     x0, el2_vectors         // where the CPU goes on at EL2 after an exception
        msr     vbar_el2, x0
        bl      say_level               // 1

        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, below
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0             // where ERET goes on
        msr     spsr_el2, x1            // at which level
down:   eret

below:  bl      say_level               // 2
up:     hvc     #0

above:  bl      say_level               // 3
        b       off

// Print "EL", the level and a line break. Changes x0, x8 to x10, x29.
say_level:
        mov     x29, x30
        adr     x8, text_el
        bl      puts
        mrs     x0, currentel           // the level is in <3:2>
        lsr     x0, x0, #2
        add     w0, w0, #'0'
        str     w0, [x9]                // x9: the UART, as puts has left it
        mov     w0, #'\n'
        str     w0, [x9]
        ret     x29

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=above

text_el: .asciz "EL"

        .include "include/end.inc"
