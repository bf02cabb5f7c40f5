        .equ    WRONG, 1
        .include "hyp001.inc"
