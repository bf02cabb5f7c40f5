        .equ    WRONG, 1
        .include "hyp012.inc"
