// SGIs to self: priorities, preemption, and the two ways to end an interrupt (EOImode 0 and 1).
//
// SGI 1 has priority 0xa0, 2 and 3 have 0x60. The handler of 1 sends 1 and 2 with interrupts unmasked, that of 2 sends
// 3: 2 preempts 1, 3 does not preempt its equal, 1 waits for itself. x25 logs: an INTID at each entry, + 8 at the exit.
// EOImode 0: EOI drops the running priority and deactivates, at the exit. EOImode 1: EOI only drops the priority, here
// at the entry; then an equal preempts, but what is still active does not come again until DIR deactivates it.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        ldr     x0, =1 << 31 | 1 << 4   // RW, IMO: IRQs are EL2's
        msr     hcr_el2, x0
        isb
        adr     x0, stack
        mov     sp, x0
        bl      gic
        ldr     w0, =0x6060a0ff
        str     w0, [x26, #0x400]       // IPRIORITYR0: INTIDs 3 to 0
        mov     w0, #0xe
        str     w0, [x26, #0x100]       // ISENABLER0: 1, 2 and 3

        mov     x24, #0                 // EOImode
        ldr     x23, =0x12a3b919
        bl      once
        mov     x24, #1
        ldr     x23, =0x123ba919
        bl      eoimode_1
        bl      once
        b       pass

once:   mov     x22, x30
        mov     x25, #0
        mov     x19, #1                 // the first SGI 1 sends the others
        mov     x0, #1
        mov     x1, #1
        msr     daifclr, #2
        bl      sgi
1:      ldr     w0, [x26, #0x200]       // until nothing is pending
        cbnz    w0, 1b
        msr     daifset, #2
        cmp     x25, x23
        b.ne    fail
        ldr     w0, [x26, #0x300]       // ISACTIVER0
        cbnz    w0, fail
        ret     x22

eoimode_1:
        tbnz    x28, #24, 1f
        mov     w0, #0x201
        str     w0, [x27]               // GICC_CTLR.EOImode
        ret
1:      mov     x0, #2
        msr     icc_ctlr_el1, x0        // EOImode
        isb
        ret

on_irq: stp     x0, x1, [sp, #-64]!
        stp     x2, x30, [sp, #16]
        mrs     x0, elr_el2             // a nested exception overwrites these
        mrs     x1, spsr_el2
        stp     x0, x1, [sp, #32]
        bl      ack
        str     x0, [sp, #48]
        and     x2, x0, #0x3ff
        orr     x25, x2, x25, lsl #4    // the entry
        cbz     x24, 1f
        bl      eoi                     // EOImode 1: drop the priority at once
1:      msr     daifclr, #2
        mov     x1, #1                  // CPU 0
        cmp     x2, #2
        b.hi    3f
        b.eq    2f
        cbz     x19, 3f
        mov     x19, #0
        mov     x0, #1
        bl      sgi                     // stays pending: itself is active
        mov     x0, #2
        bl      sgi                     // preempts
        b       3f
2:      mov     x0, #3
        bl      sgi                     // preempts only if the priority of 2 has been dropped
3:      msr     daifset, #2
        add     x2, x2, #8
        orr     x25, x2, x25, lsl #4    // the exit
        ldr     x0, [sp, #48]
        cbz     x24, 4f
        bl      dir
        b       5f
4:      bl      eoi
5:      ldp     x0, x1, [sp, #32]
        msr     elr_el2, x0
        msr     spsr_el2, x1
        ldp     x2, x30, [sp, #16]
        ldp     x0, x1, [sp], #64
        eret

dir:    tbnz    x28, #24, 1f
        add     x1, x27, #0x1000
        str     w0, [x1]                // GICC_DIR
        ret
1:      msr     icc_dir_el1, x0
        isb
        ret

        .balign 16
        .space  512
stack:

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
