from arm_hyp.hypervisor import EC, Hypercall, MmioAccess, Vcpu, WfxExit, handler, hypercall, mmio


@handler(EC.WFX)
def on_wfx(vcpu: Vcpu, exit: WfxExit) -> None:
    print(f"{'WFI' if exit.is_wfi else 'WFE'} at {exit.pc:#x}")
    vcpu.skip_instruction()


@hypercall(0xC600_0001)
def add(vcpu: Vcpu, call: Hypercall) -> int:
    return call.args[0] + call.args[1]


@mmio(range(0x0B00_0000, 0x0B00_1000))
def counter(vcpu: Vcpu, access: MmioAccess) -> int:
    vcpu.vm.data["count"] = vcpu.vm.data.get("count", 0) + 1
    return int(vcpu.vm.data["count"])
