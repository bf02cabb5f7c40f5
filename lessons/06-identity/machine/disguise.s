// A guest asks its CPU who it is: which model (MIDR_EL1), and which one of several (MPIDR_EL1).
//
// At EL1 both come from EL2: from VPIDR_EL2 and VMPIDR_EL2, as they were set from outside.

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

guest:  mrs     x19, midr_el1           // who am I?
        mrs     x20, mpidr_el1          // and which one?
        ldr     w0, =0x410fd034         // Cortex-A53 r0p4
        adr     x8, text_not
        cmp     w19, w0
        b.ne    1f
        and     x1, x20, #0xffff        // Aff1 and Aff0
        mov     x0, #0x0102             // cluster 1, CPU 2
        cmp     x1, x0
        b.ne    1f
        adr     x8, text_found
1:      bl      puts
        hvc     #0
        b       .

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=off

text_found: .asciz "I am CPU 2 of cluster 1, a Cortex-A53 r0p4\n"
text_not: .asciz "I am somebody else\n"

        .include "include/end.inc"
