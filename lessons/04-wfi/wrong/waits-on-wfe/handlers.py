"""Takes a WFE for a WFI."""

from arm_hyp.hypervisor import EC, Vcpu, WfxExit, handler


@handler(EC.WFX)
def on_wfx(vcpu: Vcpu, exit: WfxExit) -> None:
    vcpu.skip_instruction()
    vcpu.wait_for_interrupt()
