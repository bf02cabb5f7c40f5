"""What a virtio device is, whatever transport shows it: an id, feature bits, a configuration space and queues.

Read `ring.py` before this file and `rng.py`, the smallest device, after it. A device serves a request while the
driver's notification is being written, so its effects come at one fixed point of the guest's run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, Protocol

from arm_hyp.machine.virtio.ring import QueueLimits, Virtqueue


class Transport(Protocol):
    """What a device may ask of the transport that it is attached to."""

    @property
    def driver_features(self) -> int:
        """The feature bits that the driver has accepted."""

    def serve(self, index: int, handler: Callable[[Virtqueue], None]) -> None:
        """Call the handler with a queue if it is ready and the device runs; then interrupt the driver if it wants that.

        A DriverError from the handler stops the device until the driver resets it.
        """

    def config_changed(self) -> None:
        """Tell the driver that the configuration space has changed."""


class Unattached:
    """The transport of a device that is not plugged in anywhere: its queues are never ready."""

    driver_features: Final = 0

    def serve(self, index: int, handler: Callable[[Virtqueue], None]) -> None:
        """Serve nothing: there is no queue."""

    def config_changed(self) -> None:
        """Tell nobody: there is no driver."""


class VirtioDevice(ABC):
    """The part of a virtio device below its transport."""

    device_id: int
    """Ref: VIRTIO 1.2, 5."""
    features: int = 0
    """The device's own feature bits, <23:0> and <127:50>; those of rings and transport are the transport's."""
    queues: tuple[QueueLimits, ...]

    def __init__(self) -> None:
        self.transport: Transport = Unattached()

    def attach(self, transport: Transport) -> None:
        """Plug the device into a transport."""
        self.transport = transport

    @abstractmethod
    def notify(self, index: int) -> None:
        """Look at a queue: the driver says that it has made buffers available. Call only while the device runs."""

    def config(self) -> bytes:
        """Return the device's configuration space."""
        return b""

    def write_config(self, offset: int, data: bytes) -> None:  # noqa: B027 - most devices have nothing writable
        """Take a driver's write to the configuration space, which lies within it."""

    def reset(self) -> None:  # noqa: B027 - most devices keep nothing for a driver
        """Forget what belongs to the driver that has just reset the device."""

    @abstractmethod
    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
