// A stale TLB entry: a page is mapped elsewhere, the TLBI is forgotten, and the old page is still read.
//
// The architecture allows a CPU to keep the old entry or not; this machine keeps it, so the mistake shows: AAB. (Going
// from one valid output address to another also needs break-before-make: invalid entry, TLBI, new entry.)

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    adr     x0, level1
        msr     ttbr0_el1, x0
        ldr     x0, =0x00803520         // T0SZ 32, 4 KiB, TTBR0 only
        msr     tcr_el1, x0
        ldr     x0, =0xff00             // attribute 0 Device-nGnRnE, 1 normal write-back
        msr     mair_el1, x0
        tlbi    vmalle1
        dsb     sy
        isb
        mrs     x0, sctlr_el1
        orr     x0, x0, #1              // M
        msr     sctlr_el1, x0
        isb

        ldr     x20, =0x80000000        // the page that will move
        bl      show                    // A: and its translation is now in the TLB
        adr     x1, level3
        adr     x2, page_b
        mov     x3, #0x707              // page: AF, inner shareable, attribute 1
        orr     x2, x2, x3
        str     x2, [x1]                // the page is mapped elsewhere
        dsb     sy
        isb
        bl      show                    // still A
        lsr     x1, x20, #12
        tlbi    vae1, x1
        dsb     sy
        isb
        bl      show                    // B
        hvc     #0
        b       .

show:   ldr     x9, =0x09000000         // print the first byte of the page
        ldrb    w10, [x20]
        str     w10, [x9]
        ret

done:   adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=done

        .balign 4096
level1: .quad   0x00000000 + 0x401      // devices: AF, attribute 0
        .quad   0x40000000 + 0x705      // this program: AF, inner shareable, attribute 1
        .quad   level2 + 3
        .quad   0
        .balign 4096
level2: .quad   level3 + 3
        .space  4096 - 8
level3: .quad   page_a + 0x707
        .space  4096 - 8
page_a: .ascii  "A"
        .balign 4096
page_b: .ascii  "B"
        .balign 4096
text_done: .asciz "\n"

        .include "include/end.inc"
