"""Who calls the firmware, and the power of the CPUs: the seams through which PSCI reaches them.

Read `arch/psci.py` before and `machine/firmware/smccc.py` after this file. Behind the seams are a machine's CPUs
(`machine/cpus.py`), or the vCPUs of a VM (`hypervisor/vpsci.py`).
"""

from __future__ import annotations

from typing import Literal, Protocol

PowerState = Literal["on", "off", "pending"]


class Caller(Protocol):
    """The CPU, or vCPU, that executed the SMC or HVC."""

    @property
    def index(self) -> int:
        """Its number among those of its power controller."""

    def x(self, index: int, /) -> int:
        """Read X0..X30."""

    def set_x(self, index: int, value: int, /) -> None:
        """Write X0..X30."""


class PowerController(Protocol):
    """What the machine, or the VM, does for the firmware.

    `mpidr` is PSCI's target affinity: Aff fields, all else zero.
    """

    @property
    def cpus(self) -> int:
        """How many CPUs there are."""

    def state(self, mpidr: int) -> PowerState | None:
        """Return the power state of a CPU; None if there is no such CPU."""

    def power_on(self, mpidr: int, entry: int, context_id: int) -> None:
        """Start a CPU that is off: at address `entry`, in its first exception level, with X0 = `context_id`."""

    def power_off(self, caller: Caller) -> None:
        """Switch the calling CPU off: it does not run on."""

    def suspend(self, caller: Caller) -> None:
        """Have the calling CPU wait as by WFI, behind the call."""

    def system_off(self, status: int, text: str) -> None:
        """End the run of the system, with the status of the process and the words for it."""

    def system_reset(self) -> None:
        """Reset the whole system."""
