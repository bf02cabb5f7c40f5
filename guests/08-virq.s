// A virtual interrupt without any GIC: HCR_EL2.VI makes one pending, HCR_EL2.IMO lets EL1 take it.
//
// It is taken at EL1 as if it were physical: masked by PSTATE.I, seen in ISR_EL1, taken right after the instruction that
// unmasks it, at VBAR_EL1 + 0x280 from EL1 and + 0x480 from EL0. EL2 itself never takes it.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        orr     x0, x0, #1 << 7         // VI
        msr     hcr_el2, x0             // without IMO: pending, but not enabled
        msr     daifclr, #2             // at EL2: nothing happens
        nop
        msr     daifset, #2
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    msr     daifclr, #2             // unmasked, but without IMO there is no virtual interrupt
        nop
        msr     daifset, #2
        hvc     #2                      // EL2 sets IMO
        mrs     x2, isr_el1             // ISR_EL1.I: pending although masked
        tbz     x2, #7, unexpected
        mov     x3, #0
        msr     daifclr, #2             // taken here: ELR_EL1 is the next instruction
        cmp     x3, #1
        b.ne    unexpected
        msr     daifset, #2
        hvc     #2                      // EL2 makes one pending again
        adr     x4, el0
        mov     x5, #0x340              // EL0t with I clear
        msr     elr_el1, x4
        msr     spsr_el1, x5
        eret                            // taken before the first instruction at EL0

el0:    cmp     x3, #2
        b.ne    1f
        svc     #0
1:      b       .

on_irq: add     x3, x3, #1
        hvc     #1                      // EL2 withdraws it
        eret

on_svc: hvc     #0

at_el2: mrs     x6, esr_el2
        and     x6, x6, #0xffff
        cbz     x6, done
        mrs     x7, hcr_el2
        bic     x7, x7, #1 << 7         // hvc #1: VI clear
        cmp     x6, #2
        b.ne    1f
        orr     x7, x7, #1 << 7         // hvc #2: VI and IMO
        orr     x7, x7, #1 << 4
1:      msr     hcr_el2, x7
        eret

done:   adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors, spx_irq=on_irq, low_sync=on_svc, low_irq=on_irq

text_done: .asciz "2 virtual interrupts\n"

        .include "include/end.inc"
