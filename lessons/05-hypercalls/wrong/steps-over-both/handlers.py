"""Answers with a mistake in them."""

from collections.abc import Callable

from arm_hyp.hypervisor import EC, HvcExit, SmcExit, Vcpu, handler

MAX32 = 0x8600_0100
MAX64 = 0xC600_0101
MASK_32 = 0xFFFF_FFFF


@handler(EC.HVC64, EC.SMC64)
def on_call(vcpu: Vcpu, exit: HvcExit | SmcExit, next: Callable[..., None]) -> None:
    function = vcpu.x(0) & MASK_32
    if function == MAX32:
        vcpu.set_x(0, max(vcpu.x(1) & MASK_32, vcpu.x(2) & MASK_32))
    elif function == MAX64:
        vcpu.set_x(0, max(vcpu.x(1), vcpu.x(2)))
    else:
        next(vcpu, exit)
        return
    if exit:
        vcpu.skip_instruction()
