        .equ    WRONG, 0
        .include "hyp014.inc"
