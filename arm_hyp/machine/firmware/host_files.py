"""What semihosting can open: the console and the list of features. No file of the host, whatever its name.

Read `machine/firmware/memory.py` before and `machine/firmware/semihosting.py` after this file.

Ref: Arm semihosting specification, SYS_OPEN and "Feature bits". Errors have Linux's numbers, on every host.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

FEATURES: Final = b"SHFB\x03"
"""The magic number; then byte 0: <0> SYS_EXIT_EXTENDED exists, <1> `:tt` opened for append is standard error."""
CONSOLE_NAME, FEATURES_NAME = b":tt", b":semihosting-features"
MODES: Final = 12
"""fopen's modes r, rb, r+, r+b, then w and a likewise."""
MAX_HANDLES: Final = 64
_STREAMS: Final = ("stdin", "stdout", "stderr")
OUTPUTS: Final = frozenset({"stdout", "stderr"})


class Errno(IntEnum):
    """What SYS_ERRNO returns."""

    E2BIG = 7
    EBADF = 9
    EACCES = 13
    EFAULT = 14
    EINVAL = 22
    EMFILE = 24
    ESPIPE = 29
    ENAMETOOLONG = 36
    ENOSYS = 38


class SemihostingError(Exception):
    """A semihosting call fails: the errno, and the result if it is not -1."""

    def __init__(self, number: int, result: int = -1) -> None:
        super().__init__(f"errno {number}")
        self.number, self.result = number, result


@dataclass(slots=True)
class OpenFile:
    """An open handle: stdin, stdout, stderr or features, and the position in the latter in bytes."""

    kind: str
    position: int = 0

    @property
    def is_console(self) -> bool:
        """Tell whether this is the console."""
        return self.kind in _STREAMS


class HostFiles:
    """The open handles of one machine: 1, 2, ..., the lowest free one first."""

    def __init__(self) -> None:
        self._open: dict[int, OpenFile] = {}

    def open(self, name: bytes, mode: int) -> int:
        """Open by name and return the handle. Raises: SemihostingError (EINVAL, EACCES, EMFILE)."""
        if mode >= MODES:
            raise SemihostingError(Errno.EINVAL)
        kind = self._kind(name, mode)
        free = next((handle for handle in range(1, MAX_HANDLES + 1) if handle not in self._open), None)
        if free is None:
            raise SemihostingError(Errno.EMFILE)
        self._open[free] = OpenFile(kind)
        return free

    @staticmethod
    def _kind(name: bytes, mode: int) -> str:
        if name == CONSOLE_NAME:
            return _STREAMS[mode // 4]
        if name == FEATURES_NAME and mode < 2:
            return "features"
        raise SemihostingError(Errno.EACCES)

    def close(self, handle: int) -> None:
        """Close a handle. Raises: SemihostingError (EBADF)."""
        self.file(handle)
        del self._open[handle]

    def file(self, handle: int, failure: int = -1) -> OpenFile:
        """Return what is open as `handle`. Raises: SemihostingError (EBADF), with the result `failure`."""
        found = self._open.get(handle)
        if found is None:
            raise SemihostingError(Errno.EBADF, failure)
        return found

    def seek(self, handle: int, position: int) -> None:
        """Set the position in bytes. Raises: SemihostingError (EBADF; ESPIPE on the console; EINVAL)."""
        file = self.file(handle)
        if file.is_console:
            raise SemihostingError(Errno.ESPIPE)
        if position > len(FEATURES):
            raise SemihostingError(Errno.EINVAL)
        file.position = position

    def snapshot(self) -> list[Any]:
        """Return the open handles."""
        return [[handle, file.kind, file.position] for handle, file in sorted(self._open.items())]

    def restore(self, state: list[Any]) -> None:
        """Take them back."""
        self._open = {handle: OpenFile(kind, position) for handle, kind, position in state}
