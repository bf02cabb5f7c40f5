        .equ    WRONG, 0
        .include "hyp015.inc"
