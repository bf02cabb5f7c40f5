// Five kinds of exceptions come to EL2. Your table, in table.s, leads each to its handler, which prints a letter:
//
//   own0   EL2 itself does something UNDEFINED, while it uses SP_EL0       on_own0   o
//   own    EL2 itself does something UNDEFINED, while it uses SP_EL2       on_own    O
//   pulse  an interrupt comes while EL2 runs, with SP_EL2                  on_irq    i
//   calls  the guest at EL1 executes HVC                                   on_call   c
//   irqs   an interrupt comes while the guest runs                         on_irq    i

        .include "seed.inc"

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        ldr     x0, =1 << 31 | 1 << 4  // RW: EL1 is AArch64; IMO: interrupts are taken to EL2
        msr     hcr_el2, x0
        isb
        bl      gic
        mov     x19, #SEED_OWN0
        msr     spsel, #0
own0:   .inst   0x00000000              // UDF #0
        subs    x19, x19, #1
        b.ne    own0
        msr     spsel, #1
        mov     x19, #SEED_OWN
own:    .inst   0x00000000              // UDF #0
        subs    x19, x19, #1
        b.ne    own
        bl      send
        msr     daifclr, #2             // EL2 lets interrupts in
pulse:  nop
        msr     daifset, #2
        adr     x0, calls
        mov     x1, #0x3c5              // EL1h, all interrupts masked: that keeps none away from EL2
        msr     elr_el2, x0
        msr     spsr_el2, x1
        mov     x19, #SEED_CALLS
        eret

calls:  hvc     #0
        subs    x19, x19, #1
        b.ne    calls
        mov     x19, #SEED_IRQS
irqs:   bl      send
        nop
        subs    x19, x19, #1
        b.ne    irqs
        mov     x19, #-1                // the end
        hvc     #0
        b       .

send:   mov     x0, #1                  // SGI 1
        mov     x1, #1                  // to CPU 0
        mov     x21, x30
        bl      sgi
        ret     x21

// --- the handlers ----------------------------------------------------------------------------------------------------

on_own0:
        adr     x8, letter_o
        b       step_over
on_own: adr     x8, letter_capital
step_over:
        mov     x20, x30
        bl      puts
        mrs     x0, elr_el2             // an UNDEFINED instruction never executes: step over it
        add     x0, x0, #4
        msr     elr_el2, x0
        mov     x30, x20
        eret

on_call:
        mov     x20, x30
        adr     x8, letter_c
        bl      puts
        mov     x30, x20
        cmn     x19, #1
        b.eq    off
        eret

on_irq: mov     x20, x30
        bl      ack
        bl      eoi
        adr     x8, letter_i
        bl      puts
        mov     x30, x20
        eret

letter_o: .asciz "o"
letter_capital: .asciz "O"
letter_i: .asciz "i"
letter_c: .asciz "c"
        .balign 4

        .include "table.s"

        .balign 4
        .include "include/gic.inc"
        .include "include/end.inc"
