// A hypervisor of a few lines with a mistake in it: the guest's call does not come to `at_el2`.

_start: adr     x0, el2_vectors
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        mov     x2, #1 << 31            // RW: EL1 is AArch64
        adr     x3, guest
        msr     hcr_el2, x2
        msr     vbar_el1, x0
        msr     elr_el2, x3
        msr     spsr_el2, x1
        isb
        eret

guest:  mov     x0, #1
        hvc     #0
        b       .

at_el2: adr     x8, text_called
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

text_called: .asciz "the guest has called\n"

        .include "include/end.inc"
