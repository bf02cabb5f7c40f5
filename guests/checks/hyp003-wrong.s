        .equ    WRONG, 1
        .include "hyp003.inc"
