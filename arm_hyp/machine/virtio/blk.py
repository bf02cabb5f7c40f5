"""virtio-blk: a disk, one request per chain.

Read `drive.py` before this file and `mmio.py` after it. A request is a header and the data to write, then room for the
data to read and, as the very last byte, for the status. How they are cut into descriptors is the driver's business.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from arm_hyp.machine.virtio.chain import Chain, DriverError, Fault
from arm_hyp.machine.virtio.device import VirtioDevice
from arm_hyp.machine.virtio.drive import SECTOR_BYTES, BlockBackend, DriveError
from arm_hyp.machine.virtio.ring import QueueLimits, Virtqueue

F_SEG_MAX: Final = 1 << 2
F_RO: Final = 1 << 5
F_BLK_SIZE: Final = 1 << 6
F_FLUSH: Final = 1 << 9

T_IN: Final = 0
T_OUT: Final = 1
T_FLUSH: Final = 4
T_GET_ID: Final = 8

S_OK: Final = 0
S_IOERR: Final = 1
S_UNSUPP: Final = 2

QUEUE_SIZE: Final = 256
SEGMENTS: Final = QUEUE_SIZE - 2
"""A chain also has a header and a status."""
ID_BYTES: Final = 20
MAX_CHAIN_BYTES: Final = 256 << 20

_HEADER = struct.Struct("<IIQ")
_CONFIG = struct.Struct("<QIIHBBI")
_STEP_BYTES = 1 << 20


class Request(NamedTuple):
    """A request taken apart. `chain` holds the data: what to write after the header, what to read before the status."""

    chain: Chain
    sector: int

    @property
    def out_bytes(self) -> int:
        """The data that the driver sends."""
        return self.chain.readable.size_bytes - _HEADER.size

    @property
    def in_bytes(self) -> int:
        """The room for data that the driver asks for."""
        return self.chain.writable.size_bytes - 1


class VirtioBlk(VirtioDevice):
    """A disk. `serial` is what GET_ID tells, at most 20 ASCII characters.

    Ref: VIRTIO 1.2, 5.2. Simplified: one queue; neither discard, write zeroes, topology nor a write-back switch is
    offered; a chain of more than 256 MiB is refused, so that one notification ends in a reasonable time.
    """

    device_id = 2
    queues = (QueueLimits(QUEUE_SIZE, MAX_CHAIN_BYTES),)

    def __init__(self, drive: BlockBackend, serial: str = "arm-hyp") -> None:
        super().__init__()
        self._drive, self._serial = drive, serial.encode("ascii")
        if len(self._serial) > ID_BYTES:
            raise ValueError(f"the serial number {serial!r} has more than {ID_BYTES} characters")
        self.features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | (F_RO if drive.read_only else 0)
        self._handlers: dict[int, Callable[[Request], int]] = {
            T_IN: self._read,
            T_OUT: self._write,
            T_FLUSH: self._flush,
            T_GET_ID: self._get_id,
        }

    def config(self) -> bytes:
        """Return capacity, size_max (not offered), seg_max, geometry (not offered) and blk_size. Ref: 5.2.4."""
        return _CONFIG.pack(self._drive.sectors, 0, SEGMENTS, 0, 0, 0, SECTOR_BYTES)

    def notify(self, index: int) -> None:
        """Serve the requests of the queue, in order."""
        self.transport.serve(index, self._serve)

    def _serve(self, queue: Virtqueue) -> None:
        for chain in queue.chains():
            queue.push(chain, self._request(chain))

    def _request(self, chain: Chain) -> int:
        """Carry a request out; return how many bytes were written from the start of the writable part."""
        if chain.readable.size_bytes < _HEADER.size or not chain.writable.size_bytes:
            raise DriverError(Fault.MALFORMED_REQUEST, "virtio-blk needs a header and room for the status")
        kind, _, sector = _HEADER.unpack(chain.readable.read(0, _HEADER.size))
        request = Request(chain, sector)
        status, written = self._perform(kind, request)
        chain.writable.write(request.in_bytes, bytes([status]))
        return written + (written == request.in_bytes)

    def _perform(self, kind: int, request: Request) -> tuple[int, int]:
        """Return the status and how many bytes of data were written."""
        handler = self._handlers.get(kind)
        if handler is None:
            return S_UNSUPP, 0
        try:
            return S_OK, handler(request)
        except DriveError:
            return S_IOERR, 0

    def _read(self, request: Request) -> int:
        """Copy sectors to the driver, 1 MiB at a time. Raises: DriveError."""
        self._check_range(request.sector, request.in_bytes)
        for start in range(0, request.in_bytes, _STEP_BYTES):
            size_bytes = min(_STEP_BYTES, request.in_bytes - start)
            data = self._drive.read(request.sector + start // SECTOR_BYTES, size_bytes // SECTOR_BYTES)
            request.chain.writable.write(start, data)
        return request.in_bytes

    def _write(self, request: Request) -> int:
        """Copy sectors from the driver, 1 MiB at a time. Raises: DriveError."""
        if self._drive.read_only:
            raise DriveError("the drive is read-only")
        self._check_range(request.sector, request.out_bytes)
        for start in range(0, request.out_bytes, _STEP_BYTES):
            data = request.chain.readable.read(_HEADER.size + start, min(_STEP_BYTES, request.out_bytes - start))
            self._drive.write(request.sector + start // SECTOR_BYTES, data)
        return 0

    def _flush(self, request: Request) -> int:
        self._drive.flush()
        return 0

    def _get_id(self, request: Request) -> int:
        """Tell the serial number, padded with zeros to 20 bytes, or as much as there is room for."""
        text = self._serial.ljust(ID_BYTES, b"\0")[: request.in_bytes]
        request.chain.writable.write(0, text)
        return len(text)

    def _check_range(self, sector: int, size_bytes: int) -> None:
        """Refuse what is not whole sectors of the drive, before any of it moves. Raises: DriveError."""
        count, rest = divmod(size_bytes, SECTOR_BYTES)
        if rest or sector + count > self._drive.sectors:
            raise DriveError(f"{size_bytes} bytes at sector {sector} are not within the drive")

    def snapshot(self) -> dict[str, Any]:
        """Return the drive's state, with what was written to it."""
        return {"drive": self._drive.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self._drive.restore(state["drive"])
