"""What your guest is told about its CPU. So far it is told the truth: look for TODO."""

from collections.abc import Callable

from arm_hyp.hypervisor import SysregAccess, Vcpu, sysreg


@sysreg("ID_AA64ISAR0_EL1")
def instructions(vcpu: Vcpu, access: SysregAccess, next: Callable[..., int]) -> int:
    # TODO: next(vcpu, access) is the value that the guest would read. Hide CRC32, and only that.
    return next(vcpu, access)


# TODO: another function, for ID_AA64PFR0_EL1: no FP and no vectors (AdvSIMD).
