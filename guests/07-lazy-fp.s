// Lazy FP: the first use of a vector register traps (EC 0x07), and only then someone loads the right registers.
//
// Two can do it at once: the guest's kernel by CPACR_EL1.FPEN (to EL1) and the hypervisor by CPTR_EL2.TFP (to EL2).
// EL1 is asked first. Both let the instruction run again: nobody skips it.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mrs     x0, cptr_el2
        orr     x0, x0, #1 << 10        // TFP
        msr     cptr_el2, x0
        msr     cpacr_el1, xzr          // FPEN 0b00: EL0 and EL1 trap
        isb
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x1, #42
        fmov    d0, x1                  // traps to EL1, again to EL2, then runs
        fadd    d1, d0, d0              // runs
        fmov    x2, d0
        cmp     x1, x2
        b.ne    unexpected
        msr     cpacr_el1, xzr
        isb
        adr     x3, el0
        mov     x4, #0x3c0
        msr     elr_el1, x3
        msr     spsr_el1, x4
        eret

el0:    movi    v2.16b, #1              // traps to EL1 only: EL2 has let go
        svc     #0
        b       .

at_el1: mrs     x3, esr_el1
        lsr     x3, x3, #26
        cmp     x3, #0x07
        b.ne    1f
        mov     x3, #3 << 20            // FPEN 0b11
        msr     cpacr_el1, x3
        isb
        eret
1:      hvc     #0

at_el2: mrs     x3, esr_el2
        lsr     x3, x3, #26
        cmp     x3, #0x07
        b.ne    done
        mrs     x3, cptr_el2
        bic     x3, x3, #1 << 10
        msr     cptr_el2, x3
        isb
        eret

done:   adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors, spx_sync=at_el1, low_sync=at_el1

text_done: .asciz "FP on demand\n"

        .include "include/end.inc"
