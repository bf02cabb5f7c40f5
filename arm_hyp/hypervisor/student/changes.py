"""What changed in plain data, as a small record that makes the same change again.

Read `hypervisor/student/wire.py` before this file, `hypervisor/student/user_data.py` after it. A change is

    ["=", value]                          another value
    ["d", [key ...], [key, change ...]]   a dict: these keys went, these have another value or came
    ["l", n, [index, change ...], [value ...]]   a list: cut to n items, these changed, these follow
    ["s", [value ...], [value ...]]       a set: these went, these came

with every key and value as `wire.py` has it. Types and the order of a dict's keys count: 1, 1.0 and True all differ.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Any, Final

from arm_hyp.hypervisor.student.plain_data import copy
from arm_hyp.hypervisor.student.wire import Malformed, Wire, decode, encode

_FORMAT: Final = 2
"""The format of `marshal` that depends on nothing but the value."""


def change(old: Any, new: Any, where: str, depth: int = 0) -> Wire | None:
    """Return what makes `old` the same as `new`, None if it is. Raises: NotPlain; `where` names the value."""
    if _is_same(old, new):
        return None
    kind = type(new)
    if kind is type(old) and kind in _OF_CONTAINERS:
        return _OF_CONTAINERS[kind](old, new, where, depth + 1)
    return ["=", encode(copy(new, where, depth))]


def _is_same(old: Any, new: Any) -> bool:
    """Compare in C, first. What is told to differ may still be the same: sets have no order."""
    try:
        return marshal.dumps(old, _FORMAT) == marshal.dumps(new, _FORMAT)
    except ValueError:
        return False


def _of_dict(old: dict[Any, Any], new: dict[Any, Any], where: str, depth: int) -> Wire | None:
    kept = [key for key in old if key in new]
    if not _is_same([*kept, *(key for key in new if key not in old)], list(new)):
        return ["=", encode(copy(new, where, depth))]
    gone = [encode(key) for key in old if key not in new]
    changed = []
    for key, value in new.items():
        name = f"{where}[{key!r}]" if where else str(key)
        found = change(old[key], value, name, depth) if key in old else ["=", encode(copy(value, name, depth))]
        if found is not None:
            changed += [encode(copy(key, f"a key of {where}")), found]
    return ["d", gone, changed] if gone or changed else None


def _of_list(old: list[Any], new: list[Any], where: str, depth: int) -> Wire | None:
    kept = min(len(old), len(new))
    changed = []
    for index in range(kept):
        found = change(old[index], new[index], f"{where}[{index}]", depth)
        if found is not None:
            changed += [index, found]
    tail = [encode(copy(value, f"{where}[{kept + i}]", depth)) for i, value in enumerate(new[kept:])]
    return ["l", kept, changed, tail] if changed or tail or kept < len(old) else None


def _of_set(old: set[Any], new: set[Any], where: str, depth: int) -> Wire | None:
    before, after = ({marshal.dumps(item, _FORMAT): item for item in copy(each, where, depth)} for each in (old, new))
    gone = [encode(item) for key, item in before.items() if key not in after]
    came = [encode(item) for key, item in after.items() if key not in before]
    return ["s", gone, came] if gone or came else None


_OF_CONTAINERS: Final[dict[type, Callable[..., Wire | None]]] = {dict: _of_dict, list: _of_list, set: _of_set}


def apply(value: Any, wire: Wire) -> Any:
    """Make a change in a value, in place where it can be, and return it. Raises: Malformed."""
    try:
        return _APPLY[wire[0]](value, *wire[1:])
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, RecursionError) as error:
        raise Malformed(f"a change is damaged ({type(error).__name__})") from None


def _pairs(flat: list[Wire]) -> list[tuple[Wire, Wire]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _to_dict(value: dict[Any, Any], gone: list[Wire], changed: list[Wire]) -> dict[Any, Any]:
    for key in map(decode, gone):
        del value[key]
    for key, wire in ((decode(key), wire) for key, wire in _pairs(changed)):
        value[key] = apply(value.get(key), wire)
    return value


def _to_list(value: list[Any], length: int, changed: list[Wire], tail: list[Wire]) -> list[Any]:
    del value[length:]
    for index, wire in _pairs(changed):
        value[index] = apply(value[index], wire)
    value.extend(map(decode, tail))
    return value


def _to_set(value: set[Any], gone: list[Wire], came: list[Wire]) -> set[Any]:
    for item in map(decode, gone):
        value.remove(item)
    value.update(map(decode, came))
    return value


_APPLY: Final[dict[str, Callable[..., Any]]] = {
    "=": lambda value, wire: decode(wire),
    "d": _to_dict,
    "l": _to_list,
    "s": _to_set,
}
