        .equ    WRONG, 1
        .include "hyp005.inc"
