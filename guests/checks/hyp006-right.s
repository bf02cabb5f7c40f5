        .equ    WRONG, 0
        .include "hyp006.inc"
