"""Your hypervisor's answers to HVC and SMC. It has none yet: look for TODO."""

from collections.abc import Callable

from arm_hyp.hypervisor import EC, HvcExit, SmcExit, Vcpu, handler

MAX32 = 0x8600_0100
MAX64 = 0xC600_0101
MASK_32 = 0xFFFF_FFFF


@handler(EC.HVC64, EC.SMC64)
def on_call(vcpu: Vcpu, exit: HvcExit | SmcExit, next: Callable[..., None]) -> None:
    # TODO: which function is called? Answer MAX32 and MAX64, by vcpu.x(1), vcpu.x(2) and vcpu.set_x(0, ...).
    # TODO: all others are not yours: next(vcpu, exit) does what the hypervisor does without you.
    print(f"{exit.ec.name} with X0 = {vcpu.x(0):#x}")
