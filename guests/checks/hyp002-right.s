        .equ    WRONG, 0
        .include "hyp002.inc"
