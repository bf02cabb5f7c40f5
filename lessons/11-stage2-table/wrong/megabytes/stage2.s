// Takes the index for a part of the number that one sees.

        .equ    NORMAL, 1 << 10 | 3 << 8 | 15 << 2      // AF, Inner Shareable, MemAttr: normal memory
        .equ    DEVICE, 1 << 10 | 0 << 2                // AF, MemAttr: Device-nGnRnE
        .equ    READ, 1 << 6
        .equ    WRITE, 2 << 6
        .equ    TABLE, 3
        .equ    BLOCK, 1
        .equ    PAGE, 3

        .balign 4096
level1:                                 // 1 GiB an entry
        .quad   devices2 + TABLE        // 0x00000000
        .quad   memory2 + TABLE         // 0x40000000
        .space  4096 - 2 * 8

devices2:                               // 2 MiB an entry: 0x00000000 and on
        .space  9 * 8
        .quad   devices3 + TABLE        // 0x09
        .space  4096 - 10 * 8

devices3:                               // 4 KiB an entry: the 2 MiB that the console is in
        .quad   0x09000000 | DEVICE | READ | WRITE | PAGE
        .space  4096 - 8

memory2:                                // 2 MiB an entry: 0x40000000 and on
        .quad   RAM | NORMAL | READ | WRITE | BLOCK
        .quad   memory3 + TABLE         // 0x40200000
        .space  4096 - 2 * 8

memory3:                                // 4 KiB an entry: 0x40200000 and on
        .space  0x34 * 8
        .quad   CARD | NORMAL | READ | PAGE
        .space  4096 - 0x35 * 8
