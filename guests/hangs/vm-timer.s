// A guest for a VM (--hypervisor): it waits for its virtual timer, whose interrupt it has not enabled.
// With --set X19=1 it has.

_start: bl      gic
        mov     w0, #1 << 27
        cbz     x19, 1f
        str     w0, [x26, #0x100]       // ISENABLER0
1:      mov     x0, #1000
        msr     cntv_tval_el0, x0
        mov     x0, #1
        msr     cntv_ctl_el0, x0
wait:   wfi
        b       off

        .include "shared.inc"
