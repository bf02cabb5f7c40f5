// The ladder: EL2 -> EL1 -> EL0 by ERET, and back up by SVC, HVC and SMC.
//
// SVC asks the level EL1, HVC asks EL2, SMC asks EL3 (here: the firmware), unless EL2 wants it (HCR_EL2.TSC).
// After SVC and HVC, ELR_ELx holds the *next* instruction. A trapped SMC did not execute: ELR_EL2 holds the SMC itself,
// and whoever emulates it must add 4.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    hvc     #1                      // up to EL2 and back
        adr     x0, el0
        mov     x1, #0x3c0              // EL0t
        msr     elr_el1, x0
        msr     spsr_el1, x1
        eret

el0:    svc     #2                      // up to EL1 and back
        svc     #3                      // up to EL1, which goes on from there
        b       .

on_svc: mrs     x0, esr_el1
        and     x0, x0, #0xffff         // the immediate
        cmp     x0, #2
        b.ne    1f
        eret
1:      ldr     x0, =0x84000000         // PSCI_VERSION: nobody at EL2 sees this SMC
        smc     #0
        hvc     #4                      // EL2 sets HCR_EL2.TSC
        ldr     x0, =0x84000000
        smc     #0                      // and now EL2 answers
        hvc     #5                      // the end
        b       .

at_el2: mrs     x1, esr_el2
        lsr     x2, x1, #26             // the exception class
        and     x1, x1, #0xffff         // the immediate
        cmp     x2, #0x17               // a trapped SMC
        b.eq    trapped_smc
        cmp     x1, #5
        b.eq    done
        cmp     x1, #4
        b.ne    1f
        mrs     x2, hcr_el2
        orr     x2, x2, #1 << 19        // TSC
        msr     hcr_el2, x2
1:      eret

trapped_smc:
        mov     x0, #-1                 // NOT_SUPPORTED
        mrs     x2, elr_el2
        add     x2, x2, #4
        msr     elr_el2, x2
        eret

done:   adr     x8, text_done
        bl      puts
        b       off

        .macro  vector handler          // one entry: 128 bytes
        .balign 128
        b       \handler
        .endm

        .macro  vectors name, spx_sync=unexpected, spx_irq=unexpected, low_sync=unexpected, low_irq=unexpected
        .balign 2048                    // VBAR_ELx<10:0> are RES0
\name:
        vector  unexpected              // +0x000 same level with SP_EL0: synchronous, IRQ, FIQ, SError
        vector  unexpected
        vector  unexpected
        vector  unexpected
        vector  \spx_sync               // +0x200 same level with SP_ELx
        vector  \spx_irq
        vector  unexpected
        vector  unexpected
        vector  \low_sync               // +0x400 from a lower level
        vector  \low_irq
        vector  unexpected
        vector  unexpected
        .rept   4                       // +0x600 from a lower level in AArch32
        vector  unexpected
        .endr
        .endm
        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors, low_sync=on_svc

text_done: .asciz "down and up\n"

// --- the same in every guest ----------------------------------------------------------------------------------------

        .balign 4
// Print the text at x8 on the PL011. Changes x8, x9, x10.
puts:   ldr     x9, =0x09000000
1:      ldrb    w10, [x8], #1
        cbz     w10, 2f
        str     w10, [x9]
        b       1b
2:      ret

unexpected:                             // an exception that this guest does not provoke
        adr     x8, text_unexpected
        bl      puts
off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        smc     #0
        b       .

text_unexpected: .asciz "unexpected\n"
