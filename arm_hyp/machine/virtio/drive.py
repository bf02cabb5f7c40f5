"""Drives: where a virtio-blk device keeps its sectors.

Read `device.py` before this file and `blk.py` after it. The file on the host is never written: either the drive is
read-only, or writes go to an overlay in memory, which is part of every snapshot.
"""

from __future__ import annotations

import os
import stat
from typing import Any, Final, Protocol

from arm_hyp.errors import UserError

SECTOR_BYTES: Final = 512


class DriveError(Exception):
    """Raised when a drive cannot do what it is asked: the guest sees an I/O error."""


class BlockBackend(Protocol):
    """Sectors of 512 bytes. Whoever calls `read` and `write` has checked the range.

    Raises: DriveError.
    """

    @property
    def sectors(self) -> int:
        """The capacity in sectors."""

    @property
    def read_only(self) -> bool:
        """Whether `write` always fails."""

    def read(self, sector: int, count: int) -> bytes:
        """Read whole sectors."""

    def write(self, sector: int, data: bytes) -> None:
        """Write whole sectors."""

    def flush(self) -> None:
        """Make earlier writes last."""

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back. Raises: ValueError if it is of another drive."""


def open_drive(path: str | os.PathLike[str], *, read_only: bool = False) -> BlockBackend:
    """Open a file as a drive: read-only, or with an overlay for writes. Raises: UserError."""
    base = FileDrive(path)
    return base if read_only else OverlayDrive(base)


class FileDrive:
    """A file, read-only. Raises: UserError, if it is no regular file of whole sectors."""

    read_only: Final = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._name = os.fspath(path)
        self._file, self.sectors = _open(self._name)

    def read(self, sector: int, count: int) -> bytes:
        """Read whole sectors from the file."""
        wanted, offset = count * SECTOR_BYTES, sector * SECTOR_BYTES
        parts: list[bytes] = []
        while wanted:
            part = self._read_part(offset, wanted)
            parts.append(part)
            offset, wanted = offset + len(part), wanted - len(part)
        return b"".join(parts)

    def _read_part(self, offset: int, size_bytes: int) -> bytes:
        try:
            part = os.pread(self._file, size_bytes, offset)
        except OSError as error:
            raise DriveError(f"{self._name}: {error.strerror}") from error
        if not part:
            raise DriveError(f"{self._name}: the file has become shorter since it was opened")
        return part

    def write(self, sector: int, data: bytes) -> None:
        """Refuse to write."""
        raise DriveError(f"{self._name}: the drive is read-only")

    def flush(self) -> None:
        """Do nothing: there are no writes."""

    def close(self) -> None:
        """Close the file. Nothing can be read after it."""
        os.close(self._file)

    def snapshot(self) -> dict[str, Any]:
        """Return the capacity, by which `restore` knows the drive."""
        return {"sectors": self.sectors}

    def restore(self, state: dict[str, Any]) -> None:
        """Check that the state is of such a drive."""
        if state["sectors"] != self.sectors:
            raise ValueError(f"{self._name}: the state is of a drive of {state['sectors']} sectors, not {self.sectors}")


class OverlayDrive:
    """A drive that can be written: what is written stays in memory, sector by sector, before an unchanged base."""

    read_only: Final = False

    def __init__(self, base: BlockBackend) -> None:
        self._base = base
        self._written: dict[int, bytes] = {}

    @property
    def sectors(self) -> int:
        """The capacity in sectors."""
        return self._base.sectors

    def read(self, sector: int, count: int) -> bytes:
        """Read whole sectors, each as last written."""
        data = self._base.read(sector, count)
        changed = self._changed_within(range(sector, sector + count))
        if not changed:
            return data
        merged = bytearray(data)
        for number in changed:
            start = (number - sector) * SECTOR_BYTES
            merged[start : start + SECTOR_BYTES] = self._written[number]
        return bytes(merged)

    def _changed_within(self, wanted: range) -> list[int]:
        if len(self._written) < len(wanted):
            return [number for number in self._written if number in wanted]
        return [number for number in wanted if number in self._written]

    def write(self, sector: int, data: bytes) -> None:
        """Keep whole sectors in memory."""
        for start in range(0, len(data), SECTOR_BYTES):
            self._written[sector + start // SECTOR_BYTES] = data[start : start + SECTOR_BYTES]

    def flush(self) -> None:
        """Do nothing: memory is as lasting as this drive gets."""

    def snapshot(self) -> dict[str, Any]:
        """Return the base's state and the sectors written, by number."""
        return {"base": self._base.snapshot(), "written": dict(sorted(self._written.items()))}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self._base.restore(state["base"])
        self._written = dict(state["written"])


def _open(name: str) -> tuple[int, int]:
    """Return a file descriptor and the capacity in sectors. Raises: UserError."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise UserError(name, f"cannot open the drive: {_reason(error)}", "check the path") from error
    try:
        return file, _sectors(name, os.fstat(file))
    except UserError:
        os.close(file)
        raise


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _sectors(name: str, status: os.stat_result) -> int:
    """Return the capacity in sectors. Raises: UserError."""
    if not stat.S_ISREG(status.st_mode):
        raise UserError(name, "a drive must be a regular file", "copy the disk or the directory to an image")
    sectors, rest = divmod(status.st_size, SECTOR_BYTES)
    if rest:
        cause = f"the drive is truncated: {status.st_size} bytes are no multiple of {SECTOR_BYTES}"
        raise UserError(name, cause, f"truncate -s {(sectors + 1) * SECTOR_BYTES} makes it whole")
    if not sectors:
        raise UserError(name, "the drive is empty", "truncate -s 64M makes one of zeros")
    return sectors
