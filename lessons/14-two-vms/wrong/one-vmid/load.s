// Make the stage 2 of VM x0 the current one: 0 is VM A, 1 is VM B. You may use x0 to x7.
//
// VM A has the tables table_a and the VMID SEED_VMID_A; VM B has table_b and SEED_VMID_B. The VMID is VTTBR_EL2<55:48>.

load_vm:
        adr     x1, table_a
        ldr     x2, =SEED_VMID_A << 48
        cbz     x0, 1f
        adr     x1, table_b
        ldr     x2, =SEED_VMID_A << 48
1:      orr     x1, x1, x2
        msr     vttbr_el2, x1
        ret
