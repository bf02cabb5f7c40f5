"""The rare exits: the first use of FP, SError, debug exceptions, and everything that no guest should cause.

Read `hypervisor/host_cpu.py` before this file. Compare Linux: `arch/arm64/kvm/handle_exit.c`.
"""

from __future__ import annotations

from arm_hyp.hypervisor.exits import DebugExit, FpExit, OtherExit, SErrorExit
from arm_hyp.hypervisor.vcpu import Vcpu


def handle_fp(vcpu: Vcpu, exit: FpExit) -> None:
    """Give the vCPU its FP registers: it had not used them since it was loaded. The instruction runs again."""
    assert vcpu.cpu is not None
    vcpu.cpu.give_fp(vcpu)


def handle_sve(vcpu: Vcpu, exit: FpExit) -> None:
    """No VM has SVE: its ID registers say so."""
    vcpu.inject_undef()


def handle_serror(vcpu: Vcpu, exit: SErrorExit) -> None:
    """A physical SError while the guest ran is the guest's: nothing else can have caused it here."""
    vcpu.inject_serror()


def handle_debug(vcpu: Vcpu, exit: DebugExit) -> None:
    """A debug exception that was routed to EL2 without anybody having asked for it: MDCR_EL2.TDE is 0."""
    vcpu.inject_undef()


def handle_other(vcpu: Vcpu, exit: OtherExit) -> None:
    """An exception class that no trap of ours causes: the instruction is UNDEFINED for the guest."""
    vcpu.inject_undef()
