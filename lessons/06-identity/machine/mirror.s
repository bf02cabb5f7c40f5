// A hypervisor tells its guest that it is a Cortex-A53. Then the guest calls, and at `look` EL2 reads MIDR_EL1 too.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        ldr     x0, =0x410fd034         // Cortex-A53 r0p4
        msr     vpidr_el2, x0
        adr     x0, guest
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

guest:  mrs     x19, midr_el1           // 0x410fd034, as it was told
        hvc     #0
        b       .

look:   mrs     x20, midr_el1           // and at EL2?
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=look
        .include "include/end.inc"
