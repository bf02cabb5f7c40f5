"""A log of the pages that a guest writes."""

from collections.abc import Callable

from arm_hyp.hypervisor import EC, DataAbortExit, Hypercall, Vcpu, handler, hypercall
from arm_hyp.hypervisor.stage2.descriptors import Permission

FIRST, PAGE, PAGES = 0x4040_0000, 4096, 16
RW = Permission.RW  # S2AP 0b11
PERMISSION_FAULT = 0b0011  # DFSC<5:2>; <1:0> is the level


@hypercall(0xC600_0001)
def start(vcpu: Vcpu, call: Hypercall) -> int:
    vcpu.vm.stage2.write_protect(FIRST, PAGES * PAGE)
    vcpu.vm.data["dirty"] = 0
    return 0


@handler(EC.DATA_ABORT_LOWER)
def on_abort(vcpu: Vcpu, exit: DataAbortExit, next: Callable[[Vcpu, DataAbortExit], None]) -> None:
    if exit.status >> 2 != PERMISSION_FAULT or not FIRST <= exit.ipa < FIRST + PAGES * PAGE:
        return next(vcpu, exit)
    page = (exit.ipa - FIRST) // PAGE
    vcpu.vm.data["dirty"] |= 1 << page
    vcpu.vm.stage2.protect(FIRST, PAGES * PAGE, RW)


@hypercall(0xC600_0002)
def take(vcpu: Vcpu, call: Hypercall) -> int:
    taken = int(vcpu.vm.data["dirty"])
    vcpu.vm.data["dirty"] = 0
    vcpu.vm.stage2.write_protect(FIRST, PAGES * PAGE)
    return taken
