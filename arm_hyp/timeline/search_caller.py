"""Back to where the current function was called.

Read `timeline/search.py` before this file. A return address may be in X30, or anywhere on the stack. Each of them names
a call: the BL before it. It is still open if the call was executed, and its return address not reached since, on the
same stack: the last open one is the caller.

Simplified: a call is known by where it is, and by a stack pointer not far above ours. A thread whose stack lies right
behind ours and that executes the very same call in between may be taken for it. Signed return addresses (FEAT_PAuth)
are not recognized.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.arch.translation import FETCH
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.watches import Breakpoint
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.search_memory import VirtualMemory

if TYPE_CHECKING:
    from arm_hyp.timeline.search import Search

_LINK: Final = 30
_LOOKED_AT_BYTES: Final = 1024
"""Of the stack: a frame is rarely longer, and the caller's own return address would be found next."""
_STACK_BYTES: Final = 1 << 16
_INSTRUCTION_BYTES: Final = 4


class _Open(NamedTuple):
    """A call that may be open: hits of its BL, and of the address behind it."""

    call: Breakpoint
    back: Breakpoint

    @property
    def last(self) -> tuple[Position, bool] | None:
        """Where it was last seen, and whether that was the call; None if it was not."""
        seen = [(Position(*each.hits[-1][:2]), each is self.call) for each in self if each.hits]
        return max(seen, default=None)


def find_call(search: Search) -> Position | None:
    """Return the position before the call of the current function; None if there is none. Moves the cursor."""
    timeline = search.timeline
    here, core = timeline.position, timeline.runner.machine.cpus.current
    memory = VirtualMemory.of_cpu(timeline.runner, core.index)
    left = [_open(core, address, lowest) for address, lowest in _return_addresses(core, memory)]
    for start, end in search.backwards(here) if left else ():
        timeline.replay(start, end, watches=[each for one in left for each in one])
        search.progress(start)
        calls = [last[0] for one in left if (last := one.last) is not None and last[1]]
        if calls or timeline.position < end:
            timeline.seek(here)
            return max(calls, default=None)
        left = [one for one in left if one.last is None]
        if not left:
            break
    timeline.seek(here)
    return None


def _open(core: Core, address: int, lowest: int) -> _Open:
    def is_on_our_stack(core: Core) -> bool:
        return lowest <= core.sp < lowest + _STACK_BYTES

    def make(pc: int) -> Breakpoint:
        return Breakpoint(pc, cpu=core.index, el=core.el, when=is_on_our_stack, keep=1)

    return _Open(make(address - _INSTRUCTION_BYTES), make(address))


def _return_addresses(core: Core, memory: VirtualMemory) -> Iterator[tuple[int, int]]:
    """Yield what looks like a return address, and the lowest stack pointer that its call can have had."""
    for address, lowest in [(core.x(_LINK), core.sp), *_stack(core, memory)]:
        has_returned = address == core.pc and core.sp >= lowest
        if address % _INSTRUCTION_BYTES == 0 and not has_returned and _is_call(memory, address - _INSTRUCTION_BYTES):
            yield address, lowest


def _stack(core: Core, memory: VirtualMemory) -> Iterator[tuple[int, int]]:
    """Yield the words of the stack, and the stack pointer behind each."""
    for at in range(core.sp & -8, (core.sp & -8) + _LOOKED_AT_BYTES, 8):
        word = memory.read(at, 8)
        if word is None:
            return
        yield int.from_bytes(word, "little"), at + 8


def _is_call(memory: VirtualMemory, address: int) -> bool:
    """Tell whether there is a BL, BLR or BLRA* at an address. Ref: Arm ARM C4.1, branches."""
    data = memory.read(address, _INSTRUCTION_BYTES, FETCH) if address >= 0 else None
    if data is None:
        return False
    word = int.from_bytes(data, "little")
    return word >> 26 == 0b100101 or word & 0xFEFF_F000 == 0xD63F_0000
