        .equ    WRONG, 0
        .include "hyp010.inc"
