// EL2 puts a virtual interrupt into a list register of a GICv2, and EL1 waits for it. One thing is forgotten, by X19:
//
//   0 GICH_HCR.En    1 nothing: it ends    2 HCR_EL2.IMO    3 GICV_PMR    4 GICV_CTLR

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        cmp     x19, #2
        b.eq    1f
        orr     x0, x0, #1 << 4         // IMO
1:      msr     hcr_el2, x0
        ldr     x1, =0x08030000         // GICH
        ldr     w0, =0x10000028         // pending, INTID 40, priority 0, Group 0
        str     w0, [x1, #0x100]        // GICH_LR0
        mov     w0, #1
        cbz     x19, 2f
        str     w0, [x1]                // GICH_HCR.En
2:      adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    ldr     x1, =0x08040000         // GICV
        mov     w0, #0xff
        cmp     x19, #3
        b.eq    3f
        str     w0, [x1, #4]            // GICV_PMR
3:      mov     w0, #1
        cmp     x19, #4
        b.eq    wait
        str     w0, [x1]                // GICV_CTLR
wait:   wfi
        hvc     #0

        .include "shared.inc"
        vectors el2_vectors
        vectors el1_vectors
