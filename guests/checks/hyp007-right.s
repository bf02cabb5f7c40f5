        .equ    WRONG, 0
        .include "hyp007.inc"
