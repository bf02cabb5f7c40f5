// UNDEFINED at each level: EC 0x00, to EL1 from EL0 and EL1, to EL2 from EL2. ISS says nothing: the handler must read
// the instruction itself, and KVM's answer to a trap that nobody handles is exactly this exception.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        .inst   0x00000000              // UDF #0
        mrs     x0, scr_el3             // EL3's
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    .inst   0x00000000              // UDF #0
        mrs     x0, hcr_el2             // EL2's
        tlbi    alle1                   // EL2's
        msr     midr_el1, x0            // read-only
        mrs     x0, s3_0_c5_c15_7       // nothing is there
        adr     x0, el0
        mov     x1, #0x3c0              // EL0t
        msr     elr_el1, x0
        msr     spsr_el1, x1
        eret

el0:    .inst   0x00000000              // UDF #0
        mrs     x0, vbar_el1            // EL1's
        hvc     #1                      // not from EL0
        smc     #1                      // not from EL0
        eret                            // not from EL0
        svc     #0
        b       .

at_el1: mrs     x20, esr_el1
        lsr     x20, x20, #26
        cbnz    x20, 1f
        mrs     x20, elr_el1
        add     x20, x20, #4
        msr     elr_el1, x20
        eret
1:      hvc     #0

same:   mrs     x20, elr_el2
        add     x20, x20, #4
        msr     elr_el2, x20
        eret

done:   adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, spx_sync=same, low_sync=done
        vectors el1_vectors, spx_sync=at_el1, low_sync=at_el1

text_done: .asciz "all undefined\n"

        .include "include/end.inc"
