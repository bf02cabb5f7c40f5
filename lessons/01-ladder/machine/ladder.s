// A ladder with three rungs: this hypervisor at EL2, your kernel at EL1 (kernel.s), and an application at EL0.
//
// The application asks with SVC: how many stars for this number? The kernel does not know; the hypervisor does.

        .include "seed.inc"

// --- EL2: the hypervisor ---------------------------------------------------------------------------------------------

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, kernel
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

at_el2: cbz     x0, off                 // an HVC. X0 is 0: the application is done
        add     x0, x0, #SEED_MORE      // else X0 is a number, and this is the answer
        eret

// --- EL1: your kernel ------------------------------------------------------------------------------------------------

        .include "kernel.s"
        .balign 4

// --- EL0: the application --------------------------------------------------------------------------------------------

app:    mov     x19, #1
ask:    mov     x0, x19
        svc     #0                      // how many stars?
        mov     x20, x0                 // X0: the answer
star:   adr     x8, text_star
        bl      puts
        subs    x20, x20, #1
        b.hi    star
        adr     x8, text_line
        bl      puts
        add     x19, x19, #1
        cmp     x19, #SEED_ROUNDS
        b.ls    ask
        mov     x0, #0
        svc     #0                      // I am done
        b       .

text_star: .asciz "*"
text_line: .asciz "\n"

// --- where exceptions go ---------------------------------------------------------------------------------------------

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors, low_sync=on_svc

        .include "include/end.inc"
