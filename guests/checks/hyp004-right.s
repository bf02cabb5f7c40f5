        .equ    WRONG, 0
        .include "hyp004.inc"
