"""A CPU with less in it, and a mistake."""

from collections.abc import Callable

from arm_hyp.hypervisor import SysregAccess, Vcpu, sysreg


@sysreg("ID_AA64ISAR0_EL1")
def instructions(vcpu: Vcpu, access: SysregAccess, next: Callable[..., int]) -> int:
    return next(vcpu, access) & ~(0xF << 16)  # CRC32


@sysreg("ID_AA64PFR0_EL1")
def features(vcpu: Vcpu, access: SysregAccess, next: Callable[..., int]) -> int:
    return next(vcpu, access) | 0xF << 16  # FP
