// Gives the right to write at stage 2, and forgets the right to read.

        .equ    STAGE1, IPA | 3 << 8 | 1 << 10 | 1 << 2 | 3
        .equ    STAGE2, PA | 1 << 10 | 3 << 8 | 2 << 6 | 15 << 2 | 3
