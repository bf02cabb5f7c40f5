// A guest at EL1 writes one of the MMU's registers. EL2 does the write for it, and returns.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        ldr     x0, =1 << 31 | 1 << 26  // RW: EL1 is AArch64; TVM: writes of the MMU's registers trap
        msr     hcr_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x1, #7
write:  msr     contextidr_el1, x1
after:  mrs     x2, contextidr_el1
        hvc     #0                      // the guest is done
        b       .

at_el2: mrs     x16, esr_el2
        lsr     x16, x16, #26
        cmp     x16, #0x18              // EC 0x18: MSR or MRS
        b.ne    off
        msr     contextidr_el1, x1      // what the guest wanted
        eret

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        .include "include/end.inc"
