"""virtio-console: what the guest prints goes to `output`, what the user types comes in by `receive`.

Read `rng.py` before this file and `drive.py` after it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from arm_hyp.machine.virtio.chain import DriverError, Fault
from arm_hyp.machine.virtio.device import VirtioDevice
from arm_hyp.machine.virtio.ring import QueueLimits, Virtqueue

RECEIVEQ: Final = 0
TRANSMITQ: Final = 1
F_SIZE: Final = 1 << 0
MAX_TRANSMIT_BYTES: Final = 1 << 20

_CONFIG = struct.Struct("<HHII")


class VirtioConsole(VirtioDevice):
    """A console with one port. `size` is (columns, rows), or None for a console that does not tell.

    Ref: VIRTIO 1.2, 5.3. Simplified: neither VIRTIO_CONSOLE_F_MULTIPORT nor VIRTIO_CONSOLE_F_EMERG_WRITE is offered;
    one chain transmits at most 1 MiB.
    """

    device_id = 3
    queues = (QueueLimits(max_size=64), QueueLimits(max_size=64, max_chain_bytes=MAX_TRANSMIT_BYTES))

    def __init__(self, output: Callable[[bytes], None], size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self._output, self._size = output, size
        self.features = 0 if size is None else F_SIZE

    def config(self) -> bytes:
        """Return columns, rows, the number of ports, and emerg_wr, which is not offered."""
        columns, rows = self._size or (0, 0)
        return _CONFIG.pack(columns, rows, 1, 0)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size and tell the driver. Raises: ValueError if the console was made without a size."""
        if self._size is None:
            raise ValueError("this console has no size")
        self._size = columns, rows
        self.transport.config_changed()

    def notify(self, index: int) -> None:
        """Print what the transmit queue holds. The receive queue waits for input."""
        if index == TRANSMITQ:
            self.transport.serve(TRANSMITQ, self._transmit)

    def _transmit(self, queue: Virtqueue) -> None:
        for chain in queue.chains():
            self._output(chain.readable.read(0, chain.readable.size_bytes))
            queue.push(chain, 0)

    def receive(self, data: bytes) -> int:
        """Offer input to the guest. Return how many bytes it had room for; the rest is still the caller's."""
        accepted = 0

        def fill(queue: Virtqueue) -> None:
            nonlocal accepted
            while accepted < len(data) and (chain := queue.pop()):
                part = data[accepted : accepted + chain.writable.size_bytes]
                if not part:
                    raise DriverError(Fault.MALFORMED_REQUEST, "no room for input")
                chain.writable.write(0, part)
                queue.push(chain, len(part))
                accepted += len(part)

        self.transport.serve(RECEIVEQ, fill)
        return accepted

    def snapshot(self) -> dict[str, Any]:
        """Return the size. Input that was not accepted is the caller's."""
        return {"size": None if self._size is None else list(self._size)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back. Raises: ValueError if only one of the two consoles has a size."""
        if (state["size"] is None) != (self._size is None):
            raise ValueError("the state is not of this console: one of them has no size")
        if state["size"] is not None:
            columns, rows = state["size"]
            self._size = columns, rows
