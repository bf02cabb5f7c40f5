// One ERET at EL2. ELR_EL2 says where it goes on: at `landed`. SPSR_EL2 says at which level: that is yours to set.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, stack_end
        msr     sp_el1, x0              // a stack for EL1; there is none for EL0
        adr     x0, landed
        msr     elr_el2, x0
jump:   eret

landed: mrs     x0, currentel           // EL0 may not ask
        cmp     x0, #1 << 2
        b.ne    lost
        str     x0, [sp, #-16]!         // the kernel's own stack
        ldr     x0, [sp], #16
        hvc     #1                      // all is well
lost:   b       lost                    // a kernel at the wrong level gets nowhere

at_el2: adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors, spx_sync=lost, low_sync=lost

        .balign 16
        .space  256
stack_end:
text_done: .asciz "the kernel runs at EL1\n"

        .include "include/end.inc"
