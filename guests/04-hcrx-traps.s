// What HCRX_EL2 traps, on a CPU that has it (--cpu max-fgt): TCR2_EL1, SCTLR2_EL1, and TLBI with nXS.
//
// Its bits work the other way round than those of HCR_EL2: 0 traps, so that a hypervisor that does not know a feature
// need not know its registers. A TLBI with nXS has no bit of its own in HFGITR_EL2: the bit of the plain one counts for
// both, until HCRX_EL2.FGTnXS says otherwise. EL1 uses everything three times, and each time less traps.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mov     x0, #1 << 31            // HCR_EL2.RW: EL1 is AArch64
        msr     hcr_el2, x0
        msr     hcrx_el2, xzr
        mov     x0, #0x3c5              // EL1h, all interrupts masked
        msr     spsr_el2, x0
        adr     x0, el1
        msr     elr_el2, x0
        eret

el1:    mov     x19, #0                 // EL2 counts the traps here
        bl      use_all                 // 4: HCRX_EL2 is 0
        hvc     #0
        bl      use_all                 // 2: HFGITR_EL2.TLBIVMALLE1 is 1
        hvc     #1
        bl      use_all                 // 1: it does not count for nXS
        hvc     #2

use_all:
        mov     x1, #5
        mrs     x1, tcr2_el1            // HCRX_EL2.TCR2En (bit 14)
        msr     tcr2_el1, x1
        mrs     x1, sctlr2_el1          // HCRX_EL2.SCTLR2En (15)
        msr     sctlr2_el1, x1
        tlbi    vmalle1                 // HFGITR_EL2.TLBIVMALLE1 (42)
        tlbi    vmalle1nxs              // the same, while HCRX_EL2.FGTnXS (4) is 0
        dsb     nshnxs                  // nobody can trap this
        ret

at_el2: mrs     x21, esr_el2
        ubfx    x22, x21, #26, #6       // EC
        cmp     x22, #0x16              // HVC
        b.eq    on_hvc
        cmp     x22, #0x18              // MSR, MRS or a system instruction
        b.ne    unexpected
        mrs     x23, elr_el2
        add     x23, x23, #4            // it did not execute, and never will
        msr     elr_el2, x23
        add     x19, x19, #1
        eret

on_hvc: and     x22, x21, #0xffff
        cmp     x22, #1
        b.hi    done
        b.eq    let_nxs
        mov     x23, #1 << 42
        msr     hfgitr_el2, x23
        mov     x23, #3 << 14
        msr     hcrx_el2, x23
        eret

let_nxs: mrs    x23, hcrx_el2
        orr     x23, x23, #1 << 4
        msr     hcrx_el2, x23
        eret

done:   cmp     x19, #4 + 2 + 1
        b.ne    fail
        cbnz    x1, fail                // it was read the second time: TCR2_EL1 and SCTLR2_EL1 have no bits here
        b       pass

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

        .include "include/verdict.inc"
