// A guest of a hypervisor in Python. It has 16 pages, and asks its hypervisor which of them it has written: as somebody
// does who copies a running machine to another host, and copies again what has changed meanwhile.

        .include "seed.inc"

        .equ    FIRST, 0x40400000
        .equ    START, 0xc6000001       // protect the pages: X1 is the IPA, X2 the number of bytes
        .equ    TAKE, 0xc6000002        // which were written since? X0: a bit for each, and it begins anew

_start: ldr     x20, =FIRST
        mov     w1, #16                 // use each page once, so that stage 2 has it
        mov     x0, x20
1:      str     wzr, [x0]
        add     x0, x0, #4096
        subs    w1, w1, #1
        b.ne    1b
        mov     w27, #0

        ldr     w0, =START
        mov     x1, x20
        mov     x2, #16 * 4096
begin:  hvc     #0
        cbnz    x0, refused
        mov     w21, #SEED_ONE | 1      // a bit for each page to be written; page 0 always is
        bl      round
        mov     w21, #SEED_TWO | 1
        bl      round
        mov     w21, #0                 // and a round in which nobody writes
        bl      round
        b       off

// Write the pages of w21, SEED_TIMES times each, and read all others. Ask who is dirty, and print that.
round:  mov     x28, x30
        mov     w22, #SEED_TIMES
again:  mov     w23, #0                 // the page
        mov     x24, x20
        add     w27, w27, #1            // the number to be written
each:   lsr     w0, w21, w23
        tbz     w0, #0, 1f
put:    str     w27, [x24]
got:    ldr     w0, [x24]
        cmp     w0, w27
        b.ne    lost
        b       2f
1:
look:   ldr     w0, [x24]
2:      add     x24, x24, #4096
        add     w23, w23, #1
        cmp     w23, #16
        b.ne    each
        subs    w22, w22, #1
        b.ne    again

        ldr     w0, =TAKE
take:   hvc     #0
        mov     w25, #12                // print it in 4 digits
1:      lsr     w1, w0, w25
        and     w1, w1, #15
        adr     x2, digits
        ldrb    w1, [x2, x1]
        ldr     x9, =0x09000000
        str     w1, [x9]
        subs    w25, w25, #4
        b.pl    1b
        mov     w1, #'\n'
        str     w1, [x9]
        ret     x28

lost:   adr     x8, text_lost
        b       say
refused:
        adr     x8, text_refused
say:    bl      puts
off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
        b       .

        .include "include/puts.inc"
        .ltorg
digits:    .ascii "0123456789abcdef"
text_lost: .asciz "a store was lost\n"
text_refused: .asciz "START was refused\n"
