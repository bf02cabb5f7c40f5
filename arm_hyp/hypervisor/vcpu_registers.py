"""The registers of a vCPU by name, wherever they are: in the core that it is loaded on, or in its saved context.

Read `cpu/context.py` before this file and `hypervisor/vcpu.py` after it. A saved context is one dict: the complete EL1
context, PC and PSTATE, and the registers of EL2 that differ from vCPU to vCPU.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from arm_hyp.arch.registers.hypervisor import HCR_EL2

if TYPE_CHECKING:
    from arm_hyp.hypervisor.host_cpu import HostCpu
    from arm_hyp.hypervisor.vcpu import Vcpu

PC, PSTATE = "PC", "PSTATE"
TIMERS: Final = frozenset({"CNTV_CTL_EL0", "CNTV_CVAL_EL0", "CNTP_CTL_EL0", "CNTP_CVAL_EL0"})
"""The registers of a vCPU's timers: see `hypervisor/vtimer.py`."""

HCR_GUEST: Final = HCR_EL2(0).replace(
    VM=1,  # stage 2 is on
    SWIO=1,  # invalidation by set and way cleans too: no data of others is lost
    PTW=1,  # stage 1 tables in Device memory fault
    FMO=1,  # physical interrupts come to EL2, and the virtual ones are on
    IMO=1,
    AMO=1,
    FB=1,  # TLB maintenance of one vCPU holds on all CPUs: it may run elsewhere next
    BSU=1,  # and barriers hold in the Inner Shareable domain
    TWI=1,  # a vCPU that waits gives its CPU away
    TWE=1,
    TID3=1,  # feature registers show what the VM has
    TSC=1,  # the guest's SMC is ours to answer
    TIDCP=1,  # IMPLEMENTATION DEFINED registers
    TACR=1,  # ACTLR_EL1
    TSW=1,  # cache maintenance by set and way
    TLOR=1,  # LORegions
    RW=1,  # EL1 is AArch64
)
"""HCR_EL2 of a guest, as KVM has it (HCR_GUEST_FLAGS)."""
HCR_HOST: Final = int(HCR_EL2(0).replace(FMO=1, IMO=1, AMO=1, RW=1))
"""HCR_EL2 of a CPU before its first vCPU: physical interrupts come to EL2."""
CPTR_GUEST: Final = 1 << 20 | 1 << 10 | 1 << 8
"""CPTR_EL2: TTA <20>, TFP <10> (taken away at the first use of FP), TZ <8>."""
CPTR_TFP: Final = 1 << 10
MDCR_GUEST: Final = 1 << 11 | 1 << 10 | 1 << 9 | 1 << 6 | 1 << 5
"""MDCR_EL2: TDRA <11>, TDOSA <10>, TDA <9>, TPM <6>, TPMCR <5>; HPMN <4:0> is 0: the guest has no counters."""
CNTHCTL_GUEST: Final = 1
"""CNTHCTL_EL2.EL1PCTEN <0>: the guest reads the physical counter; EL1PCEN <1> is 0: its timer is emulated."""

EL2_OF_VCPU: Final = {
    "HCR_EL2": int(HCR_GUEST),
    "CPTR_EL2": CPTR_GUEST,
    "MDCR_EL2": MDCR_GUEST,
    "CNTHCTL_EL2": CNTHCTL_GUEST,
    "VPIDR_EL2": 0,
    "VMPIDR_EL2": 0,
}
"""The registers of EL2 that belong to a vCPU, in the order in which they are loaded. The last two are its identity."""


def read(vcpu: Vcpu, name: str) -> int:
    """Read a register of a vCPU. Raises: KeyError, with near names, if it has none of that name."""
    if name.upper() in TIMERS:
        return vcpu.timers.read(name.upper())
    name = _known(vcpu, name)
    cpu = _holder(vcpu, name)
    if cpu is None:
        return vcpu.context[name]
    if name in (PC, PSTATE):
        return vcpu.pc if name == PC else vcpu.pstate
    return cpu.registers.read(name)


def write(vcpu: Vcpu, name: str, value: int) -> None:
    """Write a register of a vCPU. Raises: KeyError as `read`, ValueError if the value does not fit, as `Vcpu.write`."""
    if name.upper() in TIMERS:
        vcpu.timers.write(name.upper(), value)
        return
    name = _known(vcpu, name)
    bits = 128 if name[0] == "Q" else 64
    if not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise ValueError(f"{value!r} does not fit into the {bits} bits of {name}")
    cpu = _holder(vcpu, name)
    if name == PC:
        vcpu.pc = value
    elif name == PSTATE:
        vcpu.pstate = value
    elif cpu is None:
        vcpu.context[name] = value
    else:
        cpu.registers.write(name, value)


def _holder(vcpu: Vcpu, name: str) -> HostCpu | None:
    """Return the CPU that has a register; None for the context. Vectors stay in a CPU until another vCPU uses them."""
    if name[0] != "Q":
        return vcpu.cpu
    home = vcpu.vm.hypervisor.cpus[vcpu.home]
    return home if home.fp_owner is vcpu else None


def _known(vcpu: Vcpu, name: str) -> str:
    if name in vcpu.context:
        return name
    upper = name.upper()
    exact = next((known for known in vcpu.context if known.upper() == upper), None)
    if exact is not None:
        return exact
    raise KeyError(f"a vCPU has no register {name}{_near(vcpu, upper)}")


def _near(vcpu: Vcpu, name: str) -> str:
    near = difflib.get_close_matches(name, vcpu.context, n=3)
    return f": did you mean {' or '.join(near)}?" if near else ""
