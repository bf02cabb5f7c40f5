// WFI at EL1, and who hears of it. Run it twice:
//
//   HCR_EL2.TWI clear: the CPU waits. No interrupt is enabled, so it waits for ever, and nobody at EL2 was asked.
//   HCR_EL2.TWI set (--set HCR_EL2.TWI=1): the WFI traps to EL2, which could run another guest meanwhile.
//
// The second WFI shows the classic "why no trap": with an interrupt pending a WFI has nothing to wait for, so it
// neither waits nor traps, although TWI is set, and although PSTATE.I masks that interrupt.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, hcr_el2             // keep TWI as it was set from outside
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    wfi                             // waits or traps
        wfi                             // a virtual interrupt is pending: does neither
        hvc     #0
        b       .

at_el2: mrs     x1, esr_el2
        lsr     x1, x1, #26
        cmp     x1, #0x01               // EC 0x01: WFI or WFE
        b.ne    done
        adr     x8, text_trap
        bl      puts
        mrs     x1, hcr_el2
        orr     x1, x1, #1 << 4         // IMO: virtual interrupts are enabled
        orr     x1, x1, #1 << 7         // VI: and one is pending
        msr     hcr_el2, x1
        mrs     x1, elr_el2             // the WFI did not execute: skip it
        add     x1, x1, #4
        msr     elr_el2, x1
        eret

done:   adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

text_trap: .asciz "trapped WFI\n"
text_done: .asciz "no second trap\n"

        .include "include/end.inc"
