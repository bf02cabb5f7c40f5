// The machine of two.inc, with nothing at VA yet.

        .include "places.inc"
        .equ    STAGE1, 0
        .equ    STAGE2, 0
        .include "two.inc"
