"""A hypervisor's answer to WFI and WFE."""

from arm_hyp.hypervisor import EC, Vcpu, WfxExit, handler


@handler(EC.WFX)
def on_wfx(vcpu: Vcpu, exit: WfxExit) -> None:
    vcpu.skip_instruction()
    if exit.is_wfi:
        vcpu.wait_for_interrupt()
    else:
        vcpu.yield_cpu()
