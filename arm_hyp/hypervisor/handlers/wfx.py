"""WFI and WFE of a guest: a vCPU that waits gives its CPU away.

Read `hypervisor/vcpu.py` before this file. Compare Linux: kvm_handle_wfx in `arch/arm64/kvm/handle_exit.c`.
"""

from __future__ import annotations

from arm_hyp.hypervisor.exits import WfxExit
from arm_hyp.hypervisor.vcpu import Vcpu
from arm_hyp.kvm_events import KvmWfxArm64


def handle_wfx(vcpu: Vcpu, exit: WfxExit) -> None:
    """WFI waits for an interrupt; WFE, which spins for something that another vCPU does, lets that one run.

    Simplified: WFIT and WFET, which the CPU models do not have, would wait without their timeout.
    """
    vcpu.emit(KvmWfxArm64, vcpu_pc=exit.pc, is_wfe=exit.is_wfe)
    vcpu.skip_instruction()
    if exit.is_wfe:
        vcpu.yield_cpu()
    else:
        vcpu.wait_for_interrupt()
