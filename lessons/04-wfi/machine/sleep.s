// One guest at EL1 that sleeps, and a few lines of EL2 that may or may not hear of it.
//
//   HCR_EL2.TWI clear: the CPU waits in the WFI. No interrupt is enabled, so it waits for ever, and EL2 is not asked.
//   HCR_EL2.TWI set:   the WFI is taken to EL2, which steps over it.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, hcr_el2             // keep what was set from outside
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x19, #0
sleep:  wfi
awake:  add     x19, x19, #1
        hvc     #0                      // tell EL2 that it is over

at_el2: mrs     x1, esr_el2
        lsr     x1, x1, #26
        cmp     x1, #0x01               // EC 0x01: WFI or WFE
        b.ne    done
        adr     x8, text_trap
        bl      puts
        mrs     x1, elr_el2             // the WFI has not executed: step over it
        add     x1, x1, #4
        msr     elr_el2, x1
        eret

done:   adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

text_trap: .asciz "EL2: the guest wants to sleep\n"
text_done: .asciz "EL2: the guest is done\n"

        .include "include/end.inc"
