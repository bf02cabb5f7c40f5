// Takes a page for a small block.

        .equ    STAGE1, IPA | 1 << 10 | 3 << 8 | 1 << 2 | 3
        .equ    STAGE2, PA | 1 << 10 | 3 << 8 | 3 << 6 | 15 << 2 | 1
