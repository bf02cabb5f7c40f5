// An application at EL0 that does not ask its kernel: it tries to call the hypervisor itself, at `shortcut`.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, shortcut
        mov     x1, #0x3c0              // EL0t, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

shortcut:
        hvc     #7
after:  b       after

at_el1: adr     x8, text_el1
        bl      puts
        hvc     #1                      // the kernel ends the run
        b       .

at_el2: mrs     x0, esr_el2
        tst     x0, #6                  // HVC #7 or #1?
        b.eq    off
        adr     x8, text_el2
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors, low_sync=at_el1

text_el1: .asciz "EL1 was asked\n"
text_el2: .asciz "EL2 was asked\n"

        .include "include/end.inc"
