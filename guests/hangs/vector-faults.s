// The vector itself raises an exception: VBAR_EL2 was given the address of a table that was never filled.
// With --set X19=1 it is given the other table.

_start: adr     x0, empty
        cbz     x19, 1f
        adr     x0, el2_vectors
1:      msr     vbar_el2, x0
        hvc     #0
        b       off

        .balign 2048
empty:  .space  2048

        .include "shared.inc"
        vectors el2_vectors, spx_sync=off
