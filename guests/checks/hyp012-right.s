        .equ    WRONG, 0
        .include "hyp012.inc"
