// The machine of machine.inc with nobody to page in. The guest's first abort is at `load_first`.

        .equ    SEED_FRAME, 0
        .equ    SEED_SHIFT, 5
        .equ    SEED_WORD, 1
        .equ    SEED_PAGES, 2

        .include "machine.inc"

page_in:
        mov     x0, #0
        ret
