// EL2 writes SCR_EL3, as code for EL3 does: UNDEFINED below EL3. The vectors lead to the same code again.
// With --set X19=1 it leaves SCR_EL3 alone.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
again:  cbnz    x19, off
        mov     x0, #0x531              // NS, RW, HCE
        msr     scr_el3, x0
        b       off

        .include "shared.inc"
        vectors el2_vectors, spx_sync=again
