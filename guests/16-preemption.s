// SGIs to self: priorities, preemption, and the two ways to end an interrupt (EOImode 0 and 1).
//
// SGI 1 has priority 0xa0, 2 and 3 have 0x60. The handler of 1 sends 1 and 2 with interrupts unmasked, that of 2 sends
// 3: 2 preempts 1, 3 does not preempt its equal, 1 waits for itself. x25 logs: an INTID at each entry, + 8 at the exit.
// EOImode 0: EOI drops the running priority and deactivates, at the exit. EOImode 1: EOI only drops the priority, here
// at the entry; then an equal preempts, but what is still active does not come again until DIR deactivates it.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        ldr     x0, =1 << 31 | 1 << 4   // RW, IMO: IRQs are EL2's
        msr     hcr_el2, x0
        isb
        adr     x0, stack
        mov     sp, x0
        bl      gic
        ldr     w0, =0x6060a0ff
        str     w0, [x26, #0x400]       // IPRIORITYR0: INTIDs 3 to 0
        mov     w0, #0xe
        str     w0, [x26, #0x100]       // ISENABLER0: 1, 2 and 3

        mov     x24, #0                 // EOImode
        ldr     x23, =0x12a3b919
        bl      once
        mov     x24, #1
        ldr     x23, =0x123ba919
        bl      eoimode_1
        bl      once
        b       pass

once:   mov     x22, x30
        mov     x25, #0
        mov     x19, #1                 // the first SGI 1 sends the others
        mov     x0, #1
        mov     x1, #1
        msr     daifclr, #2
        bl      sgi
1:      ldr     w0, [x26, #0x200]       // until nothing is pending
        cbnz    w0, 1b
        msr     daifset, #2
        cmp     x25, x23
        b.ne    fail
        ldr     w0, [x26, #0x300]       // ISACTIVER0
        cbnz    w0, fail
        ret     x22

eoimode_1:
        tbnz    x28, #24, 1f
        mov     w0, #0x201
        str     w0, [x27]               // GICC_CTLR.EOImode
        ret
1:      mov     x0, #2
        msr     icc_ctlr_el1, x0        // EOImode
        isb
        ret

on_irq: stp     x0, x1, [sp, #-64]!
        stp     x2, x30, [sp, #16]
        mrs     x0, elr_el2             // a nested exception overwrites these
        mrs     x1, spsr_el2
        stp     x0, x1, [sp, #32]
        bl      ack
        str     x0, [sp, #48]
        and     x2, x0, #0x3ff
        orr     x25, x2, x25, lsl #4    // the entry
        cbz     x24, 1f
        bl      eoi                     // EOImode 1: drop the priority at once
1:      msr     daifclr, #2
        mov     x1, #1                  // CPU 0
        cmp     x2, #2
        b.hi    3f
        b.eq    2f
        cbz     x19, 3f
        mov     x19, #0
        mov     x0, #1
        bl      sgi                     // stays pending: itself is active
        mov     x0, #2
        bl      sgi                     // preempts
        b       3f
2:      mov     x0, #3
        bl      sgi                     // preempts only if the priority of 2 has been dropped
3:      msr     daifset, #2
        add     x2, x2, #8
        orr     x25, x2, x25, lsl #4    // the exit
        ldr     x0, [sp, #48]
        cbz     x24, 4f
        bl      dir
        b       5f
4:      bl      eoi
5:      ldp     x0, x1, [sp, #32]
        msr     elr_el2, x0
        msr     spsr_el2, x1
        ldp     x2, x30, [sp, #16]
        ldp     x0, x1, [sp], #64
        eret

dir:    tbnz    x28, #24, 1f
        add     x1, x27, #0x1000
        str     w0, [x1]                // GICC_DIR
        ret
1:      msr     icc_dir_el1, x0
        isb
        ret

        .balign 16
        .space  512
stack:

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/gic.inc"

        vectors el2_vectors, spx_irq=on_irq
