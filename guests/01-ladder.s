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

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors, low_sync=on_svc

text_done: .asciz "down and up\n"

        .include "include/end.inc"
