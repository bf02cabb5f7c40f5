// A load from an address where nothing is leads to a handler that gives up: a branch to itself.
// With --set X19=1 the load is from RAM.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mov     x1, #0x20000000
        cbz     x19, 1f
        adr     x1, _start
1:      ldr     x0, [x1]
        b       off

give_up: b      give_up

        .include "shared.inc"
        vectors el2_vectors, spx_sync=give_up
