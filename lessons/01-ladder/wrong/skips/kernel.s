// Steps over an SVC that has already completed.

kernel:
        adr     x0, app
        msr     elr_el1, x0
        mov     x0, #0x3c0
        msr     spsr_el1, x0
        eret

on_svc:
        hvc     #0
        mrs     x1, elr_el1
        add     x1, x1, #4
        msr     elr_el1, x1
        eret
