        .equ    WRONG, 1
        .include "hyp002.inc"
