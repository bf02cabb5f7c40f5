        .equ    WRONG, 1
        .include "hyp009.inc"
