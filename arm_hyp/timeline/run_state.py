"""All state of a run at one place, as values, and what two of them differ in, in words.

Read `runner/runner.py` (`snapshot`) and `timeline/page_versions.py` before this file, `timeline/differences.py` after
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

from arm_hyp.arch.sysregs import name_of, parse_name
from arm_hyp.machine.dirty_pages import PAGE_BYTES
from arm_hyp.machine.machine import RAM_BASE
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.timeline import Timeline

_MOST: Final = 16
"""So many differences are told; the rest follows from them."""
_WORD_BYTES: Final = 8
_EMPTY: Final = bytes(PAGE_BYTES)
_COUNTED: Final = frozenset({"retired", "seq_n", "seq"})
"""These follow from the position, which is told anyway."""
_KINDS: Final = frozenset({"general", "vector", "system", "controls", "stored", "private"})
"""The parts of a core's state; what is in them is a register."""


class Changed(NamedTuple):
    """One thing that differs, and its values in the two runs."""

    name: str
    first: Any
    second: Any

    def __str__(self) -> str:
        return f"{self.name}: {_text(self.first)}, {_text(self.second)}"


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:#x}"
    text = "nothing" if value is _MISSING else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Missing:
    """Stands for what one of two states does not have."""


_MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class RunState:
    """The state at a position: plain data, and the contents of every page of RAM that is not empty."""

    position: Position
    data: dict[str, Any]
    pages: dict[int, bytes]

    @classmethod
    def at_cursor(cls, timeline: Timeline) -> RunState:
        """Take it where the cursor is; that leaves no mark."""
        ram = timeline.runner.machine.ram_device
        numbers = timeline.history.checkpoints.pages.numbers
        numbers |= {page for row in ram.changed_pages() for page in row}
        contents = ((page, ram.read(RAM_BASE + page * PAGE_BYTES, PAGE_BYTES)) for page in numbers)
        pages = {page: content for page, content in contents if content != _EMPTY}
        return cls(timeline.position, timeline.runner.snapshot(with_ram=False), pages)

    @classmethod
    def at_checkpoint(cls, timeline: Timeline, position: Position) -> RunState:
        """Take it from a checkpoint that was kept."""
        checkpoints = timeline.history.checkpoints
        checkpoint = checkpoints.at_or_before(position)
        contents = ((page, checkpoints.pages.at(page, position)) for page in checkpoints.pages.numbers)
        pages = {page: content for page, content in contents if content != _EMPTY}
        return cls(checkpoint.position, checkpoint.state(), pages)

    def is_same(self, other: RunState) -> bool:
        """Tell whether nothing differs."""
        return (self.position, self.data, self.pages) == (other.position, other.data, other.pages)


def changes(first: RunState, second: RunState) -> Iterator[Changed]:
    """Yield what differs, registers and devices first, then memory; the first few of all that does."""
    found = [*islice(_in_data((), first.data, second.data), _MOST)]
    told = [each for each in found if each.name.rpartition(" ")[2] not in _COUNTED]
    memory = [*islice(_in_memory(first.pages, second.pages), _MOST)]
    yield from told + memory or found


# --- registers and devices --------------------------------------------------------------------------------------------


def _in_data(path: tuple[str, ...], first: Any, second: Any) -> Iterator[Changed]:
    if first == second:
        return
    if isinstance(first, dict) and isinstance(second, dict):
        keys = [*first, *(key for key in second if key not in first)]
        pairs = [(str(key), first.get(key, _MISSING), second.get(key, _MISSING)) for key in keys]
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        pairs = [(str(at), one, two) for at, (one, two) in enumerate(zip(first, second, strict=True))]
    else:
        yield Changed(_name(path), first, second)
        return
    for key, one, two in pairs:
        yield from _in_data((*path, key), one, two)


def _name(path: tuple[str, ...]) -> str:
    """Say what a path through a state is: a register of a CPU by its name, the rest as it is kept."""
    parts = [part for part in path if part != "machine"]
    if parts[:2] == ["cpus", "cores"] and len(parts) > 2:
        inside = [part for part in parts[3:] if part not in _KINDS]
        return f"CPU {parts[2]} {' '.join(map(_register, inside))}"
    return " ".join(parts)


def _register(name: str) -> str:
    if name in _COUNTED:
        return name
    try:
        return name_of(parse_name(name))
    except KeyError:
        return name.upper() if name[1:].isdigit() or name in ("pc", "sp", "pstate") or name[:3] == "sp_" else name


# --- memory -----------------------------------------------------------------------------------------------------------


def _in_memory(first: dict[int, bytes], second: dict[int, bytes]) -> Iterator[Changed]:
    for page in sorted(first.keys() | second.keys()):
        one, two = first.get(page, _EMPTY), second.get(page, _EMPTY)
        if one == two:
            continue
        for at in range(0, PAGE_BYTES, _WORD_BYTES):
            words = one[at : at + _WORD_BYTES], two[at : at + _WORD_BYTES]
            if words[0] != words[1]:
                values = (int.from_bytes(word, "little") for word in words)
                yield Changed(f"8 bytes at PA {RAM_BASE + page * PAGE_BYTES + at:#x}", *values)
