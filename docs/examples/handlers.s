// A guest for handlers.py: one WFI, one call of the hypercall, two reads of the device. Run it with
//
//   arm-hyp run docs/examples/handlers.s --hypervisor docs/examples/handlers.py
//
// Without handlers.py the call answers -1, as every unknown one does, and the guest ends without a word.

_start: ldr     x0, =0xC6000001         // a call: X0 = X1 + X2
        mov     x1, #40
        mov     x2, #2
        hvc     #0
        adr     x8, text_sum
        cmp     x0, #42
        b.ne    off
        bl      puts

        mov     x9, #0x0B000000         // a device that counts its reads
        ldr     w10, [x9]
        wfi
        ldr     w11, [x9]
        sub     w11, w11, w10
        adr     x8, text_count
        cmp     w11, #1
        b.ne    off
        bl      puts

off:    ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0

puts:   mov     x12, #0x09000000        // UARTDR of the PL011
1:      ldrb    w13, [x8], #1
        cbz     w13, 2f
        strb    w13, [x12]
        b       1b
2:      ret

text_sum: .asciz "the sum is right\n"
text_count: .asciz "the device counts\n"
        .balign 4
