// WFE where nobody sends an event. With --set X19=1 the CPU has sent itself one.

_start: cbz     x19, 1f
        sevl
1:      wfe
        b       off

        .include "shared.inc"
