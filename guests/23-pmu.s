// The performance monitors: an overflow of an enabled counter raises PPI 23, as long as PMOVSCLR_EL0 shows it.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mrs     x0, pmcr_el0
        ubfx    x0, x0, #11, #5         // N
        msr     mdcr_el2, x0            // HPMN: all counters are EL1's, and nothing traps
        bl      gic
        mov     w0, #1 << 23
        str     w0, [x26, #0x100]       // ISENABLER0
        mov     x20, #0                 // the flags of all overflows
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x0, #-1
        msr     pmovsclr_el0, x0
        msr     pmccfiltr_el0, xzr      // cycles at EL0 and EL1
        mov     x0, #-500
        msr     pmccntr_el0, x0         // 64 bits, with PMCR_EL0.LC
        msr     pmevtyper0_el0, xzr     // event 0: SW_INCR
        mov     x0, #-2
        msr     pmevcntr0_el0, x0       // 32 bits
        ldr     x0, =1 << 31 | 1        // the cycle counter and counter 0
        msr     pmintenset_el1, x0
        msr     pmcntenset_el0, x0
        mov     x0, #1 << 6 | 1         // LC, E
        msr     pmcr_el0, x0
        msr     daifclr, #2
        isb
1:      cbz     x20, 1b                 // until the cycles are over
        msr     daifset, #2
        mov     x0, #1
        msr     pmswinc_el0, x0         // 0xffffffff
        isb
        mrs     x1, pmovsset_el0
        tbnz    x1, #0, fail
        msr     pmswinc_el0, x0         // 0
        isb
        mrs     x1, pmevcntr0_el0
        cbnz    x1, fail
        ldr     w1, [x26, #0x200]       // ISPENDR0
        tbz     w1, #23, fail           // a level
        msr     daifclr, #2
        msr     daifset, #2
        ldr     x1, =1 << 31 | 1
        cmp     x20, x1
        b.ne    fail
        ldr     w1, [x26, #0x200]
        tbnz    w1, #23, fail
        b       pass

on_irq: mov     x19, x30
        bl      ack
        cmp     x0, #23
        b.ne    fail
        mrs     x1, pmovsclr_el0
        orr     x20, x20, x1
        msr     pmovsclr_el0, x1        // the level falls
        isb
        bl      eoi
        mov     x30, x19
        eret

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/gic.inc"

        vectors el2_vectors
        vectors el1_vectors, spx_irq=on_irq
