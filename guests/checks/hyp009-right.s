        .equ    WRONG, 0
        .include "hyp009.inc"
