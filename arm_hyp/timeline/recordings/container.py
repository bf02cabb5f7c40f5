"""The file format of recordings: a head, and sections that are packed, bounded in size, and checked before use.

Read `machine/loader.py` (`read_file`) before this file and `timeline/recordings/recording.py`, which says what the
sections hold, after it. `docs/recordings.md` has the format in full. A file from anybody must be safe to open: every
length is compared with a limit before memory is taken for it, and nothing is read that its hash does not confirm.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from arm_hyp.errors import UserError
from arm_hyp.machine.loader import read_file

MAGIC: Final = b"\x89hyp\r\n\x1a\n"
"""Not text, and damaged by whatever changes line ends."""
FORMAT: Final = 1
MAX_SECTION_BYTES: Final = 1 << 30
"""Unpacked."""
MAX_TOTAL_BYTES: Final = 1 << 32
MAX_SECTIONS: Final = 4096

_HEAD: Final = struct.Struct("<8sI")
_SECTION: Final = struct.Struct("<24sIQQ")
"""Kind, flags, bytes in the file, bytes unpacked; then a hash of this and of the bytes that follow."""
_HASH_BYTES: Final = 16
_PACKED, _OPTIONAL = 1, 2
_KIND: Final = re.compile(rb"[a-z][a-z0-9:.-]{0,23}")
_END: Final = "end"
_PARTIAL_NAMES: Final = 100


class Section(NamedTuple):
    """One section as it is in the file. Whoever does not know the kind of an optional one keeps it as it is."""

    kind: str
    stored: bytes
    size_bytes: int
    is_packed: bool
    is_optional: bool = False

    def unpack(self, limit_bytes: int = MAX_SECTION_BYTES) -> bytes:
        """Return the contents. Raises: ValueError, where they are damaged or larger than the limit."""
        if self.size_bytes > limit_bytes:
            raise ValueError(f"its part `{self.kind}` has {self.size_bytes:,} bytes, more than {limit_bytes:,}")
        data = _inflated(self) if self.is_packed else self.stored
        if len(data) != self.size_bytes:
            raise ValueError(f"its part `{self.kind}` does not unpack to {self.size_bytes:,} bytes")
        return data


def _inflated(section: Section) -> bytes:
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(section.stored, section.size_bytes + 1)  # never more, whatever the bytes promise
    except zlib.error:
        raise ValueError(f"its part `{section.kind}` cannot be unpacked") from None
    if not inflater.eof or inflater.unused_data:
        raise ValueError(f"its part `{section.kind}` does not unpack to {section.size_bytes:,} bytes")
    return data


def section(kind: str, data: bytes, *, is_optional: bool = False, level: int = 6) -> Section:
    """Make a section, packed if that makes it smaller."""
    assert _KIND.fullmatch(kind.encode()) and kind != _END, kind
    packed = zlib.compress(data, level)
    is_packed = len(packed) < len(data)
    return Section(kind, packed if is_packed else data, len(data), is_packed, is_optional)


# --- writing ----------------------------------------------------------------------------------------------------------


def encode(sections: Iterable[Section], format_number: int = FORMAT) -> Iterator[bytes]:
    """Give a file's bytes, piece by piece. A last section that only counts the others shows that none is missing."""
    yield _HEAD.pack(MAGIC, format_number)
    count = 0
    for one in sections:
        yield from _encoded(one)
        count += 1
    yield from _encoded(Section(_END, struct.pack("<I", count), 4, False))


def _encoded(one: Section) -> tuple[bytes, bytes, bytes]:
    flags = _PACKED * one.is_packed | _OPTIONAL * one.is_optional
    head = _SECTION.pack(one.kind.encode(), flags, len(one.stored), one.size_bytes)
    return head, _digest(head, one.stored), one.stored


def _digest(head: bytes, stored: bytes) -> bytes:
    result = blake2b(head, digest_size=_HASH_BYTES)
    result.update(stored)
    return result.digest()


def check_writable(path: str, option: str) -> None:
    """Refuse a place where a recording cannot go; what is there may only be an older recording. Raises: UserError."""
    file = Path(path)
    if not path or file.is_dir():
        raise UserError(f"{option} {path}", "is a directory" if path else "names no file", "name a file")
    if not file.parent.is_dir():
        raise UserError(f"{option} {path}", "there is no such directory", "make it, or name another file")
    if file.exists() and not (file.is_file() and _may_be_replaced(file)):
        raise UserError(f"{option} {path}", "is there already, and is no recording", "name another file, or remove it")
    try:
        descriptor, partial = _open_beside(file)
    except OSError as error:
        raise _not_written(f"{option} {path}", error) from None
    os.close(descriptor)
    partial.unlink()


def _may_be_replaced(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(len(MAGIC)) in (b"", MAGIC)
    except OSError:
        return False


def write(path: str, pieces: Iterable[bytes]) -> None:
    """Write a file as a whole or not at all: what is there stays until the new one is complete. Raises: UserError."""
    file = Path(path).resolve()
    if file.exists() and not file.is_file():
        raise UserError(path, "is no regular file, and is not replaced by one", "name another file")
    try:
        descriptor, partial = _open_beside(file)
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, file)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise _not_written(path, error) from None
        raise


def _open_beside(file: Path) -> tuple[int, Path]:
    """Create a new file in the same directory, so that it can be renamed."""
    for number in range(_PARTIAL_NAMES):
        partial = file.parent / f".{file.name[:200]}.{os.getpid()}-{number}.partial"
        with suppress(FileExistsError):
            return os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666), partial
    raise FileExistsError(0, "too many unfinished files beside it")


def _not_written(thing: str, error: OSError) -> UserError:
    return UserError(thing, f"cannot be written: {error.strerror or error}", "make room, or name another file")


# --- reading ----------------------------------------------------------------------------------------------------------


def read(path: str) -> list[Section]:
    """Read a file's sections, and confirm each. Raises: UserError, in one line, whatever the file is."""
    data = _read_written(path)
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise UserError(path, "is no recording of arm-hyp", "arm-hyp run --record makes one")
    number = _HEAD.unpack_from(data)[1]
    if number != FORMAT:
        age = "an older" if number < FORMAT else "a newer"
        cause = f"is in format {number} of {age} arm-hyp; this one reads format {FORMAT}"
        raise UserError(path, cause, "replay it with the version that made it")
    try:
        return list(_sections(data))
    except ValueError as error:
        raise UserError(path, f"is damaged: {error}", "copy it again") from None


def _read_written(path: str) -> bytes:
    """Read a file; where there is none, it may be that its run still goes on. Raises: UserError."""
    try:
        return read_file(path)
    except UserError as error:
        if isinstance(error.__context__, FileNotFoundError):
            way_out = "check the path, or wait for its run: a recording is written at the end"
            raise UserError(error.thing, error.cause, way_out) from None
        raise


def _sections(data: bytes) -> Iterator[Section]:
    at, total, count = _HEAD.size, 0, 0
    while True:
        one, at = _section_at(data, at)
        if one.kind == _END:
            break
        count, total = count + 1, total + one.size_bytes
        if count > MAX_SECTIONS or total > MAX_TOTAL_BYTES:
            raise ValueError("it has more parts than a recording may have")
        yield one
    if one.unpack() != struct.pack("<I", count) or at != len(data):
        raise ValueError("its end is not where it should be")


def _section_at(data: bytes, at: int) -> tuple[Section, int]:
    start = at + _SECTION.size + _HASH_BYTES
    if start > len(data):
        raise ValueError("it is cut off")
    head = data[at : at + _SECTION.size]
    raw_kind, flags, stored_bytes, size_bytes = _SECTION.unpack(head)
    end = start + stored_bytes
    if end > len(data):
        raise ValueError("it is cut off")
    stored = data[start:end]
    if _digest(head, stored) != data[at + _SECTION.size : start]:
        raise ValueError("a part of it has changed since it was written")
    kind = raw_kind.rstrip(b"\0")
    if not _KIND.fullmatch(kind) or flags & ~(_PACKED | _OPTIONAL) or size_bytes > MAX_SECTION_BYTES:
        raise ValueError("it has a part that no recording has")
    return Section(kind.decode(), stored, size_bytes, bool(flags & _PACKED), bool(flags & _OPTIONAL)), end
