// Your vector table of EL2. Look for TODO: there are two.

        .macro  entry handler           // one entry: 128 bytes, of which this one uses 4
        .balign 128
        b       \handler
        .endm

        // TODO 1: a vector table begins at a multiple of 2048, for VBAR_EL2<10:0> are taken as 0.
el2_vectors:
        // TODO 2: five exceptions come here, and each has its entry. Name its handler there, in place of `unexpected`.
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   unexpected
