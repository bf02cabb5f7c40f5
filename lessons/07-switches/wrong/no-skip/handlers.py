"""A hypervisor that sees its guest switch the MMU and the caches on."""

from collections.abc import Callable

from arm_hyp.hypervisor import EC, SysregExit, Vcpu, handler

OF_THE_MMU = ("SCTLR_EL1", "TTBR0_EL1", "TTBR1_EL1", "TCR_EL1", "MAIR_EL1", "CONTEXTIDR_EL1")
M, C = 1 << 0, 1 << 2  # of SCTLR_EL1: the MMU is on, the caches are on
TVM = 1 << 26  # of HCR_EL2


@handler(EC.SYSREG)
def on_sysreg(vcpu: Vcpu, exit: SysregExit, next: Callable[[Vcpu, SysregExit], None]) -> None:
    if exit.name not in OF_THE_MMU or exit.is_read:
        return next(vcpu, exit)
    vcpu.write(exit.name, vcpu.x(exit.rt))
    if vcpu.read("SCTLR_EL1") & (M | C) == M | C:
        vcpu.write("HCR_EL2", vcpu.read("HCR_EL2") & ~TVM)
