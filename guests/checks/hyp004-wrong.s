        .equ    WRONG, 1
        .include "hyp004.inc"
