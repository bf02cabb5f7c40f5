"""virtio-rng: random bytes for the guest, the same ones in every run.

Read `device.py` before this file and `console.py` after it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from arm_hyp.machine.virtio.chain import Chain, DriverError, Fault
from arm_hyp.machine.virtio.device import VirtioDevice
from arm_hyp.machine.virtio.ring import QueueLimits, Virtqueue

MAX_BYTES_PER_REQUEST: Final = 4096
"""A device may give fewer bytes than there is room for. Ref: VIRTIO 1.2, 5.4.6.2."""


class RandomStream:
    """A stream of bytes that a seed determines: SHA-256 of the seed and a block number, block after block."""

    _BLOCK_BYTES = 32

    def __init__(self, seed: int) -> None:
        self.seed, self.position = seed, 0

    def take(self, size_bytes: int) -> bytes:
        """Return the next bytes of the stream."""
        first, skip = divmod(self.position, self._BLOCK_BYTES)
        last = -(-(self.position + size_bytes) // self._BLOCK_BYTES)
        self.position += size_bytes
        return b"".join(self._block(number) for number in range(first, last))[skip : skip + size_bytes]

    def _block(self, number: int) -> bytes:
        return sha256(b"%d/%d" % (self.seed, number)).digest()


class VirtioRng(VirtioDevice):
    """An entropy device. Ref: VIRTIO 1.2, 5.4. Simplified: the bytes are no entropy at all, so that runs repeat."""

    device_id = 4
    queues = (QueueLimits(max_size=8),)

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self._stream = RandomStream(seed)

    def notify(self, index: int) -> None:
        """Fill the buffers of the request queue."""
        self.transport.serve(index, self._fill)

    def _fill(self, queue: Virtqueue) -> None:
        for chain in queue.chains():
            queue.push(chain, self._answer(chain))

    def _answer(self, chain: Chain) -> int:
        size_bytes = min(chain.writable.size_bytes, MAX_BYTES_PER_REQUEST)
        if not size_bytes:
            raise DriverError(Fault.MALFORMED_REQUEST, "no room for random bytes")
        chain.writable.write(0, self._stream.take(size_bytes))
        return size_bytes

    def snapshot(self) -> dict[str, Any]:
        """Return the seed and the position in the stream, in bytes."""
        return {"seed": self._stream.seed, "position": self._stream.position}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self._stream = RandomStream(state["seed"])
        self._stream.position = state["position"]
