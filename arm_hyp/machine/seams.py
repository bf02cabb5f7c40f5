"""The seams of every device: what it may know of the world around it.

Read this file first in `machine/`. A device is pure: offsets in, values out; an interrupt line, a clock, an event sink
are injected. It does not know where it is mapped or which CPU runs. The same classes serve the bus and a VM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

IrqLine = Callable[[bool], None]
"""`line(level)`: drive an interrupt line to a level. Call it whenever the level may have changed."""


def no_line(level: bool) -> None:
    """Drive a line that nothing is connected to."""


class BusError(Exception):
    """Raised by a device's `read` or `write`: the access ends in an external abort. The text says why."""


class Clock(Protocol):
    """The machine's virtual clock."""

    @property
    def now_ns(self) -> int:
        """Virtual time since reset, in ns."""

    @property
    def ticks(self) -> int:
        """The system counter: 62.5 MHz, ticks of 16 ns."""


class Stateful(Protocol):
    """Anything with state of its own."""

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain data."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back and drive all lines accordingly."""


class Device(Stateful, Protocol):
    """A device on the bus. `size_bytes` is 1, 2 or 4; the bus splits 8-byte accesses, lower half first.

    Raises: BusError, for an access that the device answers with an error.
    """

    def read(self, offset: int, size_bytes: int) -> int:
        """Read a register."""

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write a register; `value` fits `size_bytes`."""


class Deadlines(Protocol):
    """What changes by itself at a known virtual time."""

    def next_deadline_ns(self) -> int | None:
        """Return the virtual time of the next change, or None if there is none."""

    def update(self) -> None:
        """Bring lines and state up to the present virtual time. May be called at any time, any number of times."""


class GuestMemory(Protocol):
    """Physical memory as a device with DMA sees it: RAM only."""

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read RAM. Raises: BusError where any byte is not RAM."""

    def write(self, address: int, data: bytes) -> None:
        """Write RAM. Raises: BusError where any byte is not RAM."""


class CpuView(Protocol):
    """What a device inside a CPU (GIC CPU interface, timer, PMU) may know of it."""

    @property
    def el(self) -> int:
        """The current exception level."""

    def control(self, name: str) -> int:
        """Read a control register by its lower-case name, for example `hcr_el2` or `ich_hcr_el2`."""

    def set_control(self, name: str, value: int) -> None:
        """Change a control register as hardware does: no trap, no notification."""
