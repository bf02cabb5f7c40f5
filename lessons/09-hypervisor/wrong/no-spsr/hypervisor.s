// A hypervisor with a mistake in it. SP_EL2 points to the context of the VM that runs.

// --- begin ------------------------------------------------------------------------------------------------------------

hypervisor:
        adr     x0, el2_vectors
        msr     vbar_el2, x0
        ldr     x0, =1 << 31 | 1 << 13  // HCR_EL2.RW: EL1 is AArch64; TWI: a WFI is taken to EL2
        msr     hcr_el2, x0
        adr     x0, vm_alpha
        mov     sp, x0
        b       enter

// --- out of a guest: keep what it has ---------------------------------------------------------------------------------

exit:   general stp
        mrs     x0, elr_el2
        mrs     x1, spsr_el2
        stp     x0, x1, [sp, #CTX_PC]
        mrs     x0, sp_el1
        mrs     x1, vbar_el1
        stp     x0, x1, [sp, #CTX_SP_EL1]
        mrs     x0, elr_el1
        mrs     x1, spsr_el1
        stp     x0, x1, [sp, #CTX_ELR_EL1]

// --- why? -------------------------------------------------------------------------------------------------------------

        mrs     x2, esr_el2
        lsr     x3, x2, #26             // the exception class
        cmp     x3, #0x01               // WFI
        b.eq    on_wfi
        cmp     x3, #0x16               // HVC
        b.ne    unexpected
        and     x2, x2, #0xffff         // its number
        cmp     x2, #1
        b.eq    on_put
        cmp     x2, #2
        b.eq    on_done
        b       unexpected

on_put: ldr     x0, [sp, #CTX_X]
        ldr     x1, =0x09000000
        str     w0, [x1]
        b       enter

on_wfi: ldr     x0, [sp, #CTX_PC]       // it has not executed: step over it
        add     x0, x0, #4
        str     x0, [sp, #CTX_PC]
        ldr     x0, [sp, #CTX_NEXT]     // and it is the other one's turn
        mov     sp, x0
        b       enter

on_done:
        ldr     x0, [sp, #CTX_NEXT]
        mov     x1, sp
        cmp     x0, x1
        b.eq    off                     // nobody else is left
        str     x0, [x0, #CTX_NEXT]     // the other one is alone from now on
        mov     sp, x0

// --- into the guest at SP ---------------------------------------------------------------------------------------------

enter:  ldp     x0, x1, [sp, #CTX_PC]
        msr     elr_el2, x0
        ldp     x0, x1, [sp, #CTX_SP_EL1]
        msr     sp_el1, x0
        msr     vbar_el1, x1
        ldp     x0, x1, [sp, #CTX_ELR_EL1]
        msr     elr_el1, x0
        msr     spsr_el1, x1
        general ldp
        eret

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=exit
