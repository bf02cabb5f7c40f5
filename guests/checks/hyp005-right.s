        .equ    WRONG, 0
        .include "hyp005.inc"
