// Alignment: of SP (SCTLR_ELx.SA, EC 0x26), of the PC (EC 0x22), and of data (SCTLR_ELx.A, DFSC 0x21).
//
// The SP check concerns memory accesses based on SP, not arithmetic on it. A misaligned PC faults when it is fetched
// from: ELR_ELx and FAR_ELx hold the odd address, so the handler cannot go on from there.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mrs     x0, sctlr_el2
        orr     x0, x0, #1 << 3         // SA
        msr     sctlr_el2, x0
        mrs     x0, sctlr_el1
        orr     x0, x0, #1 << 3         // SA
        orr     x0, x0, #1 << 4         // SA0: for EL0
        msr     sctlr_el1, x0
        isb
        adr     x0, data + 8
        mov     sp, x0
        add     sp, sp, #0              // arithmetic: allowed
        ldr     x1, [sp]                // SP alignment, EL2 to EL2
        ldr     x1, [x0]                // allowed: not based on SP
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    adr     x0, data + 8
        mov     sp, x0
        str     x1, [sp, #8]            // SP alignment: the sum is aligned, SP is not
        stp     x1, x2, [sp, #-16]!     // SP alignment, and no writeback
        adr     x0, data
        mov     sp, x0
        ldr     x1, [sp]                // allowed
        adr     x30, 1f
        adr     x2, 1f + 2
        br      x2                      // PC alignment
1:      mrs     x1, sctlr_el1
        orr     x1, x1, #1 << 1         // A
        msr     sctlr_el1, x1
        isb
        adr     x0, data
        ldr     w1, [x0, #2]            // alignment fault, read
        strh    w1, [x0, #7]            // alignment fault, write
        ldrb    w1, [x0, #7]            // allowed: a byte is always aligned
        ldp     w1, w2, [x0, #4]        // allowed: each element is aligned
        adr     x0, el0
        mov     x1, #0x3c0              // EL0t
        msr     elr_el1, x0
        msr     spsr_el1, x1
        eret

el0:    adr     x0, data
        ldr     x1, [x0, #4]            // alignment fault, EL0 to EL1
        add     x0, x0, #4
        mov     sp, x0
        ldr     w1, [sp]                // SP alignment, EL0 to EL1
        svc     #0
        b       .

at_el1: mrs     x20, esr_el1
        lsr     x20, x20, #26
        cmp     x20, #0x15
        b.eq    1f
        mrs     x21, elr_el1
        add     x21, x21, #4
        cmp     x20, #0x22
        csel    x21, x30, x21, eq       // a misaligned PC: go on at x30
        msr     elr_el1, x21
        eret
1:      hvc     #0

same:   mrs     x20, elr_el2
        add     x20, x20, #4
        msr     elr_el2, x20
        eret

done:   adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, spx_sync=same, low_sync=done
        vectors el1_vectors, spx_sync=at_el1, low_sync=at_el1

        .balign 16
        .space  16
data:   .space  32
text_done: .asciz "aligned again\n"

        .include "include/end.inc"
