// Stage 2 of the guest. RAM and CARD are PAs; a table's name is its address, as in `.quad devices2 + 3`.

        .balign 4096
level1:                                 // 1 GiB an entry
        .quad   0                       // 0x00000000: TODO: a table, devices2
        .quad   0                       // 0x40000000: TODO: a table, memory2
        .space  4096 - 2 * 8

devices2:                               // 2 MiB an entry: 0x00000000 and on
        .space  4096                    // TODO: an entry for the console at 0x09000000: a table, devices3

devices3:                               // 4 KiB an entry: the 2 MiB that the console is in
        .space  4096                    // TODO: an entry for 0x09000000: a page, Device, at the same PA

memory2:                                // 2 MiB an entry: 0x40000000 and on
        .space  4096                    // TODO: 0x40000000: a block at RAM. 0x40200000: a table, memory3

memory3:                                // 4 KiB an entry: 0x40200000 and on
        .space  4096                    // TODO: 0x40234000: a page at CARD that can be read, and no more
