// The interrupts of EL2's own timers, under the names that a kernel at EL1 uses. Needs --cpu max.
//
// With HCR_EL2.{E2H, TGE} = {1, 1} CNTV is the EL2 virtual timer (CNTHV, PPI 28) and CNTP the EL2 physical timer
// (CNTHP, PPI 26). TGE routes every physical IRQ to EL2. QEMU 7.2's board connects no interrupt to CNTHV.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        ldr     x0, =1 << 34 | 1 << 31 | 1 << 27
        msr     hcr_el2, x0             // E2H, RW, TGE
        isb
        bl      gic
        mov     w0, #1 << 28 | 1 << 26
        str     w0, [x26, #0x100]       // ISENABLER0
        mov     x20, #0                 // the sum of the INTIDs
        mov     x0, #1000
        msr     cntp_tval_el0, x0
        mov     x0, #3000
        msr     cntv_tval_el0, x0
        mov     x0, #1
        msr     cntp_ctl_el0, x0
        msr     cntv_ctl_el0, x0
1:      wfi
        msr     daifclr, #2
        msr     daifset, #2
        cmp     x20, #28 + 26
        b.ne    1b
        b       pass

on_irq: mov     x19, x30
        bl      ack
        add     x20, x20, x0
        cmp     x0, #26
        b.eq    1f
        cmp     x0, #28
        b.ne    fail
        cmp     x20, #28 + 26           // it comes later
        b.ne    fail
        msr     cntv_ctl_el0, xzr
        b       2f
1:      msr     cntp_ctl_el0, xzr
2:      isb
        bl      eoi
        mov     x30, x19
        eret

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/gic.inc"

        vectors el2_vectors, spx_irq=on_irq
