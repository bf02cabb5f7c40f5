// An SPI is pending and enabled, but for no CPU: with several CPUs GICD_ITARGETSR starts with zeros. Needs --cpus 2.
// With --set X19=1 it is for CPU 0.

_start: bl      gic
        mrs     x0, hcr_el2
        orr     x0, x0, #1 << 4         // IMO
        msr     hcr_el2, x0
        ldr     x1, =0x08000000         // GICD
        cbz     x19, 1f
        mov     w0, #1
        strb    w0, [x1, #0x828]        // GICD_ITARGETSR10
1:      mov     w0, #1 << 8
        str     w0, [x1, #0x104]        // GICD_ISENABLER1: INTID 40
        str     w0, [x1, #0x204]        // GICD_ISPENDR1
wait:   wfi
        b       off

        .include "shared.inc"
