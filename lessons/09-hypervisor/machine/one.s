// One guest, and your hypervisor in hypervisor.s. The guest can print only through EL2:
//
//   hvc #1   prints the character in W0
//   hvc #2   the guest is done: with no other guest left, the machine is switched off
//
// It counts on its registers: all that it has before a call it must have behind it.

        .include "seed.inc"
        .include "context.inc"

_start: b       hypervisor

        context vm_alpha, alpha, vm_alpha

// --- EL1: the guest ---------------------------------------------------------------------------------------------------

alpha:  ldr     x1, =SEED_BASE          // something different in each register
        adr     x2, alpha_end
        mov     sp, x2
        add     x2, x1, #2
        add     x3, x1, #3
        add     x4, x1, #4
        add     x5, x1, #5
        add     x8, x1, #8
        add     x9, x1, #9
        add     x10, x1, #10
        add     x16, x1, #16
        add     x17, x1, #17
        add     x18, x1, #18
        add     x29, x1, #29
        add     x30, x1, #30
        mov     x19, #SEED_ROUNDS
1:      add     w0, w19, #'0'
        subs    x19, x19, #1            // sets the flags,
alpha_calls:
        hvc     #1
        b.ne    1b                      // and the call must leave them alone
        mov     w0, #'\n'
        hvc     #1
        hvc     #2
        b       .

        .balign 16
        .space  64
alpha_end:

// --- EL2: yours -------------------------------------------------------------------------------------------------------

        .include "hypervisor.s"
        .include "include/end.inc"
