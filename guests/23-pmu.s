// The performance monitors: an overflow of an enabled counter raises PPI 23, as long as PMOVSCLR_EL0 shows it.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mrs     x0, pmcr_el0
        ubfx    x0, x0, #11, #5         // N
        msr     mdcr_el2, x0            // HPMN: all counters are EL1's, and nothing traps
        bl      gic
        mov     w0, #1 << 23
        str     w0, [x26, #0x100]       // ISENABLER0
        mov     x20, #0                 // the flags of all overflows
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x0, #-1
        msr     pmovsclr_el0, x0
        msr     pmccfiltr_el0, xzr      // cycles at EL0 and EL1
        mov     x0, #-500
        msr     pmccntr_el0, x0         // 64 bits, with PMCR_EL0.LC
        msr     pmevtyper0_el0, xzr     // event 0: SW_INCR
        mov     x0, #-2
        msr     pmevcntr0_el0, x0       // 32 bits
        ldr     x0, =1 << 31 | 1        // the cycle counter and counter 0
        msr     pmintenset_el1, x0
        msr     pmcntenset_el0, x0
        mov     x0, #1 << 6 | 1         // LC, E
        msr     pmcr_el0, x0
        msr     daifclr, #2
        isb
1:      cbz     x20, 1b                 // until the cycles are over
        msr     daifset, #2
        mov     x0, #1
        msr     pmswinc_el0, x0         // 0xffffffff
        isb
        mrs     x1, pmovsset_el0
        tbnz    x1, #0, fail
        msr     pmswinc_el0, x0         // 0
        isb
        mrs     x1, pmevcntr0_el0
        cbnz    x1, fail
        ldr     w1, [x26, #0x200]       // ISPENDR0
        tbz     w1, #23, fail           // a level
        msr     daifclr, #2
        msr     daifset, #2
        ldr     x1, =1 << 31 | 1
        cmp     x20, x1
        b.ne    fail
        ldr     w1, [x26, #0x200]
        tbnz    w1, #23, fail
        b       pass

on_irq: mov     x19, x30
        bl      ack
        cmp     x0, #23
        b.ne    fail
        mrs     x1, pmovsclr_el0
        orr     x20, x20, x1
        msr     pmovsclr_el0, x1        // the level falls
        isb
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

        vectors el2_vectors
        vectors el1_vectors, spx_irq=on_irq
