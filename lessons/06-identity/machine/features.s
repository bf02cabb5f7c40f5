// A guest that looks what its CPU can do before it does it, as every good program.
//
//   ID_AA64ISAR0_EL1.CRC32, <19:16>: 0 if there are no CRC32 instructions. Then it makes the checksum by a loop.
//   ID_AA64PFR0_EL1.FP, <19:16>, and AdvSIMD, <23:20>: 15 if there are no FP and no vector registers.

        .include "seed.inc"

_start: ldr     w19, =SEED_WORD         // a checksum of so many words
        mov     x20, #SEED_WORDS
        mov     w21, #-1
isar:   mrs     x0, id_aa64isar0_el1
        mov     x22, x0                 // kept, for whoever looks
        ubfx    x1, x0, #16, #4
        cbz     x1, by_loop
by_instruction:
        crc32w  w21, w21, w19
        subs    x20, x20, #1
        b.ne    by_instruction
        adr     x8, text_instruction
        b       1f
by_loop:
        eor     w21, w21, w19
        mov     x2, #32
        ldr     w3, =0xedb88320
2:      tst     w21, #1
        lsr     w21, w21, #1
        eor     w4, w21, w3
        csel    w21, w4, w21, ne
        subs    x2, x2, #1
        b.ne    2b
        subs    x20, x20, #1
        b.ne    by_loop
        adr     x8, text_loop
1:      bl      puts

pfr:    mrs     x0, id_aa64pfr0_el1
        mov     x23, x0                 // kept, for whoever looks
        ubfx    x1, x0, #16, #4         // FP
        ubfx    x2, x0, #20, #4         // AdvSIMD
        adr     x8, text_no_fp
        cmp     x1, #15
        ccmp    x2, #15, #0, eq         // both: the architecture knows no CPU that has only one of them
        b.eq    3f
        mov     x0, #3 << 20
        msr     cpacr_el1, x0           // FPEN: no trap to EL1
        isb
fp:     fmov    d0, #1.5
        adr     x8, text_fp
3:      bl      puts

off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
        b       .

text_instruction: .asciz "CRC32 by an instruction\n"
text_loop: .asciz "CRC32 by a loop\n"
text_fp: .asciz "FP is used\n"
text_no_fp: .asciz "FP is not used\n"
        .balign 4

        .include "include/puts.inc"
