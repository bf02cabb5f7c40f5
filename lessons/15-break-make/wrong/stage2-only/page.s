// Move a page. x0 is its IPA, x1 the address of its descriptor, x2 the new descriptor, x3 the old place, x4 the new one.
// `copy_page` copies it. You may use x0 to x18.

move_page:
        str     xzr, [x1]               // break: no descriptor
        dsb     ishst                   // for those who walk the tables
        lsr     x0, x0, #12             // TLBI takes the number of the page
        tlbi    ipas2e1is, x0           // what stage 2 gave
        dsb     ish
        dsb     ish
        isb
        copy_page                       // nobody writes there now
        str     x2, [x1]                // make
        dsb     ishst
        isb
        ret
