// Make the stage 2 of VM C the current one. VM A has ended, and its VMID, SEED_VMID, is C's now. You may use x0 to x7.

load_c: adr     x1, table_c
        ldr     x2, =SEED_VMID << 48
        orr     x1, x1, x2
        msr     vttbr_el2, x1
        isb                             // TLBI VMALLS12E1 is for the VMID that is current
        tlbi    vmalls12e1
        isb
        ret
