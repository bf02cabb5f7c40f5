// A guest that writes registers, and calls EL2 in between. It counts to 6, and gets to less.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        ldr     x0, =1 << 31 | 1 << 26  // RW: EL1 is AArch64; TVM: writes of the MMU's registers trap
        msr     hcr_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x19, #'0'               // count, as a digit
        msr     contextidr_el1, x19
one:    add     x19, x19, #1
        hvc     #2                      // print
two:    add     x19, x19, #1
        msr     mair_el1, x19
three:  add     x19, x19, #1
        hvc     #1                      // nothing that matters
four:   add     x19, x19, #1
        hvc     #2
five:   add     x19, x19, #1
        msr     contextidr_el1, x19
six:    add     x19, x19, #1
        hvc     #2
        hvc     #0                      // the guest is done
        b       .

at_el2: mrs     x16, esr_el2
        lsr     x17, x16, #26
        cmp     x17, #0x18              // EC 0x18: MSR or MRS
        b.eq    step_over
        and     x16, x16, #0xffff       // an HVC: what does it want?
        cbz     x16, off
        cmp     x16, #2
        b.ne    step_over
        ldr     x9, =0x09000000         // print the count
        str     w19, [x9]
        eret

step_over:                              // nothing is done for the guest here
        mrs     x16, elr_el2
        add     x16, x16, #4
        msr     elr_el2, x16
        eret

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        .include "include/end.inc"
