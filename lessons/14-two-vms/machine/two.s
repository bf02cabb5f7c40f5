// VMs A and B take turns: each HVC #1 gives way to the other one. load_vm is yours, in load.s.

        .include "seed.inc"
        .equ    FIRST_VM, 0
        .include "vms.inc"

ended:  adr     x1, left                // one VM less
        ldr     x0, [x1]
        subs    x0, x0, #1
        str     x0, [x1]
        b.eq    off
give_way:
        eor     x28, x28, #1            // the other one
        b       go_on

        .balign 8
left:   .quad   2
        .include "load.s"
        .ltorg
        stage2  table_a, 0x40000000 + SEED_A * 0x200000
        stage2  table_b, 0x40000000 + SEED_B * 0x200000
