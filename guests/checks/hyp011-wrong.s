        .equ    WRONG, 1
        .include "hyp011.inc"
