// CPU 1 wants a lock that CPU 0 holds, and CPU 0 has gone to sleep with it. Needs --cpus 2.
//
//   X19=0  CPU 1 spins                  X19=2  CPU 1 waits in WFE between two looks
//   X19=1  CPU 0 unlocks: both end      X19=3  CPU 0 switches itself off, with the lock

_start: adr     x20, lock_word
        mov     w0, #1
        stlr    w0, [x20]               // locked
        ldr     x0, =0xc4000003         // PSCI CPU_ON
        mov     x1, #1
        adr     x2, second
        mov     x3, x19
        smc     #0
        cmp     x19, #1
        b.ne    1f
        stlr    wzr, [x20]              // unlocked
        sev
1:      cmp     x19, #3
        b.eq    2f
sleep:  wfi
        b       sleep
2:      ldr     x0, =0x84000002         // PSCI CPU_OFF
        smc     #0

second: adr     x20, lock_word
        mov     x19, x0
        mov     w2, #1
lock:   ldaxr   w1, [x20]
        cbz     w1, free
        cmp     x19, #2
        b.ne    lock
        wfe
        b       lock
free:   stxr    w1, w2, [x20]
        cbnz    w1, lock
        b       off

        .balign 64
lock_word: .word 0
        .balign 64

        .include "shared.inc"
