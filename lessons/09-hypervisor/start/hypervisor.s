// Your hypervisor. SP_EL2 points to the context of the VM that runs: see context.inc. Look for TODO, in their order.

// --- begin ------------------------------------------------------------------------------------------------------------

hypervisor:
        // TODO 1: VBAR_EL2 is el2_vectors, HCR_EL2.RW <31> is 1. Then let SP point to vm_alpha: mov sp, x0.
        b       enter

// --- out of a guest: keep what it has ---------------------------------------------------------------------------------

exit:                                   // here the vector leads, and all general registers are still the guest's
        // TODO 3: write X0 to X30 to the context, then ELR_EL2 and SPSR_EL2. Then ask ESR_EL2 why you are here.
        // TODO 4: HVC #1 prints the character in the guest's W0: it is in the context now. The UART is at 0x09000000.
        // TODO 5: HVC #2 is the end, if the next VM is this same one.
        // TODO 6, for two.s: WFI. It needs a bit in HCR_EL2, a step over it, and the other context.
        b       off

// --- into the guest at SP ---------------------------------------------------------------------------------------------

enter:
        // TODO 2: ELR_EL2 and SPSR_EL2 from the context, last of all X0 to X30; and ERET.
        b       off

        .include "include/vectors.inc"
        vectors el2_vectors, low_sync=exit
