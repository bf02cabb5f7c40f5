// CPU 0 wants a lock for ever, with three CPUs: who has it? Needs --cpus 3.
//
//   X19=0  CPU 1 took it and went off         X19=2  CPU 0 itself took it, and wants it again
//   X19=1  CPU 1 holds it for long, and       X19=3  CPU 1 took it and went off; CPU 2 has used it before,
//          gives it back: that is no hang            and is off too

_start: adr     x20, lock_word
        adr     x21, done
        cmp     x19, #2
        b.eq    twice
        cmp     x19, #3
        b.ne    1f
        mov     x1, #2
        bl      start                   // CPU 2 takes it, and gives it back
2:      ldar    w0, [x21]
        cbz     w0, 2b
1:      mov     x1, #1
        bl      start
3:      ldar    w0, [x20]               // until CPU 1 has it
        cbz     w0, 3b
        bl      lock
        b       off
twice:  bl      lock
        bl      lock
        b       off

// Start CPU x1, which takes the lock.
start:  ldr     x0, =0xc4000003         // PSCI CPU_ON
        adr     x2, second
        mov     x3, x19
        smc     #0
        ret

second: mov     x19, x0
        adr     x20, lock_word
        adr     x21, done
        mrs     x22, mpidr_el1
        and     x22, x22, #0xff
        bl      lock
        cmp     x22, #2
        b.eq    give
        cmp     x19, #1
        b.ne    gone                    // and never gives it back
        ldr     x0, =100000
hold:   subs    x0, x0, #1
        b.ne    hold
give:   stlr    wzr, [x20]
gone:   mov     w0, #1
        stlr    w0, [x21]
        ldr     x0, =0x84000002         // PSCI CPU_OFF
        smc     #0

lock:   mov     w2, #1
again:  ldaxr   w1, [x20]
        cbnz    w1, again
        stxr    w1, w2, [x20]
        cbnz    w1, again
        ret

        .balign 64
lock_word: .word 0
        .balign 64
done:   .word   0
        .balign 64

        .include "shared.inc"
