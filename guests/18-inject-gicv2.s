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

// --- the same in every guest of the board ---------------------------------------------------------------------------

        .macro  vector handler          // one entry: 128 bytes
        .balign 128
        b       \handler
        .endm

        .macro  vectors name, spx_sync=unexpected, spx_irq=unexpected, low_sync=unexpected, low_irq=unexpected
        .balign 2048                    // VBAR_ELx<10:0> are RES0
\name:
        .rept   4                       // +0x000 same level with SP_EL0: synchronous, IRQ, FIQ, SError
        vector  unexpected
        .endr
        vector  \spx_sync               // +0x200 same level with SP_ELx
        vector  \spx_irq
        vector  unexpected
        vector  unexpected
        vector  \low_sync               // +0x400 from a lower level
        vector  \low_irq
        .rept   6                       // and from a lower level in AArch32
        vector  unexpected
        .endr
        .endm

pass:   adr     x8, text_pass
        b       say
fail:   adr     x8, text_fail
        b       say
unexpected:                             // an exception that this guest does not provoke
        adr     x8, text_unexpected
say:    bl      puts
off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF, by EL2 or through it
        smc     #0
        b       .

// Print the text at x8 on the PL011. Changes x8, x9, x10.
puts:   ldr     x9, =0x09000000
1:      ldrb    w10, [x8], #1
        cbz     w10, 2f
        str     w10, [x9]
        b       1b
2:      ret

text_pass: .asciz "PASS\n"
text_fail: .asciz "FAIL\n"
text_unexpected: .asciz "unexpected\n"
        .balign 4

// --- the same in every guest with a GIC of either version -----------------------------------------------------------

// Ready the GIC for this CPU, at EL2: SGIs and PPIs in the group that is signalled as IRQ, any priority passes.
// Gives x26: the registers of SGIs and PPIs, x27: GICC (of a GICv2), x28<24>: this is a GICv3. Changes x0.
gic:    mrs     x28, id_aa64pfr0_el1    // GIC, <27:24>: 0 if there are no system registers
        ldr     x26, =0x08000000        // GICD
        ldr     x27, =0x08010000
        tbnz    x28, #24, 1f
        mov     w0, #1
        str     w0, [x26]               // GICD_CTLR: Group 0, an IRQ as long as GICC_CTLR.FIQEn is 0
        mov     w0, #0xff
        str     w0, [x27, #4]           // GICC_PMR
        mov     w0, #1
        str     w0, [x27]               // GICC_CTLR
        ret
1:      mov     x0, #9                  // Enable, SRE: the system registers, for EL1 too
        msr     icc_sre_el2, x0
        isb
        msr     icc_sre_el1, x0
        mov     w0, #0x12               // ARE and Group 1
        str     w0, [x26]               // GICD_CTLR
        mrs     x0, mpidr_el1
        and     x0, x0, #0xff
        ldr     x26, =0x080a0000        // GICR, 0x20000 bytes a CPU
        add     x26, x26, x0, lsl #17
        str     wzr, [x26, #0x14]       // GICR_WAKER.ProcessorSleep
        add     x26, x26, #0x10000      // its SGI frame
        mov     w0, #-1
        str     w0, [x26, #0x80]        // GICR_IGROUPR0: Group 1
        mov     x0, #0xff
        msr     icc_pmr_el1, x0
        mov     x0, #1
        msr     icc_igrpen1_el1, x0
        isb
        ret

// Acknowledge: the INTID (of a GICv2 SGI also the sender, <12:10>) to x0.
ack:    tbnz    x28, #24, 1f
        ldr     w0, [x27, #0xc]         // GICC_IAR
        ret
1:      mrs     x0, icc_iar1_el1
        dsb     sy
        ret

// End the interrupt x0.
eoi:    tbnz    x28, #24, 1f
        str     w0, [x27, #0x10]        // GICC_EOIR
        ret
1:      msr     icc_eoir1_el1, x0
        isb
        ret

// Send the SGI x0 to the CPUs in the mask x1. Changes x0.
sgi:    dsb     sy
        tbnz    x28, #24, 1f
        orr     w0, w0, w1, lsl #16
        str     w0, [x26, #0xf00]       // GICD_SGIR
        ret
1:      orr     x0, x1, x0, lsl #24
        msr     icc_sgi1r_el1, x0
        isb
        ret

        vectors el2_vectors, low_sync=on_hvc, low_irq=at_el2
        vectors el1_vectors, spx_irq=at_el1
