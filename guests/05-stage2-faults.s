// Stage-2 faults: what a hypervisor reads in ESR_EL2, FAR_EL2 and HPFAR_EL2 when a guest leaves the memory it was given.
//
// FAR_EL2 holds the VA; HPFAR_EL2 the faulting IPA, bits <47:12> at <43:4>, so IPA 0x40200000 reads as 0x402000.
// ISS.ISV tells whether the access is described in the syndrome (SAS, SSE, SRT, SF): loads and stores of one general
// register without writeback. LDP and post-index forms leave it 0, and then EL2 has to decode the instruction.
//
// IPA 0x00000000..0x3fffffff  devices        0x40000000..0x401fffff  this program
//     0x40200000  nothing: translation fault 0x40400000  read-only: permission fault
//     0x40600000  access flag clear          0x40800000  nothing; stage-1 tables that EL1 put there
//     0x80000000..0xffffffff  nothing

        .equ    NORMAL_RW, 0x7fd        // block, MemAttr 0b1111, S2AP 0b11, SH 0b11, AF

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        adr     x0, s2_level1
        msr     vttbr_el2, x0
        ldr     x0, =0x80003560         // T0SZ 32, SL0 1 (start at level 1), 4 KiB, inner shareable, write-back
        msr     vtcr_el2, x0
        tlbi    vmalls12e1
        dsb     sy
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        orr     x0, x0, #1              // VM: stage 2 on
        msr     hcr_el2, x0
        isb
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    ldr     x2, =0x40200008
        ldr     x1, [x2]                // translation fault, level 2; ISV, 8 bytes to x1
        ldrsb   w3, [x2, #1]            // ISV, 1 byte, sign-extended to w3
        str     w4, [x2]                // ISV, 4 bytes from w4, WnR
        ldp     x5, x6, [x2]            // ISV 0: two registers
        ldr     x5, [x2], #8            // ISV 0: writeback, which must not happen
        ldar    w7, [x2]                // ISV, AR: acquire
        ldr     x2, =0x90000000
        strh    w4, [x2]                // translation fault, level 1
        ldr     x2, =0x40400000
        ldr     x1, [x2]                // allowed
        str     x1, [x2]                // permission fault, level 2
        ldr     x2, =0x40600010
        ldr     w1, [x2]                // access flag fault, level 2; EL2 sets the flag, and the load runs again
        ldr     w1, [x2]                // and nothing happens
        ldr     x2, =0x40200000
        adr     x30, 1f
        br      x2                      // an instruction abort: EL2 goes on at x30

1:      adr     x2, s1_level1           // stage 1 on: identity, but the level 2 table for 0x80000000 is at 0x40800000
        msr     ttbr0_el1, x2
        ldr     x2, =0x00803520         // T0SZ 32, 4 KiB, TTBR0 only
        msr     tcr_el1, x2
        ldr     x2, =0xff00             // attribute 0 Device-nGnRnE, 1 normal write-back
        msr     mair_el1, x2
        isb
        mrs     x2, sctlr_el1
        orr     x2, x2, #1
        msr     sctlr_el1, x2
        isb
        ldr     x2, =0x80000123
        ldrb    w1, [x2]                // S1PTW: HPFAR_EL2 names the table, FAR_EL2 the VA; ISV 0
        ldr     x2, =0xc0000000
        ldr     x1, [x2]                // stage 1 has no mapping: EL1's own fault, which EL2 does not see
        hvc     #0
        b       .

own_fault:
        mrs     x1, elr_el1
        add     x1, x1, #4
        msr     elr_el1, x1
        eret

at_el2: mrs     x21, esr_el2
        lsr     x22, x21, #26
        cmp     x22, #0x16              // HVC: the end
        b.eq    done
        cmp     x22, #0x20              // an instruction abort
        b.eq    back_to_x30
        and     x22, x21, #0x3c
        cmp     x22, #0x08              // an access flag fault
        b.eq    set_flag
        mrs     x21, elr_el2            // anything else: skip it
        add     x21, x21, #4
        msr     elr_el2, x21
        eret

back_to_x30:
        msr     elr_el2, x30
        eret

set_flag:                               // an entry without the flag is never in a TLB: no TLBI needed
        adr     x21, s2_no_flag
        ldr     x22, [x21]
        orr     x22, x22, #1 << 10
        str     x22, [x21]
        dsb     sy
        eret

done:   adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors, spx_sync=own_fault

        .balign 4096
s2_level1:                              // 1 GiB an entry
        .quad   0x000004c1              // block: Device-nGnRnE, S2AP 0b11, AF
        .quad   s2_level2 + 3
        .quad   0, 0
        .balign 4096
s2_level2:                              // 2 MiB an entry
        .quad   0x40000000 + NORMAL_RW
        .quad   0
        .quad   0x40400000 + 0x77d      // S2AP 0b01: read-only
s2_no_flag:
        .quad   0x40600000 + 0x3fd      // AF clear
        .space  4096 - 32
        .balign 4096
s1_level1:
        .quad   0x00000000 + 0x401      // devices: AF, attribute 0
        .quad   0x40000000 + 0x705      // AF, inner shareable, attribute 1
        .quad   0x40800000 + 3          // a table where stage 2 has nothing
        .quad   0
text_done: .asciz "faults done\n"

        .include "include/end.inc"
