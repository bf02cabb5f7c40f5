// A guest for a VM: 32 SPIs pending at once, of 31 priorities, and far fewer list registers to hold them.
//
// They come by priority, of equals the lowest INTID first, however many list registers there are; each of them once.

        .equ    COUNT, 32

_start: adr     x0, el1_vectors
        msr     vbar_el1, x0
        bl      vgic
        ldr     x25, =0x08000000        // GICD
        mov     w0, #-1
        tbz     x28, #24, 1f
        str     w0, [x25, #0x84]        // GICD_IGROUPR1: of a GICv3 Group 1 is signalled as IRQ
1:      ldr     w0, =0xaaaaaaaa
        str     w0, [x25, #0xc08]       // GICD_ICFGR2, 3: edge-triggered
        str     w0, [x25, #0xc0c]
        mov     w1, #32
2:      bl      priority
        add     x3, x25, #0x400         // GICD_IPRIORITYR
        strb    w2, [x3, x1]
        add     w1, w1, #1
        cmp     w1, #64
        b.ne    2b
        mov     w0, #-1
        str     w0, [x25, #0x104]       // GICD_ISENABLER1
        str     w0, [x25, #0x204]       // GICD_ISPENDR1
        mov     x20, #0                 // how many came
        mov     x21, #0                 // the priority of the last one
        ldr     x24, =0x40200000        // and their INTIDs
        msr     daifclr, #2
3:      cmp     x20, #COUNT
        b.ne    3b
        msr     daifset, #2
        ldr     w0, [x25, #0x204]       // none is pending any more
        ldr     w1, [x25, #0x304]       // and none active
        orr     w0, w0, w1
        cbnz    w0, fail
        b       pass

priority: mov   w3, #7                  // of INTID w1, to w2: 31 steps of 8. Changes x3, x4
        mul     w2, w1, w3
        mov     w3, #31
        udiv    w4, w2, w3
        msub    w2, w4, w3, w2
        lsl     w2, w2, #3
        ret

on_irq: mov     x23, x30
        bl      ack
        mov     x22, x0
        strb    w0, [x24], #1
        mov     x1, x0
        bl      priority
        cmp     w2, w21
        b.lo    fail
        mov     w21, w2
        add     x20, x20, #1
        mov     x0, x22
        bl      eoi
        mov     x30, x23
        eret

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/vgic.inc"

        vectors el1_vectors, spx_irq=on_irq
