// A guest for a VM: every way to touch RAM that stage 2 does not map yet, and RAM that is not there.
//
// A store, a load, a pair across two blocks, a fetch and the walk of stage 1 abort to EL2, after which the instruction
// runs again; the guest notices nothing. Behind the end of RAM it takes the external abort that a real bus would give it.

_start: adr     x0, el1_vectors
        msr     vbar_el1, x0
        ldr     x19, =0x40400000        // a block that nobody has touched: blocks are of 2 MiB
        mov     x0, #0x5a
        str     x0, [x19, #8]
        ldr     x1, [x19, #8]
        cmp     x1, x0
        b.ne    fail
        ldr     x1, [x19, #16]          // new memory is zero
        cbnz    x1, fail

        ldr     x19, =0x40600000
        ldr     x1, [x19]               // paged in by a load, and written without another fault
        cbnz    x1, fail
        str     x0, [x19]

        ldr     x19, =0x40a00000
        mov     x1, #7
        stp     x0, x1, [x19, #-8]      // across two blocks: two faults, one store
        ldp     x2, x3, [x19, #-8]
        cmp     x2, x0
        ccmp    x3, x1, #0, eq
        b.ne    fail

        ldr     x19, =0x40600100
        ldr     w0, code
        str     w0, [x19]
        dc      cvau, x19
        dsb     sy
        ic      ivau, x19
        dsb     sy
        isb
        blr     x19                     // may be read, and may not be executed yet: a permission fault

        bl      mmu_on                  // the table of level 2 is in new memory: walked, it is empty
        mov     x20, #0
        ldr     x19, =0x80000000
        ldr     x0, [x19]               // translation fault at level 2 of stage 1
        ldr     x1, =0x96000006
        cmp     x20, x1
        b.ne    fail

        mov     x20, #0
        ldr     x19, =0x7ffffff0        // not RAM: an external abort, at EL1
        ldr     x0, [x19]
        ldr     x1, =0x96000010
        cmp     x20, x1
        b.ne    fail
        b       pass

code:   ret

mmu_on: tlbi    vmalle1
        mov     x0, #0xff
        msr     mair_el1, x0            // 0: Normal, write-back; 1: Device-nGnRnE
        ldr     x0, =1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 32
        msr     tcr_el1, x0             // EPD1, Inner Shareable, write-back, T0SZ: 4 GiB
        adr     x0, table
        msr     ttbr0_el1, x0
        dsb     nsh
        isb
        ldr     x0, =0x30d01805         // RES1, I, C, M
        msr     sctlr_el1, x0
        isb
        ret

abort:  mrs     x20, esr_el1
        mrs     x21, elr_el1
        add     x21, x21, #4
        msr     elr_el1, x21
        eret

        .balign 64
table:  .quad   0x0060000000000405      // devices: block, Device, AF, not executable
        .quad   0x40000701              // RAM: block, Normal, Inner Shareable, AF
        .quad   0x40e00003              // 0x80000000: a table, where there is nothing yet
        .quad   0

        .include "include/vectors.inc"
        .include "include/verdict.inc"

        vectors el1_vectors, spx_sync=abort
