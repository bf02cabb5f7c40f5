// A guest for a VM: both timers of a vCPU, on a GICv2 and on a GICv3, while it runs and while it waits.
//
// The virtual timer is the CPU's own; its interrupt comes to EL2 first and is linked to the virtual one, so that the
// guest's end of it ends both. The physical timer is emulated: each access traps. A WFI gives the CPU away; whichever
// deadline is kept for the guest then brings it back.

_start: adr     x0, el1_vectors
        msr     vbar_el1, x0
        bl      vgic
        mov     w0, #0x48000000         // 27 and 30
        str     w0, [x26, #0x100]       // ISENABLER0
        mov     x20, #0                 // how often CNTV came, and x21: CNTP
        mov     x21, #0

        mrs     x0, cntvct_el0
        msr     cntv_cval_el0, x0       // now
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        isb
1:      msr     daifclr, #2             // the first handler leaves the level high: it comes twice
        isb
        msr     daifset, #2
        cmp     x20, #4
        b.eq    2f
        wfi                             // until the handler's new deadline
        b       1b

2:      mov     x0, #60                 // while the vCPU runs
        msr     cntp_tval_el0, x0
        mov     x0, #1
        msr     cntp_ctl_el0, x0
        mov     x1, #1200
3:      sub     x1, x1, #1
        cbnz    x1, 3b
        mrs     x0, cntp_ctl_el0
        tbz     x0, #2, fail            // ISTATUS
        cbnz    x21, fail               // masked so far
        msr     daifclr, #2
        isb
        msr     daifset, #2
        cmp     x21, #1
        b.ne    fail
4:      wfi                             // and while it waits
        msr     daifclr, #2
        isb
        msr     daifset, #2
        cmp     x21, #2
        b.ne    4b
        ldr     w0, [x26, #0x200]       // ISPENDR0
        ldr     w1, [x26, #0x300]       // ISACTIVER0
        orr     w0, w0, w1
        cbnz    w0, fail
        cmp     x20, #4
        b.ne    fail
        b       pass

on_irq: mov     x25, x30
        bl      ack
        mov     x4, #200
        cmp     x0, #30
        b.eq    2f
        cmp     x0, #27
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
        bl      eoi
        mov     x30, x25
        eret

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/vgic.inc"

        vectors el1_vectors, spx_irq=on_irq
