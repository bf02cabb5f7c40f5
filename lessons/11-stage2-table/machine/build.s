// A guest that has been moved, behind the tables that you build in stage2.s.
//
// EL2 moves the guest to RAM, where the machine has room for it, and leaves nothing at its old place. The guest knows
// nothing of that: it goes on at its old address, which is an IPA from now on.

        .include "seed.inc"
        .include "places.inc"

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, guest               // move the page of the guest
        ldr     x1, =RAM - 0x40000000
        add     x1, x0, x1
        mov     x2, #4096 / 16
1:      ldp     x3, x4, [x0]
        stp     xzr, xzr, [x0], #16
        stp     x3, x4, [x1], #16
        subs    x2, x2, #1
        b.ne    1b
        ldr     x0, =CARD               // and write the card
        ldr     w1, =SEED_WORD
        str     w1, [x0]
        dsb     sy

        adr     x0, level1              // yours
        msr     vttbr_el2, x0
        ldr     x0, =0x80003560         // T0SZ 32: 4 GiB; SL0 1: start at level 1; 4 KiB, write-back
        msr     vtcr_el2, x0
        ldr     x0, =1 << 31 | 1        // RW: EL1 is AArch64; VM: stage 2 is on
        msr     hcr_el2, x0
        tlbi    vmalls12e1
        ic      iallu
        dsb     sy
        isb
        adr     x0, guest
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

at_el2: mrs     x16, esr_el2
        lsr     x16, x16, #26
        cmp     x16, #0x24              // a data abort from EL1: step over it
        b.ne    done
        mrs     x16, elr_el2
        add     x16, x16, #4
        msr     elr_el2, x16
        eret
done:   ldr     x0, =0x84000008         // HVC, or something that cannot go on: PSCI SYSTEM_OFF
        smc     #0
        b       .

        .include "include/vectors.inc"
        .equ    unexpected, done
        vectors el2_vectors, low_sync=at_el2
        .ltorg

// The guest: one page. It sees RAM from 0x40000000 to 0x401fffff, the card at 0x40234000, a console at 0x09000000.
        .balign 4096
guest:  adr     x8, text_hello
        bl      puts
        movz    x20, #0x4023, lsl #16
        movk    x20, #0x4000
read_card:
        ldr     w21, [x20]
        adr     x22, guest + 0x1000     // its own RAM, behind this page
write_ram:
        str     w21, [x22]
        ldr     w23, [x22]
write_card:
        str     wzr, [x20]              // it has no right to do that
beside: ldr     w24, [x20, #4096]       // and there is nothing
        adr     x8, text_bye
        bl      puts
        hvc     #0
        b       .

        .include "include/puts.inc"
        .ltorg
text_hello: .asciz "guest: hello\n"
text_bye:   .asciz "guest: bye\n"

        .include "stage2.s"
