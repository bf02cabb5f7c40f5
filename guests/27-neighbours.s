// A guest for two VMs on one CPU: whatever the other one does, the registers and the memory of this one stay its own.
//
// It fills its registers from a seed that lies in its memory, spins until its time slice is over some times, and finds
// all of them again. Both VMs use the same addresses for all that they have.

        .equ    ROUNDS, 6

_start: adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #3 << 20
        msr     cpacr_el1, x0           // FPEN: floating point does not trap to EL1
        isb
        ldr     x19, =0x40400000        // the seed; 0 at first
        mov     x20, #ROUNDS
again:  mrs     x0, cntvct_el0          // different in each VM, as they begin one after the other
        str     x0, [x19]
        msr     tpidr_el0, x0
        msr     tpidr_el1, x0
        msr     contextidr_el1, x0
        msr     far_el1, x0
        msr     par_el1, xzr
        bic     x1, x0, #15
        mov     sp, x1
        msr     sp_el0, x1
        eor     x2, x0, #0xff
        msr     cntv_cval_el0, x2
        fmov    d0, x2
        fmov    d31, x0
        mov     x29, x2

        mov     x3, #100
1:      sub     x3, x3, #1
        cbnz    x3, 1b

        ldr     x4, [x19]
        eor     x5, x4, #0xff
        mrs     x6, tpidr_el0
        cmp     x6, x4
        b.ne    fail
        mrs     x6, tpidr_el1
        cmp     x6, x4
        b.ne    fail
        mrs     x6, far_el1
        cmp     x6, x4
        b.ne    fail
        mrs     x6, contextidr_el1
        cmp     w6, w4
        b.ne    fail
        mov     x6, sp
        bic     x7, x4, #15
        cmp     x6, x7
        b.ne    fail
        mrs     x6, sp_el0
        cmp     x6, x7
        b.ne    fail
        mrs     x6, cntv_cval_el0
        cmp     x6, x5
        b.ne    fail
        fmov    x6, d0
        cmp     x6, x5
        b.ne    fail
        fmov    x6, d31
        cmp     x6, x4
        b.ne    fail
        cmp     x29, x5
        b.ne    fail
        cmp     x0, x4
        b.ne    fail
        sub     x20, x20, #1
        cbnz    x20, again
        b       pass

        .include "include/vectors.inc"
        .include "include/verdict.inc"

        vectors el1_vectors
