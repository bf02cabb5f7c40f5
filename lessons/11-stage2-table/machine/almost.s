// The guest of small.inc, with a table in which one bit is wrong.

        .equ    TABLE, table
        .include "small.inc"
        .include "include/end.inc"

        .balign 4096
table:  .quad   0x000004c1              // 0x00000000: devices
        .quad   0x400007fc              // 0x40000000: RAM; but for bit 0 as it should be
        .quad   0, 0
