"""What a VM is made of, as plain data.

Read `machine/boot.py` (what a plan is) before this file, `hypervisor/vm_devices.py` and `hypervisor/vm.py` after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.pl031 import DEFAULT_EPOCH_S

if TYPE_CHECKING:
    from arm_hyp.machine.virtio.drive import BlockBackend

DEFAULT_WEIGHT: Final = 1024
"""The weight of a VM that says nothing, as that of a Linux task at nice 0. Twice as much makes it run twice as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmConfiguration:
    """One VM. CPU model and GIC are the machine's.

    `plan` says what lies where in the VM's IPA space, where vCPU 0 starts at EL1, and what its registers hold. `pins`
    are the physical CPUs that its vCPUs may run on; none: all of them. Memory in bytes, `rtc_epoch_s` in Unix seconds.
    """

    name: str
    memory_bytes: int
    plan: BootPlan
    vcpus: int = 1
    weight: int = DEFAULT_WEIGHT
    pins: tuple[int, ...] = ()
    drives: tuple[BlockBackend, ...] = ()
    has_rng: bool = False
    has_virtio_console: bool = False
    rtc_epoch_s: int = DEFAULT_EPOCH_S
