"""Power of the CPUs: the seam through which PSCI switches them. `machine/cpus.py` is what is behind it.

Read `arch/psci.py` before and `machine/firmware/psci.py` after this file.
"""

from __future__ import annotations

from typing import Literal, Protocol

from arm_hyp.cpu.core import Core

PowerState = Literal["on", "off", "pending"]


class PowerController(Protocol):
    """What the machine does for the firmware. `mpidr` is PSCI's target affinity: Aff fields, all else zero."""

    @property
    def cpus(self) -> int:
        """How many CPUs there are."""

    def state(self, mpidr: int) -> PowerState | None:
        """Return the power state of a CPU; None if there is no such CPU."""

    def power_on(self, mpidr: int, entry: int, context_id: int, el: int) -> None:
        """Start a CPU that is off: at physical address `entry`, exception level `el`, with X0 = `context_id`."""

    def power_off(self, core: Core) -> None:
        """Switch the calling CPU off: it does not run on."""

    def suspend(self, core: Core) -> None:
        """Have the calling CPU wait as by WFI, behind the call."""

    def system_off(self, status: int, text: str) -> None:
        """End the run, with the status of the process and the words for it."""

    def system_reset(self) -> None:
        """Reset the whole system."""
