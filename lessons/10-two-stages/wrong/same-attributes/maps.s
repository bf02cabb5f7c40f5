// Takes the attributes of stage 1 for those of stage 2.

        .equ    STAGE1, IPA | 1 << 10 | 3 << 8 | 1 << 2 | 3
        .equ    STAGE2, PA | 1 << 10 | 3 << 8 | 1 << 2 | 3
