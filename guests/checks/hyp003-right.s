        .equ    WRONG, 0
        .include "hyp003.inc"
