// Two CPUs: PSCI CPU_ON, a spinlock with LDAXR/STXR/STLR and WFE, SGIs between them, and TLB maintenance for both.
//
// CPU 1 comes while CPU 0 holds the lock. A WFE ends by SEV, or when a store to the lock clears the exclusive monitor.
// CPU 1 has used a mapping that CPU 0 takes away: TLBI VMALLE1IS and DSB ISH, and it faults there.

_start: b       first

prepare: mov    x18, x30
        bl      gic
        mov     w0, #6
        str     w0, [x26, #0x100]       // ISENABLER0: SGIs 1 and 2
        mov     x22, #0                 // the SGI that came
        ret     x18

cpu0:   bl      lock
        bl      start
        mov     w0, #1
        bl      await                   // CPU 1 is there, and will wait for the lock
        bl      unlock
        bl      count
        mov     w0, #2
        bl      await
        adr     x0, counter
        ldr     x0, [x0]
        cmp     x0, #8                  // 4 times each
        b.ne    fail

        mov     x0, #1
        mov     x1, #2                  // SGI 1 to CPU 1, which sends SGI 2 back
        bl      sgi
        bl      wait
        cmp     x22, #2
        b.ne    fail

        adr     x0, table
        ldr     x1, =0x40000701
        str     x1, [x0, #16]           // 0x80000000: RAM again
        dsb     ishst
        mov     w0, #3
        bl      tell
        mov     w0, #4
        bl      await
        adr     x0, table
        str     xzr, [x0, #16]          // and not any more
        dsb     ishst
        tlbi    vmalle1is
        dsb     ish
        isb
        mov     w0, #5
        bl      tell
1:      yield
        ldr     x0, =0xc4000004         // PSCI AFFINITY_INFO
        mov     x1, #1
        mov     x2, #0
        hvc     #0
        cmp     x0, #1                  // OFF
        b.ne    1b
        b       pass

cpu1:   cmp     x24, #42
        b.ne    fail
        mov     w0, #1
        bl      tell
        bl      count
        mov     w0, #2
        bl      tell
        bl      wait
        cmp     x22, #1
        b.ne    fail
        mov     x0, #2
        mov     x1, #1
        bl      sgi

        mov     w0, #3
        bl      await
        adr     x19, counter
        orr     x19, x19, #0x80000000
        bic     x19, x19, #0x40000000   // the second mapping of RAM
        ldr     x0, [x19]
        cmp     x0, #8
        b.ne    fail
        mov     w0, #4
        bl      tell
        mov     w0, #5
        bl      await
        mov     x22, #0
        ldr     x0, [x19]               // faults
        cbz     x22, fail
        ldr     x0, =0x84000002         // PSCI CPU_OFF
        hvc     #0
        b       fail

abort:  mrs     x0, esr_el1
        ldr     x1, =0x96000005         // Data Abort from EL1, translation fault at level 1
        cmp     x0, x1
        b.ne    fail
        mov     x22, #1
        mrs     x0, elr_el1
        add     x0, x0, #4
        msr     elr_el1, x0
        eret

count:  mov     x18, x30                // 4 times: add 1 under the lock
        mov     x17, #4
1:      bl      lock
        adr     x0, counter
        ldr     x1, [x0]
        add     x1, x1, #1
        str     x1, [x0]
        bl      unlock
        sub     x17, x17, #1
        cbnz    x17, 1b
        ret     x18

lock:   adr     x0, lock_word
        mov     w2, #1
        sevl                            // the first WFE goes on
1:      wfe
2:      ldaxr   w1, [x0]
        cbnz    w1, 1b
        stxr    w1, w2, [x0]
        cbnz    w1, 2b
        ret

unlock: adr     x0, lock_word
        stlr    wzr, [x0]
        ret

wait:   wfi                             // for an SGI
        msr     daifclr, #2
        msr     daifset, #2
        cbz     x22, wait
        ret

on_irq: mov     x23, x30
        bl      ack
        and     x22, x0, #0x3ff
        bl      eoi
        mov     x30, x23
        eret

        .balign 64
lock_word: .word 0
        .balign 64
counter: .quad  0

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

// --- the same in every guest with two CPUs --------------------------------------------------------------------------

// Both CPUs come here at EL2. On to EL1, at cpu0 or cpu1, with MMU and caches on: VA = PA. x21: the word `step`.
second: mov     x24, x0                 // the context of CPU_ON
        adr     x19, cpu1
        b       1f
first:  adr     x19, cpu0
1:      adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        bl      prepare
        adr     x21, step
        adr     x0, table
        msr     ttbr0_el1, x0
        ldr     x0, =1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 32
        msr     tcr_el1, x0             // EPD1, Inner Shareable, write-back, T0SZ: 4 GiB
        mov     x0, #0xff
        msr     mair_el1, x0            // 0: Normal, write-back; 1: Device-nGnRnE
        isb
        tlbi    vmalle1
        dsb     nsh
        ldr     x0, =0x30d01805         // RES1, I, C, M
        msr     sctlr_el1, x0
        mov     x0, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x19
        msr     spsr_el2, x0
        eret

forward:                                // PSCI by HVC: EL2 passes it on
        smc     #0
        eret

// Start the other CPU at `second`, with the context 42. Changes x0 to x3.
start:  ldr     x0, =0xc4000003         // PSCI CPU_ON
        mov     x1, #1                  // its MPIDR_EL1.Aff0
        adr     x2, second
        mov     x3, #42
        hvc     #0
        cbnz    x0, fail
        ret

// Wait until the other CPU has come to step w0. Changes x1.
await:  ldar    w1, [x21]
        cmp     w1, w0
        b.eq    1f
        wfe                             // an event between the look and this is not lost
        b       await
1:      ret

// Tell the other CPU that step w0 is done.
tell:   stlr    w0, [x21]
        dsb     ish
        sev
        ret

        .balign 64
table:  .quad   0x0060000000000405      // devices: block, Device, AF, not executable
        .quad   0x40000701              // RAM: block, Normal, Inner Shareable, AF
        .quad   0, 0
        .balign 64
step:   .word   0
        .balign 64

        vectors el2_vectors, low_sync=forward
        vectors el1_vectors, spx_sync=abort, spx_irq=on_irq
