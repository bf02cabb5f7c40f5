// VM A runs to its end, and VM C takes its place and its VMID: this machine has only one to give. load_c is yours, in
// heir_load.s.

        .include "seed.inc"
        .equ    FIRST_VM, 0
        .include "vms.inc"

load_vm:                                // x0: 0 is A, 2 is C
        cbnz    x0, load_c
        adr     x1, vttbr_a
        ldr     x1, [x1]
        msr     vttbr_el2, x1
        ret

ended:  cbnz    x28, off                // C is done: that is all
        mov     x28, #2
        b       go_on
give_way:
        b       loaded                  // there is nobody else: on with the same one

        .balign 8
vttbr_a: .quad  SEED_VMID << 48 | table_a
        .include "heir_load.s"
        .ltorg
        stage2  table_a, 0x40000000 + SEED_A * 0x200000
        stage2  table_c, 0x40000000 + SEED_B * 0x200000
