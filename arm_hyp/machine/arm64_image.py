"""The arm64 Image: the 64-byte header of Linux and Xen, and where such a file belongs in RAM.

Read this file before `machine/loader.py`. Its functions are pure: bytes in, values out.

Ref: Linux, Documentation/arm64/booting.rst, "Call the kernel image".
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from arm_hyp.errors import UserError

HEADER_BYTES: Final = 64
BASE_ALIGNMENT_BYTES: Final = 2 << 20
OLD_TEXT_OFFSET: Final = 0x8_0000
"""What a kernel without `image_size` (before 3.17) means, whatever its `text_offset` says."""

_MAGIC_AT, _MAGIC = 56, b"ARM\x64"
_GZIP_MAGIC = b"\x1f\x8b"
_HEADER = struct.Struct("<8xQQQ")
_PAGE_SIZES: Final = (None, 4 << 10, 16 << 10, 64 << 10)


@dataclass(frozen=True, slots=True)
class Arm64Header:
    """The header's fields. `page_bytes` is None where the kernel does not say."""

    text_offset: int
    image_size_bytes: int
    is_big_endian: bool
    page_bytes: int | None
    may_be_anywhere: bool


def is_gzip(content: bytes) -> bool:
    """Tell whether a file is compressed by gzip."""
    return content.startswith(_GZIP_MAGIC)


def is_arm64_image(content: bytes) -> bool:
    """Tell whether a file begins with the header of an arm64 Image."""
    return content[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC and len(content) >= HEADER_BYTES


def decode_header(content: bytes) -> Arm64Header:
    """Decode the header. Flags: endianness <0>, page size <2:1>, placement <3>."""
    text_offset, size, flags = _HEADER.unpack_from(content)
    offset = text_offset if size else OLD_TEXT_OFFSET
    return Arm64Header(offset, size, bool(flags & 1), _PAGE_SIZES[flags >> 1 & 3], bool(flags >> 3 & 1))


def load_address(name: str, header: Arm64Header, ram: range, wanted: int | None = None) -> int:
    """Return where the Image belongs: `text_offset` bytes from a base of 2 MiB alignment. Raises: UserError.

    With no `text_offset` that is 2 MiB into RAM, as on QEMU. `wanted` is the user's address.
    """
    if header.is_big_endian:
        raise UserError(name, "is a big-endian kernel", "build it for little-endian")
    if wanted is not None:
        if (wanted - header.text_offset) % BASE_ALIGNMENT_BYTES:
            near = wanted - (wanted - header.text_offset) % BASE_ALIGNMENT_BYTES
            raise UserError(name, f"may not lie at {wanted:#x}", f"an arm64 Image could lie at {near:#x}")
        return wanted
    base = -(-ram.start // BASE_ALIGNMENT_BYTES) * BASE_ALIGNMENT_BYTES
    return base + (header.text_offset or BASE_ALIGNMENT_BYTES)


def extent_bytes(header: Arm64Header, content: bytes) -> int:
    """Return how much memory the Image needs from its load address on: more than the file has, for its BSS."""
    return max(header.image_size_bytes, len(content))


def decompress(name: str, content: bytes, limit_bytes: int) -> bytes:
    """Return what a gzip file holds. Raises: UserError, for damage or more than `limit_bytes`."""
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        result = stream.decompress(content, limit_bytes + 1)
    except zlib.error as error:
        raise UserError(name, f"is damaged gzip ({error})", "fetch it again") from None
    if len(result) > limit_bytes:
        raise UserError(name, f"is larger than RAM ({limit_bytes >> 20} MiB) when decompressed", "add --memory")
    if not stream.eof:
        raise UserError(name, "is a truncated gzip file", "fetch it again")
    return result
