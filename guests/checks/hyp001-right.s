        .equ    WRONG, 0
        .include "hyp001.inc"
