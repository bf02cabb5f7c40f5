// A hypervisor that knows why it was called only from ESR_EL2. Your part, `handle`, is in handle.s.
//
// The guest uses WFI, HVC, and a register that it must not have: ACTLR_EL1, whose accesses EL2 traps (HCR_EL2.TACR).

        .include "seed.inc"
        .equ    FRAME_PC, 31 * 8        // X0 to X30 come first
        .equ    FRAME_BYTES, 32 * 8

        .equ    MSR_ACTLR, 0xd5181020   // MSR ACTLR_EL1, X0; the number of another register is added
        .equ    MRS_ACTLR, 0xd5381020   // MRS X0, ACTLR_EL1
        .equ    MOV, 0xd2800000         // MOV X0, #0; the number is added at <20:5>

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, stack_end
        mov     sp, x0
        ldr     x0, =1 << 31 | 1 << 21 | 1 << 13
        msr     hcr_el2, x0             // RW: EL1 is AArch64; TACR: trap ACTLR_EL1; TWI: trap WFI
        adr     x0, guest
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

// --- EL1: the guest --------------------------------------------------------------------------------------------------

guest:  .inst   MOV + (SEED_VALUE << 5) + SEED_FROM     // a value into some register,
write:  .inst   MSR_ACTLR + SEED_FROM                   // from there into ACTLR_EL1,
read:   .inst   MRS_ACTLR + SEED_TO                     // and back into another register
sleep:  wfi
        mov     x0, #0
call:   hvc     #SEED_CALL                              // X0 becomes the number of the call
discard:
        mrs     xzr, actlr_el1                          // XZR: what is read goes nowhere
zero:   msr     actlr_el1, xzr                          // XZR: a zero is written
again:  .inst   MRS_ACTLR + SEED_TO
        b       off

// --- EL2: the hypervisor ---------------------------------------------------------------------------------------------

        .macro  pairs op                // X0 to X29, two at a time
        \op     x0, x1, [sp]
        \op     x2, x3, [sp, #16]
        \op     x4, x5, [sp, #32]
        \op     x6, x7, [sp, #48]
        \op     x8, x9, [sp, #64]
        \op     x10, x11, [sp, #80]
        \op     x12, x13, [sp, #96]
        \op     x14, x15, [sp, #112]
        \op     x16, x17, [sp, #128]
        \op     x18, x19, [sp, #144]
        \op     x20, x21, [sp, #160]
        \op     x22, x23, [sp, #176]
        \op     x24, x25, [sp, #192]
        \op     x26, x27, [sp, #208]
        \op     x28, x29, [sp, #224]
        .endm

at_el2: sub     sp, sp, #FRAME_BYTES
        pairs   stp
        mrs     x0, elr_el2
        stp     x30, x0, [sp, #240]     // X30, and the guest's PC
        mrs     x0, esr_el2
        mov     x1, sp
        bl      handle                  // X0: ESR_EL2; X1: the frame
        ldp     x30, x0, [sp, #240]
        msr     elr_el2, x0
        pairs   ldp
        add     sp, sp, #FRAME_BYTES
        eret

        .include "handle.s"

        .balign 8
virtual_actlr: .quad 0                  // what the guest believes to be ACTLR_EL1

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

        .balign 16
        .space  1024
stack_end:
        .include "include/end.inc"
