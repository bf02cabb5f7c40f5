// Takes the VA for the IPA: FAR_EL2 for HPFAR_EL2.

page_in:
        mrs     x1, far_el2
        ldr     x2, =0xc0000000
        sub     x2, x1, x2
        lsr     x2, x2, #12             // the page, and so the index at level 3
        mov     x0, #0
        cmp     x2, #512
        b.hs    out                     // not the guest's memory

        adr     x3, next_frame          // take a frame
        ldr     x4, [x3]
        add     x5, x4, #4096
        str     x5, [x3]
        mov     x6, x4                  // and leave nothing in it
1:      stp     xzr, xzr, [x6], #16
        cmp     x6, x5
        b.ne    1b
        mov     x7, #0x7ff              // page: AF, Inner Shareable, S2AP read and write, normal memory
        orr     x4, x4, x7
        adr     x3, window3
        str     x4, [x3, x2, lsl #3]
        dsb     ishst                   // a walk must find it, and the zeros
        mov     x0, #1
out:    ret
