// Two guests, and your hypervisor in hypervisor.s. As in one.s they call EL2:
//
//   hvc #1   prints the character in W0
//   hvc #2   this guest is done: the other one goes on; with none left, the machine is switched off
//   wfi      is taken to EL2: it is the other guest's turn
//
// Each guest has a handler of its own for SVC, at its own VBAR_EL1: it prints, and gives the CPU away before it returns.

        .include "seed.inc"
        .include "context.inc"

_start: b       hypervisor

        context vm_alpha, alpha, vm_beta
        context vm_beta, beta, vm_alpha

        .include "include/vectors.inc"

// --- EL1: the first guest counts down in digits -----------------------------------------------------------------------

alpha:  adr     x0, alpha_vectors
        msr     vbar_el1, x0
        adr     x0, alpha_end
        mov     sp, x0                  // its own stack: SP_EL1
        ldr     x20, =SEED_BASE
        mov     x19, #SEED_ALPHA
1:      add     w0, w19, #'0'
        svc     #0
        subs    x19, x19, #1
alpha_waits:
        wfi
        b.ne    1b
        hvc     #2
        b       .

alpha_svc:
        stp     x19, x20, [sp, #-16]!
        mov     x19, #0
alpha_prints:
        hvc     #1
        wfi
        ldp     x19, x20, [sp], #16
        eret

        vectors alpha_vectors, spx_sync=alpha_svc
        .balign 16
        .space  64
alpha_end:
        .space  16

// --- EL1: the second guest counts down in letters ---------------------------------------------------------------------

beta:   adr     x0, beta_vectors
        msr     vbar_el1, x0
        adr     x0, beta_end
        mov     sp, x0
        mvn     x29, x0
        mov     x28, #SEED_BETA
2:      add     w0, w28, #'A' - 1
        svc     #0
        subs    x28, x28, #1
beta_waits:
        wfi
        b.ne    2b
        hvc     #2
        b       .

beta_svc:
        stp     x28, x29, [sp, #-16]!
        mov     x28, #-1
beta_prints:
        hvc     #1
        wfi
        ldp     x28, x29, [sp], #16
        eret

        vectors beta_vectors, spx_sync=beta_svc
        .balign 16
        .space  64
beta_end:

// --- EL2: yours -------------------------------------------------------------------------------------------------------

        .include "hypervisor.s"
        .include "include/end.inc"
