"""Power of the CPUs: the seam through which PSCI switches them, and the machine of one CPU behind it.

Read `arch/psci.py` before and `machine/firmware/psci.py` after this file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Protocol

from arm_hyp.cpu.core import Core
from arm_hyp.events import Waited

PowerState = Literal["on", "off", "pending"]
CPUS_PER_CLUSTER: Final = {2: 8, 3: 16}
"""How many CPUs share an Aff1, by GIC version: as many as an SGI of that GIC can name at once."""


def affinity_of(index: int, gic: int) -> int:
    """Return the affinity fields of MPIDR_EL1 for a CPU index: Aff0 <7:0>, Aff1 <15:8>; no other bit set."""
    cluster, position = divmod(index, CPUS_PER_CLUSTER[gic])
    return cluster << 8 | position


def index_of(affinity: int, gic: int, cpus: int) -> int | None:
    """Return the index of the CPU with these affinity fields; None if there is none, or if another bit is set."""
    indices = {affinity_of(index, gic): index for index in range(cpus)}
    return indices.get(affinity)


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


class OneCpu:
    """The power of a machine with one CPU that cannot be reset: what ends it is told to `end(status, text)`."""

    def __init__(self, end: Callable[[int, str], None]) -> None:
        self._end, self.cpus = end, 1

    def state(self, mpidr: int) -> PowerState | None:
        """Return "on" for CPU 0, None for all others."""
        return "on" if mpidr == 0 else None

    def power_on(self, mpidr: int, entry: int, context_id: int, el: int) -> None:
        """Refuse. Raises: ValueError always, as no CPU is ever off."""
        raise ValueError(f"the CPU of affinity {mpidr:#x} is not off")

    def power_off(self, core: Core) -> None:
        """End the run: nobody is left who could switch the CPU on."""
        self._end(1, "the only CPU switched itself off (PSCI CPU_OFF)")

    def suspend(self, core: Core) -> None:
        """Wait as by WFI."""
        core.waiting = "wfi"
        core.emit(Waited, instruction="wfi", pc=core.pc - 4)
        core.native.stop()

    def system_off(self, status: int, text: str) -> None:
        """End the run."""
        self._end(status, text)

    def system_reset(self) -> None:
        """End the run. Simplified: a reset is not modelled; the text says so."""
        self._end(1, "the guest asked for a reset, which this machine does not model (PSCI SYSTEM_RESET)")
