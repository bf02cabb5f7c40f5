// Whose are the vector registers? x0 is a context. x0 to x15 are free; SP is no stack. There is a mistake here.

fp_owner:
        .quad   0                       // the context of the VM whose values are in them; 0: nobody's

// x0 is entered next: TFP is clear if the vector registers are its own, and set else.
fp_enter:
        ldr     x1, fp_owner
        mrs     x2, cptr_el2
        bic     x2, x2, #1 << 10
        cmp     x0, x1
        b.eq    1f
        orr     x2, x2, #1 << 10
1:      msr     cptr_el2, x2
        ret

// x0 wants them, and they are not its own.
fp_trap:
        mrs     x2, cptr_el2
        bic     x2, x2, #1 << 10        // first of all: TFP traps EL2, too
        msr     cptr_el2, x2
        isb
        ldr     x1, fp_owner
        cbz     x1, 1f
        vector_registers stp, x1        // they still have the values of who had them last
        mrs     x2, fpcr
        mrs     x3, fpsr
        add     x4, x1, #CTX_FPCR
        stp     x2, x3, [x4]
1:      vector_registers ldp, x0
        add     x4, x0, #CTX_FPCR
        ldp     x2, x3, [x4]
        msr     fpsr, x3
        adr     x1, fp_owner
        str     x0, [x1]
        ret
