// A guest for a VM: prints five lines, with pauses between them in which another VM may run, and powers off.
// Nothing here is special to a VM: it runs bare as well (arm-hyp run guests/vms/counting.s --el 1).

_start: mov     w20, #1
again:  adr     x8, text
        bl      puts
        add     w10, w20, #'0'
        str     w10, [x9]
        mov     w10, #'\n'
        str     w10, [x9]
        ldr     x11, =440000
pause:  subs    x11, x11, #1
        b.ne    pause
        add     w20, w20, #1
        cmp     w20, #5
        b.ls    again
        ldr     x0, =0x84400008         // PSCI SYSTEM_OFF
        hvc     #0
        b       .

puts:   ldr     x9, =0x09000000         // the PL011
1:      ldrb    w10, [x8], #1
        cbz     w10, 2f
        str     w10, [x9]
        b       1b
2:      ret

text:   .asciz "line "
