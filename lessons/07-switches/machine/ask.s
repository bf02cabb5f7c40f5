// A guest that uses the registers of its MMU, and EL2 that says what it was asked for. Which bits are set is your affair.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, hcr_el2             // keep what was set from outside
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x1, #0
set_table:
        msr     ttbr0_el1, x1
set_types:
        msr     mair_el1, x1
get_table:
        mrs     x2, ttbr0_el1
get_switches:
        mrs     x2, sctlr_el1
get_extra:
        mrs     x3, actlr_el1           // not of the MMU
set_switches:
        msr     sctlr_el1, x2
forget: tlbi    vmalle1
        hvc     #0                      // the guest is done
        b       .

at_el2: mrs     x16, esr_el2
        lsr     x17, x16, #26
        cmp     x17, #0x18              // EC 0x18: MSR, MRS or a system instruction
        b.ne    done
        adr     x8, text_write
        adr     x9, text_read
        tst     x16, #1                 // ESR_EL2.ISS<0>: the direction. 1 is a read
        csel    x8, x8, x9, eq
        bl      puts
        mrs     x16, elr_el2            // this guest is only watched: step over it
        add     x16, x16, #4
        msr     elr_el2, x16
        eret

done:   adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

text_write: .asciz "EL2: a write\n"
text_read:  .asciz "EL2: a read\n"
text_done:  .asciz "EL2: the guest is done\n"

        .include "include/end.inc"
