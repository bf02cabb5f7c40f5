// Handle an exception of the guest. X0 is ESR_EL2, X1 the frame: X0 to X30 of the guest at [x1, #8 * n], and its PC at
// [x1, #FRAME_PC]. What you write there the guest has afterwards. You may change X0 to X17. Return by RET.

handle: ubfx    x2, x0, #0, #6          // TODO 1: the exception class is EC, <31:26>
        cmp     x2, #0x16
        b.eq    hypercall
        cmp     x2, #0x01
        b.eq    step_over               // WFI: nothing else is to be done here
        cmp     x2, #0x18
        b.eq    register
        b       unexpected

// EC 0x16, HVC: the guest's X0 becomes the immediate of the instruction, ISS<15:0>.
hypercall:
        // TODO 2
        ret

// EC 0x18, MSR or MRS. Rt is ISS<9:5>; the direction is ISS<0>: 1 is a read (MRS), 0 a write (MSR).
register:
        // TODO 3: a write goes from Rt to `virtual_actlr`, a read from there to Rt. What if Rt is 31?

// The instruction was trapped and has not executed: go on behind it.
step_over:
        ldr     x2, [x1, #FRAME_PC]
        add     x2, x2, #4
        str     x2, [x1, #FRAME_PC]
        ret
