// Forgets the access flag in stage 1.

        .equ    STAGE1, IPA | 3 << 8 | 1 << 2 | 3
        .equ    STAGE2, PA | 1 << 10 | 3 << 8 | 3 << 6 | 15 << 2 | 3
