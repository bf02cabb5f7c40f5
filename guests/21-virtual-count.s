// What EL2 keeps from its guest in the generic timer: CNTVOFF_EL2 moves virtual time, CNTHCTL_EL2 traps physical time.
//
// CNTVCT = CNTPCT - CNTVOFF, and CNTV compares with CNTVCT. With CNTHCTL_EL2.{EL1PCEN, EL1PCTEN} = 0 the physical timer
// and counter trap to EL2 (EC 0x18), from EL0 too; with CNTKCTL_EL1.{EL0PCTEN, EL0VCTEN} = 0 EL0's counters trap to EL1
// first. Every trap writes its syndrome to the log; where there is something to read, x5 gets 0x123.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mov     x0, #3                  // EL1PCEN, EL1PCTEN
        msr     cnthctl_el2, x0
        mov     x10, #1 << 32
        msr     cntvoff_el2, x10
        msr     cntkctl_el1, xzr
        adr     x20, log
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mrs     x1, cntpct_el0
        isb                             // counters are read in program order only with this
        mrs     x2, cntvct_el0
        isb
        mrs     x3, cntpct_el0
        add     x2, x2, x10
        cmp     x2, x1
        b.lo    fail
        cmp     x2, x3
        b.hi    fail

        mov     x0, #1
        msr     cntv_cval_el0, x0       // virtual time is "negative", and compared without sign: long past 1
        msr     cntv_ctl_el0, x0
        isb
        mrs     x0, cntv_ctl_el0
        tbz     x0, #2, fail            // ISTATUS
        hvc     #0                      // EL2: the offset is 0, and everything traps
        mov     x0, #-1
        msr     cntv_cval_el0, x0
        isb
        mrs     x0, cntv_ctl_el0
        tbnz    x0, #2, fail

        mrs     x5, cntvct_el0          // no trap: virtual
        mrs     x5, cntpct_el0          // to EL2
        cmp     x5, #0x123
        b.ne    fail
        msr     cntp_ctl_el0, x5        // to EL2
        mrs     x5, cntp_cval_el0       // to EL2
        adr     x0, el0
        mov     x1, #0x3c0              // EL0t
        msr     elr_el1, x0
        msr     spsr_el1, x1
        eret

el0:    mrs     x5, cntvct_el0          // to EL1
        mrs     x5, cntpct_el0          // to EL1
        svc     #1                      // EL1 allows both
        mrs     x5, cntvct_el0          // no trap
        mrs     x5, cntpct_el0          // to EL2
        svc     #0
        b       .

at_el1: mrs     x0, esr_el1
        lsr     x1, x0, #26
        cmp     x1, #0x15               // SVC
        b.eq    1f
        str     x0, [x20], #8
        mrs     x0, elr_el1
        add     x0, x0, #4
        msr     elr_el1, x0
        mov     x5, #0x123
        eret
1:      tbz     x0, #0, compare
        mov     x0, #3                  // EL0VCTEN, EL0PCTEN
        msr     cntkctl_el1, x0
        eret

at_el2: mrs     x0, esr_el2
        lsr     x1, x0, #26
        cmp     x1, #0x16               // HVC
        b.eq    1f
        str     x0, [x20], #8
        mrs     x0, elr_el2
        add     x0, x0, #4
        msr     elr_el2, x0
        mov     x5, #0x123
        eret
1:      msr     cntvoff_el2, xzr
        msr     cnthctl_el2, xzr
        eret

compare:                                // the log with what it should be
        adr     x1, log
        adr     x2, expected
1:      ldr     x3, [x1], #8
        ldr     x4, [x2], #8
        cmp     x3, x4
        b.ne    fail
        cbnz    x4, 1b
        b       pass

        .balign 8
        .set    TRAP, 0x18 << 26 | 1 << 25 | 3 << 20 | 3 << 14 | 14 << 10 | 5 << 5      // x5, S3_3_C14_..
expected:
        .quad   TRAP | 1 << 17 | 0 << 1 | 1     // CNTPCT_EL0 (CRm 0, op2 1), read
        .quad   TRAP | 1 << 17 | 2 << 1         // CNTP_CTL_EL0 (CRm 2, op2 1), write
        .quad   TRAP | 2 << 17 | 2 << 1 | 1     // CNTP_CVAL_EL0 (CRm 2, op2 2), read
        .quad   TRAP | 2 << 17 | 0 << 1 | 1     // CNTVCT_EL0 (CRm 0, op2 2), read
        .quad   TRAP | 1 << 17 | 0 << 1 | 1     // CNTPCT_EL0 twice
        .quad   TRAP | 1 << 17 | 0 << 1 | 1
        .quad   0
log:    .space  64

        .include "include/vectors.inc"
        .include "include/verdict.inc"

        vectors el2_vectors, low_sync=at_el2
        vectors el1_vectors, spx_sync=at_el1, low_sync=at_el1
