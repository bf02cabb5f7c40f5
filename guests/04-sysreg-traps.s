// System registers and operations that EL2 can trap: each is used twice at EL1, first with the trap bits clear, then set.
//
// EC 0x18 tells which register: ISS = Op0:Op2:Op1:CRn:Rt:CRm:direction. A trapped instruction did not execute: EL2 adds
// 4 to ELR_EL2. For a read it would also write Rt; here Rt keeps what it had.

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        mov     x0, #1                  // EL1PCTEN: EL1 may read the physical counter
        msr     cnthctl_el2, x0
        adr     x0, el1
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

el1:    mov     x20, #0                 // EL2 counts the traps here
        bl      use_all                 // nothing traps
        hvc     #0                      // EL2 sets the trap bits
        bl      use_all                 // everything traps
        hvc     #1                      // the end
        b       .

use_all:
        mrs     x1, sctlr_el1           // HCR_EL2.TRVM (bit 30)
        msr     sctlr_el1, x1           // HCR_EL2.TVM (26)
        mrs     x2, ttbr0_el1           // TRVM
        msr     contextidr_el1, xzr     // TVM
        mrs     x3, id_aa64pfr0_el1     // HCR_EL2.TID3 (18)
        mrs     x4, id_aa64mmfr0_el1    // TID3
        mrs     x5, ctr_el0             // HCR_EL2.TID2 (17)
        mrs     x6, revidr_el1          // HCR_EL2.TID1 (16)
        mrs     x7, actlr_el1           // HCR_EL2.TACR (21)
        msr     actlr_el1, x7           // TACR
        adr     x11, scratch
        dc      civac, x11              // HCR_EL2.TPC (23)
        ic      iallu                   // HCR_EL2.TPU (24)
        mov     x12, #0
        dc      isw, x12                // HCR_EL2.TSW (22)
        tlbi    vmalle1                 // HCR_EL2.TTLB (25)
        dc      zva, x11                // HCR_EL2.TDZ (28)
        mrs     x13, cpacr_el1          // CPTR_EL2.TCPAC (31)
        mrs     x14, mdscr_el1          // MDCR_EL2.TDA (9)
        mrs     x15, dbgbvr0_el1        // TDA
        mrs     x17, cntpct_el0         // CNTHCTL_EL2.EL1PCTEN (0) clear
        ldr     x0, =0x84000000         // PSCI_VERSION
        smc     #0                      // HCR_EL2.TSC (19)
        ret

at_el2: mrs     x21, esr_el2
        lsr     x22, x21, #26
        cmp     x22, #0x16              // EC 0x16: HVC
        b.eq    on_hvc
        add     x20, x20, #1
        mrs     x21, elr_el2
        add     x21, x21, #4
        msr     elr_el2, x21
        eret

on_hvc: and     x21, x21, #0xffff
        cbnz    x21, done
        ldr     x21, =0x57ef0000        // TRVM TDZ TVM TTLB TPU TPC TSW TACR TSC TID3 TID2 TID1
        mrs     x22, hcr_el2
        orr     x22, x22, x21
        msr     hcr_el2, x22
        mrs     x22, cptr_el2
        orr     x22, x22, #1 << 31      // TCPAC
        msr     cptr_el2, x22
        mrs     x22, mdcr_el2
        orr     x22, x22, #1 << 9       // TDA
        msr     mdcr_el2, x22
        msr     cnthctl_el2, xzr
        eret

done:   cmp     x20, #20                // all of them
        b.ne    unexpected
        adr     x8, text_done
        bl      puts
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

        .balign 64
scratch: .space 64
text_done: .asciz "20 traps\n"

        .include "include/end.inc"
