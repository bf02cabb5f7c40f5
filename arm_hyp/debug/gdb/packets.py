"""The framing of gdb's remote protocol: bytes in, packets out, and back. Pure; `server.py` has the socket.

Read `stub.py` after this file: what packets mean. A packet is `$data#cc`, cc the sum of the data modulo 256 in hex. In
the data `}` escapes: the next byte is XORed with 0x20. `*` repeats the byte before it, as often as the byte after it
says, less 29.

Ref: Debugging with GDB, E.1 (Overview).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_PACKET_BYTES: Final = 1 << 16
"""The longest packet that is taken, without its frame: `PacketSize` of qSupported."""
_INTERRUPT: Final = 0x03
_ESCAPE, _ESCAPE_XOR = b"}"[0], 0x20
_SPECIAL: Final = frozenset(b"#$}*")
_REPEAT_BIAS: Final = 29
_SHORTEST_RUN, _LONGEST_RUN = 4, 97
"""A run of so many equal bytes is sent as one byte and a count; 97 more is `~`, the last printable character."""
_NO_COUNT: Final = frozenset(b"#$+-")
_MARK: Final = re.compile(rb"[#$]")
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet whose checksum is right; `data` has no escapes any more."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The other side has our packet (`is_good`), or wants it again."""

    is_good: bool


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The byte 0x03 outside of packets: the user wants the target to stop."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes that are no packet, and why; `may_repeat` where the same packet may come out right the next time."""

    why: str
    may_repeat: bool = False


Item = Packet | Acknowledged | Interrupted | Broken

_SINGLE: Final[dict[int, Item]] = {
    _INTERRUPT: Interrupted(),
    ord("+"): Acknowledged(True),
    ord("-"): Acknowledged(False),
}


class Decoder:
    """Turns a stream of bytes into items. What is cut off waits for the rest; what is too long is dropped once."""

    def __init__(self, max_bytes: int = MAX_PACKET_BYTES) -> None:
        self._max_bytes = max_bytes
        self._body: bytearray | None = None  # of the packet that has begun
        self._sum = b""  # what has come of its checksum
        self._is_ended = False  # its `#` has come

    def feed(self, data: bytes) -> list[Item]:
        """Take bytes as they come, return the items that they complete."""
        items, start = [], 0
        while start < len(data):
            stop, item = self._take(data, start)
            items += [] if item is None else [item]
            start = stop
        return items

    def _take(self, data: bytes, start: int) -> tuple[int, Item | None]:
        """Take bytes from `start` on. Return where the next begin, and the item that they complete, if any."""
        if self._body is None:
            return start + 1, self._outside(data[start])
        if self._is_ended:
            return start + 1, self._checksum(self._body, data[start])
        mark = _MARK.search(data, start)
        stop = len(data) if mark is None else mark.start()
        self._body += data[start:stop]
        if len(self._body) > self._max_bytes:
            self._body = None
            return stop, Broken(f"a packet is longer than {self._max_bytes:,} bytes")
        return (stop, None) if mark is None else (stop + 1, self._marked(mark[0]))

    def _outside(self, byte: int) -> Item | None:
        if byte == b"$"[0]:
            self._begin()
            return None
        return _SINGLE.get(byte)  # anything else is noise, as the protocol has it

    def _begin(self) -> None:
        self._body, self._sum, self._is_ended = bytearray(), b"", False

    def _marked(self, mark: bytes) -> Item | None:
        """End the body, or begin another packet in the middle of it."""
        self._is_ended = mark == b"#"
        if self._is_ended:
            return None
        self._begin()
        return Broken("a packet was cut off by the next one")

    def _checksum(self, body: bytearray, byte: int) -> Item | None:
        self._sum += bytes((byte,))
        if len(self._sum) < 2:
            return None
        self._body = None
        if not _HEX.issuperset(self._sum) or int(self._sum, 16) != checksum(body):
            return Broken(f"the checksum of a packet is {self._sum!r}, and should be {checksum(body):02x}", True)
        return _unpacked(bytes(body))


def _unpacked(body: bytes) -> Item:
    data = decode(body)
    return (
        Broken("the data of a packet ends in an escape, or begins with a repetition") if data is None else Packet(data)
    )


def checksum(body: bytes | bytearray) -> int:
    """Return the sum of the bytes as they are sent, modulo 256."""
    return sum(body) & 0xFF


def decode(body: bytes) -> bytes | None:
    """Undo escapes and repetitions; None if the data is malformed or would become longer than a packet may be."""
    data, index = bytearray(), 0
    while index < len(body):
        byte = body[index]
        if (byte in b"}*" and index + 1 == len(body)) or (byte == b"*"[0] and not data):
            return None
        if byte == _ESCAPE:
            data.append(body[index + 1] ^ _ESCAPE_XOR)
        elif byte == b"*"[0]:
            data += data[-1:] * max(body[index + 1] - _REPEAT_BIAS, 0)
        else:
            data.append(byte)
        index += 2 if byte in b"}*" else 1
        if len(data) > MAX_PACKET_BYTES:
            return None
    return bytes(data)


def encode(data: bytes) -> bytes:
    """Return a whole packet: escaped, runs of a byte shortened, framed and summed."""
    body, index = bytearray(), 0
    while index < len(data):
        length = _run_length(data, index)
        body += _escaped(data[index])
        if length >= _SHORTEST_RUN and data[index] not in _SPECIAL:
            count = _sendable(length - 1)
            body += bytes((b"*"[0], count + _REPEAT_BIAS))
            index += count
        index += 1
    return b"$" + body + b"#" + f"{checksum(body):02x}".encode()


def _run_length(data: bytes, start: int) -> int:
    end = start
    while end < len(data) and end - start <= _LONGEST_RUN and data[end] == data[start]:
        end += 1
    return end - start


def _sendable(count: int) -> int:
    """Return the greatest count of repetitions, at most `count`, whose character means nothing else."""
    while count + _REPEAT_BIAS in _NO_COUNT:
        count -= 1
    return count


def _escaped(byte: int) -> bytes:
    return bytes((_ESCAPE, byte ^ _ESCAPE_XOR)) if byte in _SPECIAL else bytes((byte,))
