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

        vectors el2_vectors, spx_irq=on_irq
