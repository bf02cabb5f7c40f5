// One guest that adds, and an EL2 that may want to hear of it.
//
// On an exception of class 0x07 EL2 clears CPTR_EL2.TFP, and returns. ELR_EL2 it leaves as it is.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mov     x19, #0                 // how often EL2 was asked
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #3 << 20            // FPEN 0b11: this kernel does not trap its own use
        msr     cpacr_el1, x0
        isb
        mov     x1, #20
first:  fmov    d0, x1                  // the first instruction that needs a vector register
second: add     d0, d0, d0
        fmov    x2, d0                  // 40, if both were executed
        hvc     #0

at_el2: mrs     x3, esr_el2
        lsr     x3, x3, #26
        cmp     x3, #0x07
        b.ne    off
        add     x19, x19, #1
        mrs     x3, cptr_el2
        bic     x3, x3, #1 << 10        // TFP
        msr     cptr_el2, x3
        eret

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors

        .include "include/end.inc"
