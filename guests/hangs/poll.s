// Polls the PL011 for a byte that nobody types. With --set X19=1 it counts to a million instead, which takes time but ends.

_start: ldr     x1, =0x09000000         // PL011
        ldr     x2, =1000000
        cbnz    x19, count
poll:   ldr     w0, [x1, #0x18]         // UARTFR
        tbnz    w0, #4, poll            // RXFE: nothing to read
        b       off

count:  subs    x2, x2, #1
        b.ne    count
        b       off

        .include "shared.inc"
