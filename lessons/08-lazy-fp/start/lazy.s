// Whose are the vector registers? x0 is a context. x0 to x15 are free; SP is no stack.

fp_owner:
        .quad   0                       // the context of the VM whose values are in them; 0: nobody's

// x0 is entered next: TFP is clear if the vector registers are its own, and set else.
fp_enter:
        // TODO 1: for a beginning set TFP, bit 10 of CPTR_EL2, for everybody. Read the register first: it has other bits.
        // TODO 4: clear it for the one who is fp_owner.
        ret

// x0 wants them, and they are not its own.
fp_trap:
        // TODO 2: clear TFP, and an isb. EL2 itself could not touch a vector register else.
        // TODO 3: if there is an owner, write Q0 to Q31, FPCR and FPSR to *its* context. Load those of x0, the new owner.
        ret
