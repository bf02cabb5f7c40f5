// The generic timer interrupts through a GICv2: a level that lasts as long as the condition holds.
//
// CNTV is PPI 27, CNTP is PPI 30. Acknowledging makes the interrupt active, EOI ends that; only software that moves the
// compare value, or masks the timer, makes the level fall. Between two interrupts WFI lets time jump to the deadline.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mov     x0, #3                  // EL1PCEN, EL1PCTEN: EL1 has the physical timer and counter
        msr     cnthctl_el2, x0
        msr     cntvoff_el2, xzr
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    ldr     x26, =0x08000000        // GICD
        ldr     x27, =0x08010000        // GICC
        mov     w0, #1
        str     w0, [x26]               // GICD_CTLR
        str     w0, [x27]               // GICC_CTLR
        mov     w0, #0xff
        str     w0, [x27, #4]           // GICC_PMR: every priority but 0xff passes
        mov     w0, #0x48000000
        str     w0, [x26, #0x100]       // GICD_ISENABLER0: 27 and 30
        mov     x20, #0                 // how often CNTV came, and x21: CNTP
        mov     x21, #0

        msr     cntv_cval_el0, xzr      // long ago
        mov     x0, #3                  // ENABLE, IMASK
        bl      set_v
        tbnz    w1, #27, fail           // the condition holds, the level is masked
        mov     x0, #1
        bl      set_v
        tbz     w1, #27, fail           // pending
        wfi                             // goes on: an interrupt is pending, though PSTATE.I masks it
1:      msr     daifclr, #2             // taken here, twice: the first handler leaves the level high
        msr     daifset, #2
        cmp     x20, #4
        b.eq    2f
        wfi                             // until the handler's new deadline
        b       1b
2:      mov     x0, #2000
        msr     cntp_tval_el0, x0
        mov     x0, #1
        msr     cntp_ctl_el0, x0
3:      wfi
        msr     daifclr, #2
        msr     daifset, #2
        cmp     x21, #2
        b.ne    3b
        ldr     w0, [x26, #0x200]       // GICD_ISPENDR0
        ldr     w1, [x26, #0x300]       // GICD_ISACTIVER0
        orr     w0, w0, w1
        cbnz    w0, fail
        b       pass

set_v:  msr     cntv_ctl_el0, x0        // then tell in w1 what is pending
        isb
        ldr     w1, [x26, #0x200]       // GICD_ISPENDR0
        ret

on_irq: ldr     w1, [x27, #0xc]         // GICC_IAR: from pending to active
        ldr     w2, [x26, #0x300]       // GICD_ISACTIVER0
        mov     w3, #1
        lsl     w3, w3, w1
        cmp     w2, w3
        b.ne    fail
        ldr     w2, [x27, #0xc]
        cmp     w2, #1023               // the level is still high, but an active interrupt does not come again
        b.ne    fail
        mov     x4, #1000
        cmp     w1, #30
        b.eq    2f
        cmp     w1, #27
        b.ne    fail
        add     x20, x20, #1
        cmp     x20, #1
        b.eq    3f                      // leave the level as it is
        msr     cntv_tval_el0, x4       // rearm: the level falls
        cmp     x20, #4
        b.ne    3f
        msr     cntv_ctl_el0, xzr       // the last one
        b       3f
2:      add     x21, x21, #1
        msr     cntp_tval_el0, x4
        cmp     x21, #2
        b.ne    3f
        msr     cntp_ctl_el0, xzr
3:      isb
        str     w1, [x27, #0x10]        // GICC_EOIR: active no more
        eret

        .include "include/vectors.inc"
        .include "include/verdict.inc"

        vectors el2_vectors
        vectors el1_vectors, spx_irq=on_irq
