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

        .include "include/vectors.inc"
        vectors el2_vectors, spx_sync=illegal, low_sync=at_el2

text_done: .asciz "EL0 under EL2\n"

        .include "include/end.inc"
