// A pending interrupt that PSTATE.I masks is taken right behind what unmasks it: DAIFClr, MSR DAIF, and ERET.
//
// ELR_ELx says where: the next instruction, or the first one after the return. Masked, it shows in ISR_EL1 and ends a
// WFI. An interrupt for EL2 (HCR_EL2.IMO) is masked by no PSTATE.I below EL2.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        bl      gic
        mov     w0, #2
        str     w0, [x26, #0x100]       // ISENABLER0: SGI 1
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    bl      send
        adr     x20, 1f
        msr     daifclr, #2
1:      msr     daifset, #2
        cmp     x21, x20
        b.ne    fail

        bl      send
        adr     x20, 2f
        mrs     x0, daif
        bic     x0, x0, #1 << 7
        msr     daif, x0
2:      msr     daifset, #2
        cmp     x21, x20
        b.ne    fail

        bl      send                    // an exception return that unmasks, to the same level
        adr     x20, 3f
        mov     x0, #0x345              // EL1h, I clear
        msr     elr_el1, x20
        msr     spsr_el1, x0
        eret
        b       fail
3:      msr     daifset, #2
        cmp     x21, x20
        b.ne    fail

        bl      send                    // and to EL0
        adr     x20, el0
        mov     x0, #0x340              // EL0t, I clear
        msr     elr_el1, x20
        msr     spsr_el1, x0
        eret

el0:    svc     #0                      // only after the interrupt
        b       .

on_svc: cmp     x21, x20
        b.ne    fail
        bl      send
        mov     x21, #0
        adr     x20, 4f
        hvc     #0                      // EL2 sets IMO: taken there at once, though PSTATE.I is set here
4:      mrs     x0, daif
        tbz     x0, #7, fail
        cmp     x21, x20
        b.ne    fail
        b       pass

send:   mov     x22, x30                // SGI 1 to self, and look at it masked
        mov     x21, #0
        mov     x0, #1
        mov     x1, #1
        bl      sgi
        wfi                             // does not wait
        mrs     x0, isr_el1
        cmp     x0, #1 << 7             // I
        b.ne    fail
        cbnz    x21, fail               // not taken yet
        ret     x22

on_irq: mrs     x21, elr_el1
        b       1f
at_el2: mrs     x21, elr_el2
1:      mov     x22, x30
        bl      ack
        cmp     x0, #1
        b.ne    fail
        bl      eoi
        mov     x30, x22
        eret

on_hvc: mrs     x0, hcr_el2
        orr     x0, x0, #1 << 4         // IMO
        msr     hcr_el2, x0
        eret

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/gic.inc"

        vectors el2_vectors, low_sync=on_hvc, low_irq=at_el2
        vectors el1_vectors, spx_irq=on_irq, low_sync=on_svc, low_irq=on_irq
