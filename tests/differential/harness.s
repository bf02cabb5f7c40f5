// Runs one instruction a case at a wanted exception level and writes down the exception that ended it.
//
// The header behind this code (see generator.py) gives the number of cases and where cases, slots and results lie.
// A slot is the instruction under test and the marker HVC #0x7FF. The vectors of EL1 go on to EL2 by HVC #0x7FE; all
// is read there, so that no trap of EL1's own accesses disturbs it. At the end the results leave by the PL011.
//
// x20 next slot   x22 stage-2 tables   x24 vector   x25 vector of EL2   x23 CurrentEL   x26 cases left   x27 case   x28 result

        .equ    HEADER, 0x40210000
        .equ    PL011, 0x09000000

start:
        ldr     x9, =HEADER
        ldp     x26, x27, [x9]
        ldp     x20, x28, [x9, #16]
        ldr     x22, [x9, #32]
        adr     x0, el2_vectors
        msr     vbar_el2, x0
        b       next

        .balign 2048
el2_vectors:
        .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        mov     x25, #\index
        b       taken_at_el2
        .balign 128
        .endr

        .balign 2048
el1_vectors:
        .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        mov     x24, #\index
        mrs     x23, CurrentEL
        hvc     #0x7fe
        b       .
        .balign 128
        .endr

next:
        cbz     x26, print
        msr     esr_el1, xzr
        msr     esr_el2, xzr
        msr     far_el1, xzr
        msr     far_el2, xzr
        msr     hpfar_el2, xzr
        add     x0, x20, #4                     // an ERET of EL1 goes to the marker, at EL0
        msr     elr_el1, x0
        mov     x0, #0x3c0
        msr     spsr_el1, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        ldr     x0, =0x80023560                 // 4 GiB of IPA, 4 KiB granule, from level 1, 40 bits of PA
        msr     vtcr_el2, x0
        ldr     x0, [x27, #112]
        add     x0, x0, x22
        msr     vttbr_el2, x0
        msr     elr_el2, x20
        ldr     x0, [x27, #0]
        msr     cptr_el2, x0
        ldr     x0, [x27, #8]
        msr     cpacr_el1, x0
        ldr     x0, [x27, #16]
        msr     mdcr_el2, x0
        ldr     x0, [x27, #24]
        msr     hstr_el2, x0
        ldr     x0, [x27, #32]
        msr     cnthctl_el2, x0
        ldr     x0, [x27, #40]
        msr     cntkctl_el1, x0
        ldr     x0, [x27, #48]
        msr     sctlr_el1, x0
        ldr     x0, [x27, #56]
        msr     sctlr_el2, x0
        ldr     x0, [x27, #64]
        msr     pmuserenr_el0, x0
        ldr     x0, [x27, #72]
        msr     spsr_el2, x0
        ldr     x0, [x27, #80]
        msr     sp_el0, x0
        msr     sp_el1, x0
        mov     sp, x0
        ldr     x1, [x27, #96]
        ldr     x0, [x27, #104]
        msr     hcr_el2, x0
        tlbi    alle1
        dsb     sy
        isb
        ldr     x0, [x27, #88]
        eret

taken_at_el2:
        ldr     x0, =0x80000000
        msr     hcr_el2, x0
        ldr     x0, =0x30c50830
        msr     sctlr_el2, x0
        ldr     x0, =0x33ff
        msr     cptr_el2, x0
        isb
        mrs     x10, esr_el2
        mrs     x11, far_el2
        mrs     x12, hpfar_el2
        mrs     x13, elr_el2
        mrs     x14, spsr_el2
        ldr     x0, =0x5a0007fe                 // HVC #0x7FE
        cmp     x10, x0
        b.ne    at_el2
        cmp     x25, #8
        b.ne    at_el2
        mrs     x10, esr_el1
        mrs     x11, far_el1
        mrs     x13, elr_el1
        mrs     x14, spsr_el1
        b       dump
at_el2:
        mrs     x23, CurrentEL
        mov     x24, x25
dump:
        sub     x13, x13, x20                   // ELR as its distance from the instruction
        stp     x24, x23, [x28]
        stp     x10, x11, [x28, #16]
        stp     x12, x13, [x28, #32]
        stp     x14, xzr, [x28, #48]
        add     x28, x28, #64
        add     x27, x27, #120
        add     x20, x20, #16
        sub     x26, x26, #1
        b       next

print:
        ldr     x9, =HEADER
        ldr     x10, [x9, #24]
        ldr     x11, =PL011
1:      ldrb    w12, [x10], #1
        str     w12, [x11]
        cmp     x10, x28
        b.ne    1b
        ldr     x0, =0x84000008                 // PSCI SYSTEM_OFF
        smc     #0
        b       .
