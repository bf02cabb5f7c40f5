// Hardware single step: EL2 watches EL1 one instruction at a time.
//
// MDSCR_EL1.SS turns it on, MDCR_EL2.TDE sends debug exceptions to EL2, and SPSR_EL2.SS at the ERET grants one
// instruction. EC 0x32 follows, with ELR_EL2 at the instruction that comes next. ISS.EX tells that the one stepped was an
// exclusive load: stepping over a LDXR/STXR loop never ends, because the exception clears the monitor.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        msr     oslar_el1, xzr          // the OS lock is set at reset, and locks debug exceptions out
        mrs     x0, mdcr_el2
        orr     x0, x0, #1 << 8         // TDE
        msr     mdcr_el2, x0
        mov     x0, #1                  // SS
        msr     mdscr_el1, x0
        isb
        mov     x20, #0                 // steps
        adr     x21, stepped
        adr     x0, el1
        ldr     x1, =0x2003c5           // EL1h, all interrupts masked, SS
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x1, #1
        b       1f
        nop                             // jumped over
1:      adr     x2, data
        ldxr    x3, [x2]                // ISS.EX
        stxr    w4, x3, [x2]
        svc     #0                      // the step ends at EL1's vector
        wfe                             // the Event Register is set: goes on
        mrs     x5, currentel
stepped:
        add     x1, x1, #1              // no longer stepped
        hvc     #0
        b       .

on_svc: eret

at_el2: mrs     x22, esr_el2
        lsr     x22, x22, #26
        cmp     x22, #0x32              // a step from a lower level
        b.ne    done
        add     x20, x20, #1
        mrs     x22, elr_el2
        cmp     x22, x21
        b.eq    1f
        mrs     x22, spsr_el2
        orr     x22, x22, #1 << 21      // SS: one more
        msr     spsr_el2, x22
        eret
1:      msr     mdscr_el1, xzr          // enough
        isb
        eret

done:   adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors, spx_sync=on_svc

        .balign 16
data:   .quad   0
text_done: .asciz "stepped\n"

        .include "include/end.inc"
