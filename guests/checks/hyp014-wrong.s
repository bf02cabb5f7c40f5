        .equ    WRONG, 1
        .include "hyp014.inc"
