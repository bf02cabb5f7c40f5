// A careless hypervisor: when alpha gives the CPU away by HVC, it enters beta, and that is all it does.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mov     x19, #222
        adr     x0, alpha
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

alpha:  mov     x19, #111
        hvc     #0
        b       .

at_el2: adr     x0, beta
        mov     x1, #0x3c5
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

beta:   mov     x20, x19                // what is in X19?
        ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        smc     #0
        b       .

unexpected:
        b       .

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
