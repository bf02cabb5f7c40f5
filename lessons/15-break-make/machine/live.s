// EL2 moves the page with care, and in the wrong order.

        .equ    SEED_OLD, 3
        .equ    SEED_NEW, 5
        .equ    SEED_LETTER, 'K'
        .include "move.inc"

move_page:
        copy_page
make:   str     x2, [x1]
        dsb     ishst
        lsr     x0, x0, #12
forget: tlbi    ipas2e1is, x0
        dsb     ish
        tlbi    vmalle1is
        dsb     ish
        isb
        ret
        .ltorg
