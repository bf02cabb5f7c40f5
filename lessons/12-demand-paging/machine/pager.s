// Your page_in, in the machine that is in machine.inc.

        .include "seed.inc"
        .include "machine.inc"
        .include "page_in.s"
