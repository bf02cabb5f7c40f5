        .equ    WRONG, 1
        .include "hyp010.inc"
