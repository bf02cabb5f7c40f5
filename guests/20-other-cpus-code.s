// Code that one CPU writes and the other one runs, which has run what stood there before.
//
// The writer: DC CVAU to the point of unification, DSB, IC IVAU, DSB; that reaches every CPU of the Inner Shareable
// domain. Whoever runs it: an ISB of its own, because what it has fetched already is not thrown away for it.

_start: b       first

prepare: ret

cpu0:   bl      start
        mov     w0, #1
        bl      await                   // CPU 1 has run the original
        mov     w25, #3                 // three versions
1:      adr     x1, code
        ldr     w0, =0x52800000         // mov w0, #0
        orr     w0, w0, w25, lsl #5
        str     w0, [x1]                // mov w0, #w25
        dc      cvau, x1
        dsb     ish
        ic      ivau, x1
        dsb     ish
        isb
        bl      code                    // this CPU runs it too
        cmp     w0, w25
        b.ne    fail
        add     w0, w25, #10
        bl      tell
        add     w0, w25, #20
        bl      await
        subs    w25, w25, #1
        b.ne    1b
        b       pass

cpu1:   bl      code
        cmp     w0, #0x55
        b.ne    fail
        mov     w0, #1
        bl      tell
        mov     w25, #3
1:      add     w0, w25, #10
        bl      await
        isb
        bl      code
        cmp     w0, w25
        b.ne    fail
        add     w0, w25, #20
        bl      tell
        subs    w25, w25, #1
        b.ne    1b
2:      wfi
        b       2b

        .balign 64
code:   mov     w0, #0x55
        ret
        .balign 64

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
        vectors el1_vectors
