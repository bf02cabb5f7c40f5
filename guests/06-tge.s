// HCR_EL2.TGE: EL0 without an EL1. All that would go to EL1 goes to EL2, and EL1 cannot be entered at all.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW
        orr     x0, x0, #1 << 27        // TGE
        msr     hcr_el2, x0
        isb
        adr     x0, el0
        mov     x1, #0x3c5              // EL1h: with TGE an illegal return
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret                            // stays at EL2 with PSTATE.IL set: the next instruction traps

el0:    svc     #7                      // EC 0x15, to EL2
        brk     #8                      // EC 0x3c, to EL2
        hvc     #9                      // UNDEFINED at EL0: EC 0x00, to EL2
        mrs     x1, sctlr_el1           // UNDEFINED at EL0: EC 0x00, to EL2
        .inst   0x00000000              // UDF: EC 0x00, to EL2
        svc     #0                      // the end
        b       .

illegal:                                // EC 0x0e: return properly, to EL0
        mov     x1, #0x3c0
        msr     spsr_el2, x1
        eret

at_el2: mrs     x1, esr_el2
        lsr     x2, x1, #26
        cmp     x2, #0x15               // SVC: ELR_EL2 is already behind it
        b.eq    on_svc
        mrs     x1, elr_el2
        add     x1, x1, #4
        msr     elr_el2, x1
        eret

on_svc: and     x1, x1, #0xffff
        cbz     x1, done
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
        vectors el2_vectors, spx_sync=illegal, low_sync=at_el2

text_done: .asciz "EL0 under EL2\n"

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
