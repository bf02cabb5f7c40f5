// A guest that keeps a word at 0x40203000, and finds another one there. Somebody has written it: who?

        .equ    READ_ONLY, 0
        .include "watch.inc"

        .balign 4
el1:    ldr     x20, =0x40203000        // my word
        mov     w19, #0                 // it should be 0 all the time
        bl      names
        bl      look
        bl      sums
        bl      look
        bl      squares
        bl      look
        hvc     #0                      // the guest is done
        b       .

look:   ldr     w1, [x20]               // is it still what it was?
        cmp     w1, w19
        b.eq    1f
        mov     w19, w1
        adr     x8, text_changed
        b       puts
1:      ret

names:  ldr     x0, =0x40202000         // four names of 8 bytes
        mov     x1, #4
        ldr     x2, =0x6c6c6568         // "hell"
1:      str     x2, [x0], #8
        subs    x1, x1, #1
        b.ne    1b
        ret

sums:   ldr     x0, =0x40202f80         // 16 sums
        mov     w1, #0
        mov     w2, #0
1:      add     w2, w2, w1
        str     w2, [x0, w1, uxtw #2]
        add     w1, w1, #1
        cmp     w1, #16
        b.lo    1b
        ret

squares:
        ldr     x0, =0x40202fc0         // 16 squares, behind the sums
        mov     w1, #0
1:      mul     w2, w1, w1
put:    str     w2, [x0, w1, uxtw #2]
        add     w1, w1, #1
        cmp     w1, #16
        b.ls    1b
        ret

        .ltorg
text_changed: .asciz "my word has changed\n"
