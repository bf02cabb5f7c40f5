"""The Python hypervisor: software at EL2, in the shape of KVM/arm64.

What a file of handlers needs can be imported from here; `docs/handlers.md` is the guide. The names come when they are
asked for, so that importing one module of this package does not import all of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from arm_hyp.arch.syndromes import EC
    from arm_hyp.hypervisor.exits import (
        DataAbortExit,
        DebugExit,
        Exit,
        FpExit,
        HvcExit,
        InstructionAbortExit,
        OtherExit,
        SErrorExit,
        SmcExit,
        SyncExit,
        SysregExit,
        WfxExit,
    )
    from arm_hyp.hypervisor.guest_memory import GuestMemoryError
    from arm_hyp.hypervisor.student.registry import Hypercall, SysregAccess, handler, hypercall, mmio, sysreg
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.hypervisor.vm import Vm
    from arm_hyp.hypervisor.vm_bus import MmioAccess
    from arm_hyp.machine.seams import BusError

__all__ = [
    "EC",
    "BusError",
    "DataAbortExit",
    "DebugExit",
    "Exit",
    "FpExit",
    "GuestMemoryError",
    "HvcExit",
    "Hypercall",
    "InstructionAbortExit",
    "MmioAccess",
    "OtherExit",
    "SErrorExit",
    "SmcExit",
    "SyncExit",
    "SysregAccess",
    "SysregExit",
    "Vcpu",
    "Vm",
    "WfxExit",
    "handler",
    "hypercall",
    "mmio",
    "sysreg",
]

_ELSEWHERE: Final = {
    "EC": "arch.syndromes",
    "BusError": "machine.seams",
    "GuestMemoryError": "hypervisor.guest_memory",
    "MmioAccess": "hypervisor.vm_bus",
    "Vcpu": "hypervisor.vcpu",
    "Vm": "hypervisor.vm",
    **dict.fromkeys(
        ("Hypercall", "SysregAccess", "handler", "hypercall", "mmio", "sysreg"), "hypervisor.student.registry"
    ),
}
"""The module of each name that is not in `exits`."""


def __getattr__(name: str) -> Any:
    """Fetch a name of `__all__` when it is first asked for. Ref: PEP 562."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"arm_hyp.{_ELSEWHERE.get(name, 'hypervisor.exits')}"), name)
    globals()[name] = value
    return value
