// The machine of two.inc, with nothing at VA yet.

        .equ    SEED_VA_PAGE, 1
        .equ    SEED_IPA_PAGE, 4
        .equ    SEED_PA_PAGE, 1
        .equ    SEED_LETTER, 'A'
        .equ    STAGE1, 0
        .equ    STAGE2, 0

        .include "places.inc"
        .include "two.inc"
