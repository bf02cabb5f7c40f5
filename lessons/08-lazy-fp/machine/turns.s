// Three guests take turns by `hvc #0`. What becomes of the vector registers is yours: lazy.s.
//
//   alpha   uses them in each of its turns
//   beta    never does
//   gamma   uses them in every SEED_EVERYth of its turns; it is the last one, and ends the run by `hvc #1`
//
// A guest that finds something else than it left there calls `hvc #2`.

        .include "seed.inc"
        .include "context.inc"

// --- EL2 --------------------------------------------------------------------------------------------------------------

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mov     x0, #3 << 20            // FPEN 0b11: the guests' kernels do not trap it themselves
        msr     cpacr_el1, x0
        adr     x0, vm_alpha
        mov     sp, x0                  // SP_EL2 points to the context of the VM that runs: it is no stack
        b       enter

exit:   general stp
        mrs     x0, elr_el2
        mrs     x1, spsr_el2
        stp     x0, x1, [sp, #CTX_PC]
        mrs     x2, esr_el2
        lsr     x3, x2, #26
        cmp     x3, #0x07               // FP: somebody uses the vector registers, and TFP is set
        b.eq    on_fp
        cmp     x3, #0x16               // HVC
        b.ne    unexpected
        ands    x2, x2, #0xffff         // 0: the next one's turn
        b.eq    turn
        cmp     x2, #1
        adr     x8, text_done
        adr     x9, text_lost
        csel    x8, x8, x9, eq
        bl      puts
        b       off

on_fp:  mov     x0, sp
        bl      fp_trap                 // yours: x0 is the context of who wants them
        b       go                      // to the same instruction again

turn:   ldr     x0, [sp, #CTX_NEXT]
        mov     sp, x0
enter:  mov     x0, sp
        bl      fp_enter                // yours: x0 is the context of who is entered
go:     ldp     x0, x1, [sp, #CTX_PC]
        msr     elr_el2, x0
        msr     spsr_el2, x1
        general ldp
        eret

        context vm_alpha, alpha, vm_beta
        context vm_beta, beta, vm_gamma
        context vm_gamma, gamma, vm_alpha

        .include "lazy.s"

        .balign 4
        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=exit

// --- EL1 --------------------------------------------------------------------------------------------------------------

alpha:  ldr     x20, =SEED_VALUE
        ldr     x0, =0x00400000         // it rounds up
        msr     fpcr, x0
        mov     x0, #1 << 4             // and remembers that a result was not exact
        msr     fpsr, x0
        fmov    d0, x20
        dup     v31.2d, x20
1:      hvc     #0
        fmov    x1, d0                  // is everything as it was?
        cmp     x1, x20
        b.ne    lost
        umov    x1, v31.d[1]
        cmp     x1, x20
        b.ne    lost
        add     x20, x20, #1
        fmov    d0, x20
        dup     v31.2d, x20
        b       1b

beta:   add     x20, x20, #1            // this one only counts
        hvc     #0
        b       beta

gamma:  ldr     x20, =SEED_VALUE * 3
        mov     x19, #SEED_ROUNDS
        mov     x21, #SEED_EVERY
        mov     x22, #0
2:      subs    x21, x21, #1
        b.ne    3f
        mov     x21, #SEED_EVERY
        fmov    x1, d0                  // its turn to use them
        cmp     x1, x22
        b.ne    lost
        mov     x22, x20
        fmov    d0, x22
        dup     v31.2d, x22
        add     x20, x20, #3
3:      subs    x19, x19, #1
        b.eq    4f
        hvc     #0
        b       2b
4:      hvc     #1

lost:   hvc     #2

text_done: .asciz "all had their turns\n"
text_lost: .asciz "a guest does not find what it left in its vector registers\n"

        .include "include/end.inc"
