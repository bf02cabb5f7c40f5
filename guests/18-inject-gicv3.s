// A hypervisor gives its guest the physical timer's interrupt, through the system registers of a GICv3.
//
// HCR_EL2.IMO: the IRQ comes to EL2, which drops its priority and leaves it active (EOImode 1). The list register has
// HW = 1: when the guest ends the virtual interrupt, the physical one is deactivated, and EL2 hears nothing of it.
// A second virtual interrupt has no hardware behind it and asks for a maintenance interrupt (PPI 25) at its end.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        ldr     x0, =1 << 31 | 1 << 4   // RW, IMO
        msr     hcr_el2, x0
        mov     x0, #3                  // EL1PCEN, EL1PCTEN: the guest has the physical timer
        msr     cnthctl_el2, x0
        bl      gic
        mov     x0, #2
        msr     icc_ctlr_el1, x0        // EOImode
        mov     x0, #1
        msr     ich_hcr_el2, x0         // En
        isb
        mov     w0, #1 << 30 | 1 << 25  // CNTP, maintenance
        str     w0, [x26, #0x100]       // ISENABLER0
        mov     x20, #0                 // timer interrupts seen by the guest
        mov     x21, #0                 // the others seen by the guest
        mov     x22, #0                 // timer interrupts seen by EL2
        mov     x23, #0                 // maintenance interrupts
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

// The guest.
el1:
        mov     x0, #0xff
        msr     icc_pmr_el1, x0         // under IMO the ICC registers of EL1 are the virtual ones, ICV
        mov     x0, #1
        msr     icc_igrpen1_el1, x0
        isb
        mov     x17, #1
1:      mov     x0, #1000
        msr     cntp_tval_el0, x0
        mov     x0, #1
        msr     cntp_ctl_el0, x0
2:      wfi                             // ends at EL2; masked or not, the IRQ is taken there
        msr     daifclr, #2             // the virtual one is taken here
        msr     daifset, #2
        cmp     x20, x17
        b.ne    2b
        add     x17, x17, #1
        cmp     x17, #3
        b.ne    1b                      // once more
        hvc     #0                      // have the other injected
        msr     daifclr, #2
        msr     daifset, #2
        cmp     x21, #1
        b.ne    fail
        cmp     x22, #2
        b.ne    fail
        cmp     x23, #1
        b.ne    fail
        b       pass

at_el1: mrs     x0, icc_iar1_el1        // ICV_IAR1_EL1
        cmp     x0, #40
        b.eq    2f
        cmp     x0, #30
        b.ne    fail
        add     x20, x20, #1
        msr     cntp_ctl_el0, xzr       // the level falls
1:      isb
        msr     icc_eoir1_el1, x0       // ICV_EOIR1_EL1
        eret
2:      add     x21, x21, #1
        b       1b

// The hypervisor.
at_el2: mov     x18, x0
        mov     x19, x30
        bl      ack
        bl      eoi                     // drop the priority
        cmp     x0, #25
        b.eq    1f
        cmp     x0, #30
        b.ne    fail
        add     x22, x22, #1
        ldr     x0, =1 << 62 | 1 << 61 | 1 << 60 | 0x50 << 48 | 30 << 32 | 30
        msr     ich_lr0_el2, x0         // pending, HW, Group 1, priority 0x50, pINTID, vINTID
        b       2f
1:      add     x23, x23, #1
        mrs     x1, ich_misr_el2
        cmp     x1, #1                  // EOI, nothing else
        b.ne    fail
        mrs     x1, ich_eisr_el2
        cmp     x1, #2                  // list register 1
        b.ne    fail
        msr     ich_lr1_el2, xzr        // so that the level falls
        isb
        bl      dir
2:      mov     x0, x18
        mov     x30, x19
        eret

on_hvc: ldr     w0, [x26, #0x300]       // ISACTIVER0
        cbnz    w0, fail                // the guest has deactivated the timer's interrupt
        mrs     x0, ich_elrsr_el2
        cmp     x0, #0xf                // all four are empty
        b.ne    fail
        ldr     x0, =1 << 62 | 1 << 60 | 0x50 << 48 | 1 << 41 | 40
        msr     ich_lr1_el2, x0         // pending, Group 1, priority 0x50, EOI, vINTID
        eret

dir:
        msr     icc_dir_el1, x0
        isb
        ret

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/gic.inc"

        vectors el2_vectors, low_sync=on_hvc, low_irq=at_el2
        vectors el1_vectors, spx_irq=at_el1
