// A guest for a VM of two vCPUs: the vector registers change hands only when they are used.
//
// vCPU 0 and vCPU 1 fill theirs with different values and give each other the CPU; each finds its own again. vCPU 1
// also runs for a while without touching them, which costs no exit.

        .equ    ROUNDS, 4

_start: adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #3 << 20
        msr     cpacr_el1, x0           // FPEN: nothing traps to EL1
        isb
        ldr     x0, =0xc4000003         // PSCI CPU_ON
        mov     x1, #1
        adr     x2, second
        mov     x3, #0
        hvc     #0
        cbnz    x0, fail
        mov     x20, #0x1100
        bl      rounds
        adr     x21, done
1:      ldr     w1, [x21]
        cbnz    w1, pass
        bl      give
        b       1b

second: adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #3 << 20
        msr     cpacr_el1, x0
        isb
        bl      give                    // a turn without a vector register
        mov     x20, #0x2200
        bl      rounds
        adr     x21, done
        mov     w1, #1
        str     w1, [x21]
2:      wfi
        b       2b

rounds: mov     x18, x30
        mov     x22, #ROUNDS
3:      add     x23, x20, x22
        dup     v0.2d, x23
        dup     v17.2d, x20
        mov     x24, #0x01000000        // rounding mode: FPCR belongs to them too
        msr     fpcr, x24
        bl      give
        umov    x1, v0.d[1]
        cmp     x1, x23
        b.ne    fail
        umov    x1, v17.d[0]
        cmp     x1, x20
        b.ne    fail
        mrs     x1, fpcr
        cmp     x1, x24
        b.ne    fail
        sub     x22, x22, #1
        cbnz    x22, 3b
        ret     x18

give:   ldr     x0, =0x8600f001         // ARM_HYP_YIELD
        hvc     #0
        ret

        .balign 8
done:   .word   0

        .include "include/vectors.inc"
        .include "include/verdict.inc"

        vectors el1_vectors
