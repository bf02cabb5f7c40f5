// WFI at EL1 traps to EL2, and the handler returns to the WFI: it traps again, for ever.
// With --set X19=1 the handler skips it.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        orr     x0, x0, #1 << 13        // TWI
        msr     hcr_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    wfi
        hvc     #0

trapped:
        mrs     x0, esr_el2
        lsr     x0, x0, #26
        cmp     x0, #0x01               // EC 0x01: WFI or WFE
        b.ne    off
        cbz     x19, 1f
        mrs     x0, elr_el2
        add     x0, x0, #4
        msr     elr_el2, x0
1:      eret

        .include "shared.inc"
        vectors el2_vectors, low_sync=trapped
