"""A log of the pages that a guest writes. It protects nothing yet, and logs nothing: look for TODO."""

from collections.abc import Callable

from arm_hyp.hypervisor import EC, DataAbortExit, Hypercall, Vcpu, handler, hypercall
from arm_hyp.hypervisor.stage2.descriptors import Permission

FIRST, PAGE, PAGES = 0x4040_0000, 4096, 16
RW = Permission.RW  # S2AP 0b11
PERMISSION_FAULT = 0b0011  # DFSC<5:2>; <1:0> is the level


@hypercall(0xC600_0001)
def start(vcpu: Vcpu, call: Hypercall) -> int:
    vcpu.vm.data["dirty"] = 0
    # TODO: take the right to write from the pages: vcpu.vm.stage2.write_protect(IPA, SIZE_BYTES)
    return 0


@handler(EC.DATA_ABORT_LOWER)
def on_abort(vcpu: Vcpu, exit: DataAbortExit, next: Callable[[Vcpu, DataAbortExit], None]) -> None:
    if exit.status >> 2 != PERMISSION_FAULT or not FIRST <= exit.ipa < FIRST + PAGES * PAGE:
        return next(vcpu, exit)
    page = (exit.ipa - FIRST) // PAGE
    print(f"page {page} is written at {exit.pc:#x}")
    # TODO: note it in vcpu.vm.data["dirty"], a bit for each page.
    # TODO: vcpu.vm.stage2.protect(IPA, SIZE_BYTES, RW), of what? And how does the store get done?


@hypercall(0xC600_0002)
def take(vcpu: Vcpu, call: Hypercall) -> int:
    taken = int(vcpu.vm.data["dirty"])
    # TODO: and the log begins anew.
    return taken
