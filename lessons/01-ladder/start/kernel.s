// Your kernel. It runs at EL1. Look for TODO: there are two.

// The hypervisor enters the kernel here, once. The application is at `app`.
kernel:
        // TODO 1: go down to `app` at EL0, by ERET. Before it, set ELR_EL1 (where to) and SPSR_EL1 (which level).
        mov     x0, #0
        hvc     #0                      // remove these two lines: they end the run

// The application has executed SVC. X0 is its number.
on_svc:
        // TODO 2: ask the hypervisor by HVC. It takes the number in X0, and leaves the answer there.
        eret                            // back to the application
