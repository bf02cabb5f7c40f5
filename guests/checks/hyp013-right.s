        .equ    WRONG, 0
        .include "hyp013.inc"
