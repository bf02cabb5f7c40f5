        .equ    WRONG, 0
        .include "hyp008.inc"
