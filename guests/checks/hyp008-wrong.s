        .equ    WRONG, 1
        .include "hyp008.inc"
