// A guest that has finished its work, and switches off: by SMC, at `switch_off`. But what does it switch off?

_start: adr     x0, el2_vectors
        msr     vbar_el2, x0
        mrs     x0, hcr_el2             // keep what was set from outside
        orr     x0, x0, #1 << 31        // RW: EL1 is AArch64
        msr     hcr_el2, x0
        adr     x0, guest
        mov     x1, #0x3c5              // EL1h, all interrupts masked
        msr     elr_el2, x0
        msr     spsr_el2, x1
        eret

guest:  ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
switch_off:
        smc     #0
        b       .

at_el2: adr     x8, text_el2            // the hypervisor hears of it: one guest less, and all others live on
        bl      puts
        b       off                     // there are no others here

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=at_el2

text_el2: .asciz "EL2: one guest less\n"

        .include "include/end.inc"
