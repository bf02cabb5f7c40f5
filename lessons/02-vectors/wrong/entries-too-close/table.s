// The vector table of EL2, with a mistake in it.

        .macro  entry handler           // one entry: 128 bytes, of which this one uses 4
        b       \handler
        .endm

        .balign 2048
el2_vectors:
        entry   on_own0                 // from EL2 with SP_EL0: synchronous, IRQ, FIQ, SError
        entry   unexpected
        entry   unexpected
        entry   unexpected
        entry   on_own                  // from EL2 with SP_EL2
        entry   on_irq
        entry   unexpected
        entry   unexpected
        entry   on_call                 // from EL1 or EL0, in AArch64
        entry   on_irq
        entry   unexpected
        entry   unexpected
        entry   unexpected              // from EL1 or EL0, in AArch32
        entry   unexpected
        entry   unexpected
        entry   unexpected
