"""The state of each VM as text, in the columns that Linux has for it.

Read `hypervisor/stage2/dump.py` and `hypervisor/vgic/debug.py` before this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arm_hyp.hypervisor.hypervisor import Hypervisor
    from arm_hyp.hypervisor.vm import Vm

_REGISTERS: Final = ("PC", "PSTATE", "X0", "X1", "SP_EL1", "VBAR_EL1", "SCTLR_EL1", "HCR_EL2")
_MS: Final = 1_000_000


def _stage2(vm: Vm) -> str:
    from arm_hyp.hypervisor.stage2.dump import dump

    return dump(vm.stage2)


def _vcpus(vm: Vm) -> str:
    lines = ["vcpu state   home  ran ms  stolen ms  registers"]
    for vcpu in vm.vcpus:
        account = vm.hypervisor.scheduler.account(vcpu)
        times = f"{account.ran_ns / _MS:7.3f} {account.stolen_ns / _MS:10.3f}"
        first, *others = (f"{name}={vcpu.read(name):#x}" for name in _REGISTERS)
        lines.append(f"{vcpu.index:4} {vcpu.state:8}{vcpu.home:4} {times}  {first}")
        lines += [f"{'':40}{text}" for text in others]
    return "\n".join(lines)


DUMPS: Final[dict[str, Callable[[Vm], str]]] = {"vcpus": _vcpus, "stage2": _stage2, "vgic": lambda vm: vm.vgic.dump()}


def dumps_of(hypervisor: Hypervisor, names: tuple[str, ...]) -> Iterator[str]:
    """Give the text of each dump of each VM, with a title. Raises: KeyError for a name that is none of DUMPS."""
    for vm in hypervisor.vms:
        for name in names:
            yield f"--- {name} of {vm.name} ---\n{DUMPS[name](vm).rstrip()}"
