// A hypervisor gives its guest the physical timer's interrupt, through the GICH and GICV of a GICv2.
//
// HCR_EL2.IMO: the IRQ comes to EL2, which drops its priority and leaves it active (EOImode 1). The list register has
// HW = 1: when the guest ends the virtual interrupt, the physical one is deactivated, and EL2 hears nothing of it.
// A second virtual interrupt has no hardware behind it and asks for a maintenance interrupt (PPI 25) at its end.
// (The guest rearms after its EOI: QEMU 7.2's GICv2 forgets an interrupt that is pending again when HW = 1 ends it.)

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        ldr     x0, =1 << 31 | 1 << 4   // RW, IMO
        msr     hcr_el2, x0
        mov     x0, #3                  // EL1PCEN, EL1PCTEN: the guest has the physical timer
        msr     cnthctl_el2, x0
        bl      gic
        mov     w0, #0x201
        str     w0, [x27]               // GICC_CTLR: EOImode
        ldr     x25, =0x08030000        // GICH
        mov     w0, #1
        str     w0, [x25]               // GICH_HCR.En
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
        ldr     x24, =0x08040000        // GICV, which a guest takes for its GICC
        mov     w0, #0xff
        str     w0, [x24, #4]           // GICV_PMR
        mov     w0, #1
        str     w0, [x24]               // GICV_CTLR
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

at_el1: ldr     w0, [x24, #0xc]         // GICV_IAR
        cmp     w0, #40
        b.eq    2f
        cmp     w0, #30
        b.ne    fail
        add     x20, x20, #1
        msr     cntp_ctl_el0, xzr       // the level falls
1:      isb
        str     w0, [x24, #0x10]        // GICV_EOIR
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
        ldr     w0, =1 << 31 | 1 << 28 | 10 << 23 | 30 << 10 | 30
        str     w0, [x25, #0x100]       // GICH_LR0: HW, pending, priority 0x50, PhysicalID, VirtualID
        b       2f
1:      add     x23, x23, #1
        ldr     w1, [x25, #0x10]        // GICH_MISR
        cmp     w1, #1                  // EOI, nothing else
        b.ne    fail
        ldr     w1, [x25, #0x20]        // GICH_EISR0
        cmp     w1, #2                  // list register 1
        b.ne    fail
        str     wzr, [x25, #0x104]      // so that the level falls
        bl      dir
2:      mov     x0, x18
        mov     x30, x19
        eret

on_hvc: ldr     w0, [x26, #0x300]       // ISACTIVER0
        cbnz    w0, fail                // the guest has deactivated the timer's interrupt
        ldr     w0, [x25, #0x30]        // GICH_ELRSR0
        cmp     w0, #0xf                // all four are empty
        b.ne    fail
        ldr     w0, =1 << 28 | 10 << 23 | 1 << 19 | 40
        str     w0, [x25, #0x104]       // GICH_LR1: pending, priority 0x50, EOI, VirtualID
        eret

dir:
        add     x1, x27, #0x1000
        str     w0, [x1]                // GICC_DIR
        ret

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/gic.inc"

        vectors el2_vectors, low_sync=on_hvc, low_irq=at_el2
        vectors el1_vectors, spx_irq=at_el1
