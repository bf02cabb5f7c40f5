// The only CPU switches itself off. With --set X19=1 it switches the machine off.

_start: cbnz    x19, off
        ldr     x0, =0x84000002         // PSCI CPU_OFF
        smc     #0

        .include "shared.inc"
