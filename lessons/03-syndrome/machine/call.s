// A guest at EL1 executes HVC #5, and EL2 prints what it then finds in ESR_EL2.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, guest
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

guest:  hvc     #5
        b       .

at_el2: adr     x8, text_esr
        bl      puts
        mrs     x0, esr_el2
        mov     x1, #28
digit:  lsr     x2, x0, x1              // eight digits, the highest one first
        and     x2, x2, #15
        adr     x3, digits
        ldrb    w2, [x3, x2]
        str     w2, [x9]                // x9: the UART, as puts has left it
        subs    x1, x1, #4
        b.ge    digit
        mov     w2, #'\n'
        str     w2, [x9]
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

text_esr: .asciz "ESR_EL2 = 0x"
digits: .ascii "0123456789abcdef"

        .include "include/end.inc"
