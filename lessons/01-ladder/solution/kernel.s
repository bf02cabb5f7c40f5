// A kernel in seven instructions.

kernel:
        adr     x0, app
        msr     elr_el1, x0
        mov     x0, #0x3c0              // EL0t, all interrupts masked
        msr     spsr_el1, x0
        eret

on_svc:
        hvc     #0                      // X0 goes up as it is, and the answer comes down in it
        eret
