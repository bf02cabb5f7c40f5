        .equ    WRONG, 1
        .include "hyp007.inc"
