// Handle an exception of the guest, whose frame is X1, as ESR_EL2 in X0 says.

handle: ubfx    x2, x0, #26, #6         // EC
        cmp     x2, #0x16
        b.eq    hypercall
        cmp     x2, #0x01
        b.eq    step_over
        cmp     x2, #0x18
        b.eq    register
        b       unexpected

hypercall:
        and     x2, x0, #0xffff
        str     x2, [x1]
        ret                             // an HVC has completed: nothing to step over

register:
        ubfx    x3, x0, #5, #5          // Rt
        adr     x4, virtual_actlr
        tbz     x0, #0, write_register
        ldr     x5, [x4]
        cmp     x3, #31
        b.eq    step_over               // XZR: nobody wants the value
        str     x5, [x1, x3, lsl #3]
        b       step_over
write_register:
        mov     x5, #0
        cmp     x3, #31
        b.eq    1f                      // XZR: zero
        ldr     x5, [x1, x3, lsl #3]
1:      str     x5, [x4]

step_over:
        ldr     x2, [x1, #FRAME_PC]
        add     x2, x2, #4
        str     x2, [x1, #FRAME_PC]
        ret
