// Move a page. x0 is its IPA, x1 the address of its descriptor, x2 the new descriptor, x3 the old place, x4 the new one.
// `copy_page` copies it. You may use x0 to x18.

move_page:
        // TODO: break: no descriptor, for everybody
        // TODO: and nothing left of it in a TLB
        copy_page
        str     x2, [x1]                // make
        // TODO: and see to it that the walkers see it
        ret
