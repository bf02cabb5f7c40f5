// EL2 moves the page by your move_page, in page.s.

        .include "seed.inc"
        .include "move.inc"
        .include "page.s"
        .ltorg
