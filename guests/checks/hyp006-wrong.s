        .equ    WRONG, 1
        .include "hyp006.inc"
