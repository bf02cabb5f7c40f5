// Your two descriptors, in the machine that is in two.inc.

        .include "seed.inc"
        .include "places.inc"
        .include "maps.s"
        .include "two.inc"
