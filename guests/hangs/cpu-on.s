// CPU 0 starts CPU 1 at an address that is no RAM, does not look at the answer, and waits for CPU 1's word. Needs --cpus 2.
// With --set X19=1 the address is right.

_start: adr     x20, word
        ldr     x0, =0xc4000003         // PSCI CPU_ON
        mov     x1, #1
        mov     x2, #0x20000000
        cbz     x19, 1f
        adr     x2, second
1:      mov     x3, #0
        smc     #0
await:  ldr     w1, [x20]
        cbz     w1, await
        b       off

second: adr     x20, word
        mov     w0, #1
        str     w0, [x20]
        b       .

        .balign 8
word:   .word   0

        .include "shared.inc"
