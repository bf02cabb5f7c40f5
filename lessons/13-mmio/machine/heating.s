// A guest that drives a heating at 0x0b000000. No such device is there: each access is a data abort to the hypervisor.
//
//      +0  ID          4 bytes, to be read
//      +4  TARGET      2 bytes: a temperature, below zero too
//      +8  USED        4 bytes: what is written is added

        .include "seed.inc"

_start: ldr     x19, =0x0b000000
        mov     x6, #-1                 // a load must change all of its register
        mov     x7, #-1
        mov     x8, #0
        mov     x9, #-1
        mov     x10, #-1
        mov     x11, #0

load_id:
        ldr     w6, [x19]

        mov     w5, #SEED_COLD
        neg     w5, w5
store_target:
        strh    w5, [x19, #4]
load_signed:
        ldrsh   w7, [x19, #4]           // to 32 bits; the upper half of x7 becomes 0
load_signed_64:
        ldrsh   x8, [x19, #4]           // to 64 bits
load_plain:
        ldrh    w9, [x19, #4]           // the same bytes, unsigned
load_low_byte:
        ldrsb   x11, [x19, #4]          // and only one of them

        ldr     x5, =0xdead0000 << 32 | SEED_FIRST
store_word:
        str     w5, [x19, #8]           // the lower half of x5
after_word:
        ldr     w10, [x19, #8]
        ldr     x5, =0xabcd00 | SEED_SECOND
store_byte:
        strb    w5, [x19, #8]           // the lowest byte of x5
after_byte:
        ldr     w12, [x19, #8]
store_zero:
        str     wzr, [x19, #8]          // no register at all
after_zero:
        ldr     w13, [x19, #8]

        adr     x8, text                // the console is a device, too: the hypervisor's own
        bl      puts
        ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
        b       .

text:   .asciz  "it is warm\n"
        .balign 4
        .include "include/puts.inc"
