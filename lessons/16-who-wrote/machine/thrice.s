// A guest that uses one page five times. The descriptor of the page lets it read, and no more.

        .equ    READ_ONLY, 1
        .include "watch.inc"

        .balign 4
el1:    ldr     x20, =FIRST
        ldr     w1, [x20]
        str     w1, [x20, #4]
        str     w1, [x20, #8]
        ldr     w1, [x20, #12]
        str     w1, [x20, #16]
        hvc     #0                      // the guest is done
        b       .
        .ltorg
