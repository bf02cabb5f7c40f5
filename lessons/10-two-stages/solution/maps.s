// Two descriptors of level 3: pages of 4 KiB.

        .equ    STAGE1, IPA | 1 << 10 | 3 << 8 | 1 << 2 | 3             // AF, Inner Shareable, AttrIndx 1, page
        .equ    STAGE2, PA | 1 << 10 | 3 << 8 | 3 << 6 | 15 << 2 | 3    // AF, Inner Shareable, S2AP, MemAttr, page
