// A guest for a VM of two vCPUs: PSCI CPU_ON, a word that both look at, SGIs there and back, and CPU_OFF.
//
// They may share one CPU or have two: a vCPU that waits by WFI is blocked until the SGI, one that spins on WFE gives the
// other its turn.

_start: adr     x21, step
        bl      prepare
        ldr     x0, =0xc4000003         // PSCI CPU_ON
        mov     x1, #1
        adr     x2, second
        mov     x3, #42
        hvc     #0
        cbnz    x0, fail
        mov     w0, #1
        bl      await
        mov     x0, #1
        mov     x1, #2                  // SGI 1 to vCPU 1, which sends SGI 2 back
        bl      sgi
        bl      wait
        cmp     x22, #2
        b.ne    fail
1:      yield
        ldr     x0, =0xc4000004         // PSCI AFFINITY_INFO
        mov     x1, #1
        mov     x2, #0
        hvc     #0
        cmp     x0, #1                  // OFF
        b.eq    pass
        wfe
        b       1b

second: cmp     x0, #42
        b.ne    fail
        adr     x21, step
        bl      prepare
        mov     w0, #1
        str     w0, [x21]
        dsb     sy
        sev
        bl      wait
        cmp     x22, #1
        b.ne    fail
        mov     x0, #2
        mov     x1, #1
        bl      sgi
        ldr     x0, =0x84000002         // PSCI CPU_OFF
        hvc     #0
        b       fail

prepare: mov    x18, x30
        adr     x0, el1_vectors
        msr     vbar_el1, x0
        bl      vgic
        mov     w0, #6
        str     w0, [x26, #0x100]       // ISENABLER0: SGIs 1 and 2
        mov     x22, #0                 // the SGI that came
        ret     x18

await:  ldr     w1, [x21]               // until the word is w0
        cmp     w1, w0
        b.eq    1f
        wfe
        b       await
1:      ret

wait:   wfi                             // for an SGI
        msr     daifclr, #2
        isb
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
step:   .word   0

        .include "include/vectors.inc"
        .include "include/verdict.inc"
        .include "include/vgic.inc"

        vectors el1_vectors, spx_irq=on_irq
