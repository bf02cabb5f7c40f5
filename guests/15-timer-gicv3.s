// The generic timer interrupts through a GICv3: the redistributor's registers and the CPU's system registers.
//
// As guest 14, with affinity routing. IRQs are Group 1; ICC_IAR1_EL1 acknowledges, ICC_EOIR1_EL1 ends. EL2 lets EL1 use
// the system registers by ICC_SRE_EL2.Enable.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mov     x0, #3                  // EL1PCEN, EL1PCTEN: EL1 has the physical timer and counter
        msr     cnthctl_el2, x0
        msr     cntvoff_el2, xzr
        mov     x0, #9                  // Enable, SRE
        msr     icc_sre_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x0, #1
        msr     icc_sre_el1, x0
        isb
        ldr     x0, =0x08000000         // GICD
        mov     w1, #0x12               // GICD_CTLR: ARE, EnableGrp1
        str     w1, [x0]
        ldr     x26, =0x080a0000        // GICR of CPU 0
        str     wzr, [x26, #0x14]       // GICR_WAKER: no ProcessorSleep
1:      ldr     w0, [x26, #0x14]
        tbnz    w0, #2, 1b              // ChildrenAsleep
        add     x26, x26, #0x10000      // its frame of SGIs and PPIs
        mov     w0, #0x48000000         // 27 and 30
        str     w0, [x26, #0x80]        // GICR_IGROUPR0
        str     w0, [x26, #0x100]       // GICR_ISENABLER0
        mov     x0, #0xff
        msr     icc_pmr_el1, x0
        mov     x0, #1
        msr     icc_igrpen1_el1, x0
        isb
        mov     x20, #0                 // how often CNTV came, and x21: CNTP
        mov     x21, #0

        mrs     x0, cntvct_el0
        msr     cntv_cval_el0, x0       // now
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        isb
        ldr     w0, [x26, #0x200]       // GICR_ISPENDR0
        tbz     w0, #27, fail
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
        ldr     w0, [x26, #0x200]       // GICR_ISPENDR0
        ldr     w1, [x26, #0x300]       // GICR_ISACTIVER0
        orr     w0, w0, w1
        cbnz    w0, fail
        b       pass

on_irq: mrs     x1, icc_iar1_el1        // from pending to active; the running priority is its
        mrs     x2, icc_rpr_el1
        cbnz    x2, fail                // 0, as its priority was never set
        mrs     x2, icc_iar1_el1
        cmp     x2, #1023               // the level is still high, but an active interrupt does not come again
        b.ne    fail
        mov     x4, #1000
        cmp     x1, #30
        b.eq    2f
        cmp     x1, #27
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
        msr     icc_eoir1_el1, x1       // active no more
        eret

        .include "include/vectors.inc"
        .include "include/verdict.inc"

        vectors el2_vectors
        vectors el1_vectors, spx_irq=on_irq
