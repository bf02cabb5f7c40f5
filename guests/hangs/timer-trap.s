// EL1 sets its physical timer and waits. CNTHCTL_EL2.EL1PCEN is 0, so each access traps to EL2, whose handler skips it.
// With --set X19=1 EL2 gives the timer to EL1.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mov     x0, #0
        cbz     x19, 1f
        mov     x0, #3                  // EL1PCEN, EL1PCTEN
1:      msr     cnthctl_el2, x0
        bl      gic
        mov     w0, #1 << 30
        str     w0, [x26, #0x100]       // ISENABLER0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x0, #1000
        msr     cntp_tval_el0, x0
        mov     x0, #1
        msr     cntp_ctl_el0, x0
wait:   wfi
        hvc     #0

skip:   mrs     x0, esr_el2
        lsr     x0, x0, #26
        cmp     x0, #0x18               // EC 0x18: MSR or MRS
        b.ne    off
        mrs     x0, elr_el2
        add     x0, x0, #4
        msr     elr_el2, x0
        eret

        .include "shared.inc"
        vectors el2_vectors, low_sync=skip
        vectors el1_vectors
