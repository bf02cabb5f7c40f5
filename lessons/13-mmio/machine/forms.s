// Three loads from a device that is not there. The hypervisor here is the library's own, and the device its clock.

_start: ldr     x19, =0x09010000
form_a: ldrb    w3, [x19, #0xfe0]       // one byte
form_b: ldrsh   x4, [x19, #8]           // two bytes, signed, to 64 bits
form_c: ldr     w5, [x19], #4           // four bytes, and then x19 moves on by 4
        ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
        b       .
