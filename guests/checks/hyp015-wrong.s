        .equ    WRONG, 1
        .include "hyp015.inc"
