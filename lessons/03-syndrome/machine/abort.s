// A guest touches memory at 0x90000000 that it was not given, and EL2 is told. With which instruction?

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, table
        msr     vttbr_el2, x0
        ldr     x0, =0x80003560         // stage 2: 32 bits of IPA, 4 KiB granule, begins at level 1
        msr     vtcr_el2, x0
        tlbi    vmalls12e1
        dsb     sy
        ldr     x0, =1 << 31 | 1        // RW: EL1 is AArch64; VM: stage 2 is on
        msr     hcr_el2, x0
        isb
        adr     x0, guest
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

guest:  mov     x0, #0x90000000
        .inst   0x79000804              // one load or store; which one is the question
        b       .

at_el2: mrs     x0, esr_el2
        adr     x8, text_abort
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

        .balign 4096
table:  .quad   0                       // 0x00000000: nothing
        .quad   0x400007fd              // 0x40000000: 1 GiB of RAM
        .quad   0, 0                    // 0x80000000: nothing

text_abort: .asciz "the guest has left its memory\n"

        .include "include/end.inc"
