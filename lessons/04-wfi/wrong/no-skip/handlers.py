"""Your hypervisor's answer to WFI and WFE. It has none yet: look for TODO."""

from arm_hyp.hypervisor import EC, Vcpu, WfxExit, handler


@handler(EC.WFX)
def on_wfx(vcpu: Vcpu, exit: WfxExit) -> None:
    # TODO: step over the instruction; then a WFI waits for an interrupt, and a WFE only gives way.
    print(f"{'WFI' if exit.is_wfi else 'WFE'} at {exit.pc:#x}")
