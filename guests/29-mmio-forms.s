// A guest for a VM: a device by every form of load and store, those that the syndrome describes and those that it does
// not (ISV is 0), which the hypervisor must read and decode itself.
//
// The device is the PL031: RTCMR at 4 keeps what is written, RTCPeriphID0 at 0xfe0 reads 0x31. At the end it reads where
// there is no device at all.

_start: adr     x0, el1_vectors
        msr     vbar_el1, x0
        mov     x0, #3 << 20
        msr     cpacr_el1, x0           // FPEN: floating point does not trap to EL1
        isb
        ldr     x19, =0x09010000        // the PL031
        ldr     w20, =0x89abcdef
        str     w20, [x19, #4]          // ISV is 1: register, size and sign from ISS
        ldr     w1, [x19, #4]
        cmp     w1, w20
        b.ne    fail
        ldrb    w1, [x19, #0xfe0]
        cmp     w1, #0x31
        b.ne    fail
        ldrsw   x1, [x19, #4]
        cmp     x1, w20, sxtw
        b.ne    fail
        ldrh    w1, [x19, #0xfe0]
        cmp     w1, #0x31
        b.ne    fail
        ldar    w1, [x19]               // the time is not 0
        cbz     w1, fail

        add     x2, x19, #4             // ISV is 0 from here on: pre- and post-indexed
        ldr     w1, [x2], #8
        cmp     w1, w20
        b.ne    fail
        sub     x3, x2, x19
        cmp     x3, #12
        b.ne    fail
        mov     x2, x19
        ldr     w1, [x2, #4]!
        cmp     w1, w20
        b.ne    fail
        sub     x3, x2, x19
        cmp     x3, #4
        b.ne    fail
        mov     w4, #0x77
        str     w4, [x2], #-4
        ldr     w1, [x19, #4]
        cmp     w1, w4
        b.ne    fail
        cmp     x2, x19
        b.ne    fail

        ldp     w1, w3, [x19]           // a pair: the time, RTCMR
        cmp     w3, w4
        b.ne    fail
        stp     w20, wzr, [x19, #4]     // RTCMR, RTCLR
        ldr     w1, [x19, #4]
        cmp     w1, w20
        b.ne    fail
        ldr     w0, =0x61d00000         // a time, for those who read it
        str     w0, [x19, #8]

        ldr     s0, [x19, #4]           // SIMD and floating point
        fmov    w1, s0
        cmp     w1, w20
        b.ne    fail
        fmov    s1, w4
        str     s1, [x19, #4]
        ldr     w1, [x19, #4]
        cmp     w1, w4
        b.ne    fail

        mov     x21, #0                 // how often it faulted
        ldr     x2, =0x0f000000
        ldr     x1, [x2]                // nobody is there
        str     x1, [x2]
        cmp     x21, #2
        b.ne    fail
        b       pass

abort:  mrs     x22, esr_el1
        and     x23, x22, #0x3f
        cmp     x23, #0x10              // a synchronous external abort
        b.ne    fail
        mrs     x23, far_el1
        cmp     x23, x2
        b.ne    fail
        ubfx    x23, x22, #6, #1        // WnR: a load first, a store then
        cmp     x23, x21
        b.ne    fail
        add     x21, x21, #1
        mrs     x23, elr_el1
        add     x23, x23, #4
        msr     elr_el1, x23
        eret

        .include "include/vectors.inc"
        .include "include/verdict.inc"

        vectors el1_vectors, spx_sync=abort
