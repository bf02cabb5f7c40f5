// Two CPUs: PSCI CPU_ON, a spinlock with LDAXR/STXR/STLR and WFE, SGIs between them, and TLB maintenance for both.
//
// CPU 1 comes while CPU 0 holds the lock. A WFE ends by SEV, or when a store to the lock clears the exclusive monitor.
// CPU 1 has used a mapping that CPU 0 takes away: TLBI VMALLE1IS and DSB ISH, and it faults there.

_start: b       first

prepare: mov    x18, x30
        bl      gic
        mov     w0, #6
        str     w0, [x26, #0x100]       // ISENABLER0: SGIs 1 and 2
        mov     x22, #0                 // the SGI that came
        ret     x18

cpu0:   bl      lock
        bl      start
        mov     w0, #1
        bl      await                   // CPU 1 is there, and will wait for the lock
        bl      unlock
        bl      count
        mov     w0, #2
        bl      await
        adr     x0, counter
        ldr     x0, [x0]
        cmp     x0, #8                  // 4 times each
        b.ne    fail

        mov     x0, #1
        mov     x1, #2                  // SGI 1 to CPU 1, which sends SGI 2 back
        bl      sgi
        bl      wait
        cmp     x22, #2
        b.ne    fail

        adr     x0, table
        ldr     x1, =0x40000701
        str     x1, [x0, #16]           // 0x80000000: RAM again
        dsb     ishst
        mov     w0, #3
        bl      tell
        mov     w0, #4
        bl      await
        adr     x0, table
        str     xzr, [x0, #16]          // and not any more
        dsb     ishst
        tlbi    vmalle1is
        dsb     ish
        isb
        mov     w0, #5
        bl      tell
1:      yield
        ldr     x0, =0xc4000004         // PSCI AFFINITY_INFO
        mov     x1, #1
        mov     x2, #0
        hvc     #0
        cmp     x0, #1                  // OFF
        b.ne    1b
        b       pass

cpu1:   cmp     x24, #42
        b.ne    fail
        mov     w0, #1
        bl      tell
        bl      count
        mov     w0, #2
        bl      tell
        bl      wait
        cmp     x22, #1
        b.ne    fail
        mov     x0, #2
        mov     x1, #1
        bl      sgi

        mov     w0, #3
        bl      await
        adr     x19, counter
        orr     x19, x19, #0x80000000
        bic     x19, x19, #0x40000000   // the second mapping of RAM
        ldr     x0, [x19]
        cmp     x0, #8
        b.ne    fail
        mov     w0, #4
        bl      tell
        mov     w0, #5
        bl      await
        mov     x22, #0
        ldr     x0, [x19]               // faults
        cbz     x22, fail
        ldr     x0, =0x84000002         // PSCI CPU_OFF
        hvc     #0
        b       fail

abort:  mrs     x0, esr_el1
        ldr     x1, =0x96000005         // Data Abort from EL1, translation fault at level 1
        cmp     x0, x1
        b.ne    fail
        mov     x22, #1
        mrs     x0, elr_el1
        add     x0, x0, #4
        msr     elr_el1, x0
        eret

count:  mov     x18, x30                // 4 times: add 1 under the lock
        mov     x17, #4
1:      bl      lock
        adr     x0, counter
        ldr     x1, [x0]
        add     x1, x1, #1
        str     x1, [x0]
        bl      unlock
        sub     x17, x17, #1
        cbnz    x17, 1b
        ret     x18

lock:   adr     x0, lock_word
        mov     w2, #1
        sevl                            // the first WFE goes on
1:      wfe
2:      ldaxr   w1, [x0]
        cbnz    w1, 1b
        stxr    w1, w2, [x0]
        cbnz    w1, 2b
        ret

unlock: adr     x0, lock_word
        stlr    wzr, [x0]
        ret

wait:   wfi                             // for an SGI
        msr     daifclr, #2
        msr     daifset, #2
        cbz     x22, wait
        ret

on_irq: mov     x23, x30
        bl      ack
        and     x22, x0, #0x3ff
        bl      eoi
        mov     x30, x23
        eret

        .balign 64
lock_word: .word 0
        .balign 64
counter: .quad  0

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/gic.inc"
        .include "include/two-cpus.inc"

        vectors el2_vectors, low_sync=forward
        vectors el1_vectors, spx_sync=abort, spx_irq=on_irq
