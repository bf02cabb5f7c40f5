"""Values as a record of effects holds them: what MessagePack can carry, each with a way back to exactly what it was.

Read `hypervisor/student/plain_data.py` before this file, `hypervisor/student/effects.py` after it. What MessagePack has
stands for itself: None, bool, int of 64 bits, float, str, bytes. All else is a list that begins with a tag:

    ["i", bytes]  a larger int        ["l", ...] list   ["t", ...] tuple   ["d", key, value, ...] dict
    ["u", bytes]  a str that is no    ["s", ...] set    ["f", ...] frozenset
                  UTF-8               ["n", type, ...] a NamedTuple and ["e", type, int] an enumeration of this package

Only the types of `TUPLES` and `ENUMS` are made again, and those only where they are asked for: in the arguments of
calls. Nothing that is decoded runs any code.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Any, Final

from arm_hyp.arch.iss_classes import EC
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.arch.translation import Access
from arm_hyp.hypervisor import exits
from arm_hyp.hypervisor.stage2.descriptors import Attributes, MemoryType, Permission
from arm_hyp.hypervisor.stage2.dirty import MemorySlot
from arm_hyp.hypervisor.student.plain_data import NotPlain
from arm_hyp.hypervisor.student.registry import Hypercall, SysregAccess
from arm_hyp.hypervisor.vm_bus import MmioAccess

Wire = Any
"""None, bool, int of 64 bits, float, str, bytes, or a list that begins with a tag."""

TUPLES: Final[dict[str, Any]] = {
    kind.__name__: kind
    for kind in (
        *(exits.WfxExit, exits.HvcExit, exits.SmcExit, exits.SysregExit, exits.DataAbortExit),
        *(exits.InstructionAbortExit, exits.FpExit, exits.SErrorExit, exits.DebugExit, exits.OtherExit),
        *(SysregAccess, Hypercall, MmioAccess, Encoding, Access, Attributes, MemorySlot),
    )
}
"""The NamedTuples that a handler may pass on."""
ENUMS: Final[dict[str, type[IntEnum | IntFlag]]] = {kind.__name__: kind for kind in (EC, Permission, MemoryType)}
_SMALL: Final = range(-(1 << 63), 1 << 64)
_THEMSELVES: Final = frozenset({type(None), bool, float, bytes})
_SEQUENCES: Final[dict[type, str]] = {list: "l", tuple: "t", set: "s", frozenset: "f"}


class Malformed(Exception):
    """What was read is no value of this format; the text says why."""


def encode(value: Any) -> Wire:
    """Return a value for MessagePack. Raises: NotPlain, for an object that is neither plain nor of this package."""
    kind = type(value)
    if kind in _THEMSELVES:
        return value
    if kind is int:
        return value if value in _SMALL else ["i", value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)]
    if kind is str:
        return value if value.isascii() or _is_text(value) else ["u", value.encode("utf-8", "surrogatepass")]
    if kind in _SEQUENCES:
        return [_SEQUENCES[kind], *map(encode, value)]
    if kind is dict:
        return ["d", *(encode(part) for item in value.items() for part in item)]
    return _encode_other(value, kind)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encode_other(value: Any, kind: type) -> Wire:
    """Encode what is of this package, or an int, str or bytes of another class: that is all the library uses of it."""
    if ENUMS.get(kind.__name__) is kind:
        return ["e", kind.__name__, int(value)]
    if TUPLES.get(kind.__name__) is kind:
        return ["n", kind.__name__, *map(encode, value)]
    if isinstance(value, int):
        return encode(int.__index__(value))
    if isinstance(value, str):
        return encode(str.__str__(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise NotPlain("it", f"is a {kind.__name__}, no plain data")


def decode(wire: Wire, *, objects: bool = False) -> Any:
    """Return the value; `objects` allows those of this package. Raises: Malformed."""
    try:
        return _decode(wire, _ALL if objects else _PLAIN)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, RecursionError) as error:
        raise Malformed(f"a value is damaged ({type(error).__name__})") from None


def _decode(wire: Wire, makers: dict[str, Callable[..., Any]]) -> Any:
    kind = type(wire)
    if kind is list:
        return makers[wire[0]](wire, makers)
    if kind is int or kind is str or kind in _THEMSELVES:
        return wire
    raise Malformed(f"a {kind.__name__} is no value")


def _items(wire: list[Wire], makers: dict[str, Callable[..., Any]], first: int = 1) -> list[Any]:
    return [_decode(part, makers) for part in wire[first:]]


def _dict(wire: list[Wire], makers: dict[str, Callable[..., Any]]) -> dict[Any, Any]:
    parts = _items(wire, makers)
    return dict(zip(parts[::2], parts[1::2], strict=True))


_PLAIN: Final[dict[str, Callable[..., Any]]] = {
    "i": lambda wire, makers: int.from_bytes(wire[1], "big", signed=True),
    "u": lambda wire, makers: wire[1].decode("utf-8", "surrogatepass"),
    "l": _items,
    "t": lambda wire, makers: tuple(_items(wire, makers)),
    "s": lambda wire, makers: set(_items(wire, makers)),
    "f": lambda wire, makers: frozenset(_items(wire, makers)),
    "d": _dict,
}
_ALL: Final = _PLAIN | {
    "n": lambda wire, makers: TUPLES[wire[1]](*_items(wire, makers, 2)),
    "e": lambda wire, makers: ENUMS[wire[1]](wire[2]),
}
