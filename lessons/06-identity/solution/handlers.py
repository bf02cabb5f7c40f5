"""A CPU with less in it: no CRC32 instructions, no FP and no vectors."""

from collections.abc import Callable

from arm_hyp.hypervisor import SysregAccess, Vcpu, sysreg


@sysreg("ID_AA64ISAR0_EL1")
def instructions(vcpu: Vcpu, access: SysregAccess, next: Callable[..., int]) -> int:
    return next(vcpu, access) & ~(0xF << 16)  # CRC32


@sysreg("ID_AA64PFR0_EL1")
def features(vcpu: Vcpu, access: SysregAccess, next: Callable[..., int]) -> int:
    return next(vcpu, access) | 0xFF << 16  # AdvSIMD and FP
