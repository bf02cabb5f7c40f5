        .equ    WRONG, 1
        .include "hyp013.inc"
