// A guest for a VM (--hypervisor): an exception before VBAR_EL1 was written raises itself for ever, and the VM ends.
// With --set X19=1 there is no exception.

_start: cbnz    x19, off
        svc     #0
        b       off

        .include "shared.inc"
