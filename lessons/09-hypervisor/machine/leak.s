// A hypervisor of somebody else, with one line in a wrong place. Its guest adds 1, 2, 3 ... in X0 and does not get what
// it should: it hangs in `wrong`.

        .include "context.inc"

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, vm
        mov     sp, x0
        b       enter

        context vm, guest, vm

exit:   mrs     x0, esr_el2
        general stp
        mrs     x1, elr_el2
        mrs     x2, spsr_el2
        stp     x1, x2, [sp, #CTX_PC]
        and     x3, x0, #0xffff
        cmp     x3, #2
        b.eq    off
        add     x4, x4, #1              // HVC #1: nothing to do but to count it
enter:  ldp     x0, x1, [sp, #CTX_PC]
        msr     elr_el2, x0
        msr     spsr_el2, x1
        general ldp
        eret

guest:  mov     x0, #0                  // the sum
        mov     x1, #1
1:      add     x0, x0, x1
        hvc     #1
        add     x1, x1, #1
        cmp     x1, #4
        b.ne    1b
        cmp     x0, #6                  // 1 + 2 + 3
        b.ne    wrong
        hvc     #2
wrong:  b       wrong

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=exit
        .include "include/end.inc"
