// Code that one CPU writes and the other one runs, which has run what stood there before.
//
// The writer: DC CVAU to the point of unification, DSB, IC IVAU, DSB; that reaches every CPU of the Inner Shareable
// domain. Whoever runs it: an ISB of its own, because what it has fetched already is not thrown away for it.

_start: b       first

prepare: ret

cpu0:   bl      start
        mov     w0, #1
        bl      await                   // CPU 1 has run the original
        mov     w25, #3                 // three versions
1:      adr     x1, code
        ldr     w0, =0x52800000         // mov w0, #0
        orr     w0, w0, w25, lsl #5
        str     w0, [x1]                // mov w0, #w25
        dc      cvau, x1
        dsb     ish
        ic      ivau, x1
        dsb     ish
        isb
        bl      code                    // this CPU runs it too
        cmp     w0, w25
        b.ne    fail
        add     w0, w25, #10
        bl      tell
        add     w0, w25, #20
        bl      await
        subs    w25, w25, #1
        b.ne    1b
        b       pass

cpu1:   bl      code
        cmp     w0, #0x55
        b.ne    fail
        mov     w0, #1
        bl      tell
        mov     w25, #3
1:      add     w0, w25, #10
        bl      await
        isb
        bl      code
        cmp     w0, w25
        b.ne    fail
        add     w0, w25, #20
        bl      tell
        subs    w25, w25, #1
        b.ne    1b
2:      wfi
        b       2b

        .balign 64
code:   mov     w0, #0x55
        ret
        .balign 64

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/two-cpus.inc"

        vectors el2_vectors, low_sync=forward
        vectors el1_vectors
