// EL2 waits in WFI for its physical timer. One thing is forgotten, by X19 (--set X19=N):
//
//   0 the timer is off             4 the distributor is off         8 HCR_EL2.IMO: the interrupt is EL1's
//   2 the timer's IMASK            5 GICC_PMR or ICC_PMR_EL1 is 0   9 PSTATE.I, and it spins instead of waiting
//   3 the INTID is not enabled     6 the CPU interface is off      10 the interrupt before was never ended
//   1 nothing: it ends             7 the priority is too low

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        bl      gic
        mov     x20, #0                 // how often it came
        cmp     x19, #8
        b.eq    1f
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 4         // IMO
        msr     hcr_el2, x0
1:      mov     w0, #1 << 26
        cmp     x19, #3
        b.eq    2f
        str     w0, [x26, #0x100]       // ISENABLER0
2:      cmp     x19, #4
        b.ne    3f
        ldr     x0, =0x08000000
        str     wzr, [x0]               // GICD_CTLR
3:      cmp     x19, #5
        b.ne    4f
        mov     x0, #0
        bl      pmr
4:      cmp     x19, #6
        b.ne    5f
        bl      interface_off
5:      cmp     x19, #7
        b.ne    6f
        mov     w0, #0xf0
        strb    w0, [x26, #0x41a]       // IPRIORITYR of INTID 26
        mov     x0, #0x80
        bl      pmr
6:      mov     x0, #1000
        msr     cnthp_tval_el2, x0
        mov     x0, #1
        cmp     x19, #2
        b.ne    8f
        mov     x0, #3                  // IMASK
8:      cbz     x19, 9f
        msr     cnthp_ctl_el2, x0
9:      cmp     x19, #10
        b.eq    twice
        cmp     x19, #9
        b.eq    spin

wait:   wfi
        msr     daifclr, #2
        msr     daifset, #2
        cbz     x20, wait
        b       off

spin:   cbz     x20, spin
        b       off

twice:  wfi
        bl      ack                     // and no EOI
        mov     x0, #1000
        msr     cnthp_tval_el2, x0
again:  wfi
        b       again

on_irq: bl      ack
        bl      eoi
        mov     x20, #1
        msr     cnthp_ctl_el2, xzr
        eret

interface_off:
        cbz     x27, 1f
        str     wzr, [x27]              // GICC_CTLR
        ret
1:      msr     icc_igrpen1_el1, xzr
        ret

        .include "shared.inc"
        vectors el2_vectors, spx_irq=on_irq
