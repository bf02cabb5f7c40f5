// Executes ten AT instructions for each of many sets of translation tables, at EL3, and writes PAR_EL1 after each to a
// file, by semihosting.
//
// EL3 because there no translation applies to the harness itself, whatever a case puts into the tables of EL1 and EL2.
// walk_qemu.py lays out what follows the code: the number of cases and where they and the results lie (see HEADER). A
// case is 13 registers, the VA, a count, and that many pairs of address and word: the tables. They are written before
// the AT instructions and become zero again behind them. An AT that takes an exception gives its ISS with MARK.
//
// x26 cases left   x27 case   x28 result   x10 what the exception left

        .equ    HEADER, 0x810000
        .equ    MARK, 0xe500000001              // no PAR_EL1 has these bits

start:
        ldr     x0, =0x531                      // SCR_EL3: NS, HCE, RW
        msr     scr_el3, x0
        adr     x0, vectors
        msr     vbar_el3, x0
        isb
        ldr     x9, =HEADER
        ldp     x26, x27, [x9]
        ldr     x28, [x9, #16]

next:   cbz     x26, save
        add     x11, x27, #120
        ldr     x12, [x27, #112]
write:  cbz     x12, load
        ldp     x0, x1, [x11], #16
        str     x1, [x0]
        sub     x12, x12, #1
        b       write

load:   ldp     x0, x1, [x27]
        msr     hcr_el2, x0
        msr     sctlr_el1, x1
        ldp     x0, x1, [x27, #16]
        msr     tcr_el1, x0
        msr     ttbr0_el1, x1
        ldp     x0, x1, [x27, #32]
        msr     ttbr1_el1, x0
        msr     mair_el1, x1
        ldp     x0, x1, [x27, #48]
        msr     sctlr_el2, x0
        msr     tcr_el2, x1
        ldp     x0, x1, [x27, #64]
        msr     ttbr0_el2, x0
        msr     mair_el2, x1
        ldp     x0, x1, [x27, #80]
        msr     vtcr_el2, x0
        msr     vttbr_el2, x1
        ldr     x0, [x27, #96]
        msr     s3_4_c2_c0_1, x0                // TTBR1_EL2; UNDEFINED without VHE: the vector skips it
        tlbi    alle1
        tlbi    alle2
        dsb     sy
        isb
        ldr     x0, [x27, #104]
        .irp    name, s1e1r, s1e1w, s1e0r, s1e0w, s1e2r, s1e2w, s12e1r, s12e1w, s12e0r, s12e0w
        mov     x10, #0
        at      \name, x0
        isb
        mrs     x2, par_el1
        cmp     x10, #0
        csel    x2, x10, x2, ne
        str     x2, [x28], #8
        .endr

        add     x11, x27, #120
        ldr     x12, [x27, #112]
erase:  cbz     x12, done
        ldr     x0, [x11], #16
        str     xzr, [x0]
        sub     x12, x12, #1
        b       erase
done:   mov     x27, x11
        sub     x26, x26, #1
        b       next

save:   ldr     x9, =HEADER
        ldr     x10, [x9, #16]
        sub     x11, x28, x10
        adr     x1, open
        adr     x2, name
        str     x2, [x1]
        mov     w0, #0x01                       // semihosting: SYS_OPEN, to write bytes
        hlt     #0xf000
        adr     x1, write_to
        stp     x0, x10, [x1]
        str     x11, [x1, #16]
        mov     w0, #0x05                       // SYS_WRITE
        hlt     #0xf000
        adr     x1, ended
        mov     w0, #0x18                       // SYS_EXIT
        hlt     #0xf000
        b       .

        .balign 2048
vectors:
        .space  0x200
        mrs     x9, esr_el3
        and     x9, x9, #0x1ffffff
        ldr     x10, =MARK
        orr     x10, x10, x9, lsl #1
        mrs     x9, elr_el3
        add     x9, x9, #4
        msr     elr_el3, x9
        eret
        .ltorg
        .balign 8
ended:  .quad   0x20026, 0
open:   .quad   0, 5, 7
write_to: .quad 0, 0, 0
name:   .asciz  "results"
