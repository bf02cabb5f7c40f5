        .equ    WRONG, 0
        .include "hyp011.inc"
