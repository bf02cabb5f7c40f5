"""The kinds of watches: what can be noted during a stretch of a run, and what a note says.

Read `cpu/watched.py` before this file and `cpu/watching.py`, which connects them, after it.
"""

from __future__ import annotations

import ctypes
import functools
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from unicorn import unicorn_const as uc_const

from arm_hyp.arch.sysregs import Encoding
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.watched import BYTES, RegisterValue, Value, Word

if TYPE_CHECKING:
    from arm_hyp.cpu.watching import Watches

_LONGEST_ACCESS_BYTES: Final = 64
"""DC ZVA; other accesses are of 16 bytes at most."""
LARGEST_LOOKED_AT_BYTES: Final = 512
"""More are too many to look at before each instruction."""

INSTRUCTION, TRAP, BETWEEN = "instruction", "trap", "between"


class Hit(NamedTuple):
    """One thing that was noted. `pc` is the address of the instruction that did it, or is about to be executed.

    (n, seq) is the first position that shows it: behind a change, a load or a store, and before the instruction of a
    breakpoint. `by` says who: an instruction that the core executed; what followed when it trapped or accessed a
    device, with instructions that we carry out; or something between two stretches: an interrupt, a device, the clock.
    """

    n: int
    seq: int
    cpu: int
    pc: int
    by: str = INSTRUCTION
    old: Value | None = None
    new: Value | None = None


class Watch:
    """Something to note. `hits` are in order, the last `keep` of them (None: all).

    With `stops`, each asks the machine to stop.
    """

    def __init__(self, *, stops: bool = False, keep: int | None = None) -> None:
        self.hits: deque[Hit] = deque(maxlen=keep)
        self.stops, self.count = stops, 0

    def connect(self, watches: Watches) -> None:
        """Add what is needed to see it."""
        raise NotImplementedError

    def note(self, hit: Hit) -> bool:
        """Keep a hit, unless it is the last one once more: an instruction may begin twice. Tell whether it is new."""
        if self.hits and self.hits[-1][:4] == hit[:4]:
            return False
        self.hits.append(hit)
        self.count += 1
        return True


class Breakpoint(Watch):
    """The instruction at a virtual address is about to be executed: on one CPU or any, at one level or any.

    `when`, if given, is asked each time whether it counts.
    """

    def __init__(
        self,
        pc: int,
        cpu: int | None = None,
        el: int | None = None,
        when: Callable[[Core], bool] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.pc, self.cpu, self.el, self.when = pc, cpu, el, when

    def connect(self, watches: Watches) -> None:
        """Hook the one address."""
        for core in watches.cores:
            if self.cpu in (None, core.index):
                watches.hook_code(core, functools.partial(self._reached, watches, core), (self.pc, self.pc))

    def _reached(self, watches: Watches, core: Core, pc: int) -> None:
        if self.el is not None and core.el != self.el:
            return
        hit = Hit(*watches.before(core), core.index, pc)
        if hit[:2] != watches.begin and (self.when is None or self.when(core)) and self.note(hit) and self.stops:
            watches.stop()
            core.request_stop_here()


class _AccessWatch(Watch):
    """An instruction accesses a range of physical addresses. `old` and `new` are what is in the range."""

    kind = uc_const.UC_HOOK_MEM_WRITE

    def __init__(self, address: int, size_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        self.address, self.size_bytes = address, size_bytes

    def connect(self, watches: Watches) -> None:
        """Hook all accesses that may touch the range: Unicorn compares where they begin."""
        where = (max(self.address - _LONGEST_ACCESS_BYTES + 1, 0), self.address + self.size_bytes - 1)
        for core in watches.cores:
            watches.hook_access(core, self.kind, functools.partial(self._accessed, watches, core), where)
            if self.stops:
                watches.prepare_to_stop_after(core)

    def _touches(self, address: int, size_bytes: int) -> bool:
        return address < self.address + self.size_bytes and self.address < address + size_bytes

    def _contents(self, core: Core) -> bytes:
        view = core.ram.find(self.address, self.size_bytes)
        return b"" if view is None else bytes(view)

    def _accessed(self, watches: Watches, core: Core, address: int, size_bytes: int, value: int) -> None:
        if self._touches(address, size_bytes):
            n, seq = core.position(numbered=False)
            self._seen(watches, Hit(n, seq, core.index, core.pc, old=self._contents(core)), address, b"")

    def _seen(self, watches: Watches, hit: Hit, address: int, data: bytes) -> None:
        last = self.hits[-1] if self.hits and self.hits[-1][:4] == hit[:4] else None
        before = hit.old if last is None else last.new
        hit = hit._replace(new=self._overlaid(before if isinstance(before, bytes) else b"", address, data))
        if last is not None:
            self.hits[-1] = last._replace(new=hit.new)
        elif self.note(hit) and self.stops:
            watches.stop_after(watches.cores[hit.cpu])

    def _overlaid(self, before: bytes, address: int, data: bytes) -> bytes:
        """Return the contents of the range when data has been written at an address."""
        start, stop = max(address - self.address, 0), min(address - self.address + len(data), len(before))
        if start >= stop:
            return before
        first = self.address + start - address
        return before[:start] + data[first : first + stop - start] + before[stop:]


class LoadWatch(_AccessWatch):
    """An instruction loads from a range of physical addresses."""

    kind = uc_const.UC_HOOK_MEM_READ


class StoreWatch(_AccessWatch):
    """A range of physical addresses is stored to: by an instruction, by Python at EL2, or by a device."""

    def connect(self, watches: Watches) -> None:
        """Hook the core's stores, and hear of the others."""
        super().connect(watches)
        watches.hear_writes(functools.partial(self._written, watches))

    def _accessed(self, watches: Watches, core: Core, address: int, size_bytes: int, value: int) -> None:
        if self._touches(address, size_bytes):
            n, seq = core.position(numbered=False)
            data = (value & (1 << 8 * size_bytes) - 1).to_bytes(size_bytes, "little")
            self._seen(watches, Hit(n, seq, core.index, core.pc, old=self._contents(core)), address, data)

    def _written(self, watches: Watches, address: int, data: bytes) -> None:
        core = watches.cores[0].where.running
        if core is not None and self._touches(address, len(data)):
            n, seq = core.position(numbered=False)
            by = TRAP if core.is_running else BETWEEN
            self._seen(watches, Hit(n, seq, core.index, core.pc, by, self._contents(core)), address, data)


class ValueWatch(Watch):
    """A value changes. `read` returns it; `words` are where the core itself may change it, None for anywhere.

    Without words it is a value that only Python changes, such as a register of a device.
    """

    def __init__(
        self, read: Callable[[], Value] | None = None, words: Sequence[Word] | None = (), **options: Any
    ) -> None:
        super().__init__(**options)
        self._read, self.words = read, words
        self.written_by: Encoding | None = None  # an MSR with this is how the core changes it, and the only way
        self.value: Value = 0

    def connect(self, watches: Watches) -> None:
        """Note what the value is now."""
        self.value = self.read()
        watches.look_at(self)

    def read(self) -> Value:
        """Return the value."""
        assert self._read is not None
        return self._read()

    def look(self, core: Core, place: tuple[int, int, int], by: str) -> bool:
        """Note the value if it is another one; `place` is (n, seq, pc). Tell whether the run is to stop."""
        now = self.read()
        if now == self.value:
            return False
        n, seq, pc = place
        self.hits.append(Hit(n, seq, core.index, pc, by, self.value, now))
        self.value = now
        self.count += 1
        return self.stops


class RegisterWatch(ValueWatch):
    """A register of a CPU changes, or one field of it: `X3`, `SP`, `Q0`, `PSTATE`, `HCR_EL2`, (`HCR_EL2`, `TWI`).

    Raises: KeyError, ValueError for what is no register, when it is connected.
    """

    def __init__(self, name: str, field: str | None = None, cpu: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.name, self.field, self.cpu = name, field, cpu

    def connect(self, watches: Watches) -> None:
        """Find the register."""
        value = RegisterValue(watches.cores[self.cpu], self.name, self.field)
        self._read, self.written_by = value.read, None if self.stops else value.written_by()  # seen too late to stop
        self.words = value.words() if self.written_by is None else ()
        super().connect(watches)


class MemoryWatch(ValueWatch):
    """The contents of a range of RAM change, whoever changes them. At most 504 bytes; `StoreWatch` takes more.

    Raises: ValueError if it is no RAM, or too large, when it is connected.
    """

    def __init__(self, address: int, size_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        self.address, self.size_bytes = address, size_bytes

    def connect(self, watches: Watches) -> None:
        """Find the range in the memory of this process."""
        first, stop = self.address & -BYTES, self.address + self.size_bytes + BYTES - 1 & -BYTES
        view = watches.cores[0].ram.find(first, stop - first)
        if view is None or not 0 < stop - first <= LARGEST_LOOKED_AT_BYTES:
            raise ValueError(f"{self.address:#x} is not RAM, or {self.size_bytes} bytes are too many to look at")
        host = ctypes.addressof(ctypes.c_char.from_buffer(view))
        mask = ((1 << 8 * self.size_bytes) - 1) << 8 * (self.address - first)
        words = range(0, stop - first, BYTES)
        self.words = [Word(host + at, mask >> 8 * at & (1 << 64) - 1) for at in words]
        self._contents = view[self.address - first : self.address - first + self.size_bytes]
        self._cores = watches.cores
        super().connect(watches)

    def read(self) -> Value:
        """Return the contents as the guest has them."""
        data = bytearray(self._contents)
        for core in self._cores:
            for address, word in core.sites.patched if core.sites.patched else ():
                for index, byte in enumerate(word.to_bytes(4, "little")):
                    if 0 <= address + index - self.address < self.size_bytes:
                        data[address + index - self.address] = byte
        return bytes(data)
