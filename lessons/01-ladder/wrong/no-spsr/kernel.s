kernel: adr     x0, app
        msr     elr_el1, x0
        eret

on_svc: hvc     #0
        eret
