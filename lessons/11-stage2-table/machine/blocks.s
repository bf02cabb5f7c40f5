// The guest of small.inc. Its table is at 0x40100000, where your answer is put.

        .equ    TABLE, 0x40100000
        .include "small.inc"
        .include "include/end.inc"
