"""Watches connected: what is noted during a stretch of a run, without a trace in the run.

Read `cpu/watches.py` (the kinds) and `cpu/core.py` before this file, `timeline/search.py` after it. There are two ways
to see something. What an instruction *does* (it is executed, it loads, it stores) is seen by hooks of Unicorn. What a
value *is* (a register, a range of RAM) is looked at before each instruction, in C where the helper was built, and
wherever Python may have changed it: so every change is seen, whoever makes it. Some system registers are changed by MSR
only; these are looked at behind each such MSR, which costs a search little more than the run.
`docs/adr/007-what-c-may-do.md` says what C may do.

A watch is connected while the machine stands, and only for a stretch: translated blocks know which hooks there are, so
all translations are dropped then, which nothing but the clock on the wall can tell.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

from unicorn import UcError
from unicorn import arm64_const as a64
from unicorn import unicorn_const as uc_const
from unicorn.unicorn_py3.unicorn import uclib

from arm_hyp.arch.sysregs import Encoding
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.helpers import load_helper
from arm_hyp.cpu.watched import Word
from arm_hyp.cpu.watches import BETWEEN, INSTRUCTION, TRAP, ValueWatch, Watch

_CODE: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
_ACCESS: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64, ctypes.c_int, ctypes.c_int64, ctypes.c_void_p
)
_WRITTEN: Final = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)
_REPORT: Final = ctypes.CFUNCTYPE(None)
_EVERYWHERE: Final = (1, 0)


class _Word(ctypes.Structure):
    """`struct watched_word` of the C file."""

    _fields_ = [
        ("at", ctypes.c_void_p),
        ("mask", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
        ("guard", ctypes.c_void_p),
        ("guard_mask", ctypes.c_uint64),
        ("guard_value", ctypes.c_uint64),
    ]

    @classmethod
    def of(cls, word: Word) -> _Word:
        """Return it for C."""
        return cls(word.address, word.mask, 0, *(word.guard or ()))


class _Register(ctypes.Structure):
    """`uc_arm64_cp_reg`: the encoding of a system register, as Unicorn tells it."""

    _fields_ = [*((name, ctypes.c_uint32) for name in ("crn", "crm", "op0", "op1", "op2")), ("value", ctypes.c_uint64)]


class _State(ctypes.Structure):
    """`struct word_watcher` of the C file."""

    _fields_ = [
        ("words", ctypes.c_void_p),
        ("count", ctypes.c_uint64),
        ("pc", ctypes.c_uint64),
        ("report", _REPORT),
    ]


@functools.cache
def _library() -> ctypes.CDLL | None:
    return load_helper("watch_words", "word_watcher_bytes", ctypes.sizeof(_State) + ctypes.sizeof(_Word))


class Watches:
    """The watches of all cores of a machine for a stretch: `with Watches(cores, watches): run`.

    `observers` is the list of those who hear of writes past the cores; `stop` asks the machine to stop. A breakpoint
    where the stretch `begin`s is not noted, if that is given.
    """

    def __init__(
        self,
        cores: Sequence[Core],
        watches: Sequence[Watch],
        observers: list[Callable[[int, bytes], None]] | None = None,
        stop: Callable[[], None] = lambda: None,
        begin: tuple[int, int] | None = None,
    ) -> None:
        self.cores, self.stop, self.begin = cores, stop, begin
        self._watches, self._observers = watches, observers if observers is not None else []
        self._heard: list[Callable[[int, bytes], None]] = []
        self._hooks: list[tuple[Core, ctypes.c_size_t]] = []
        self._kept: list[Any] = []  # what C calls must not be collected
        self._looked: list[ValueWatch] = []
        self._stop_wanted = self._sees_all = False
        self._trapped_at: int | None = None
        self._writing: dict[int, tuple[int, int, int]] = {}  # by CPU: the MSR that has begun, and what it did is unseen
        self._observed: list[tuple[Core, Callable[[bool], None]]] = []
        self._words: Any = None
        self._states: dict[int, _State] = {}

    def __enter__(self) -> Watches:
        self.connect()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.disconnect()

    def connect(self) -> None:
        """Connect all of them. The machine must stand. Raises: what a watch raises; then none is connected."""
        try:
            for watch in self._watches:
                watch.connect(self)
            if self._looked:
                self._look_before_each_instruction()
        except BaseException:
            self.disconnect()
            raise
        self._translate_anew(hooks_may_stop=True)

    def disconnect(self) -> None:
        """Remove every trace. The machine must stand."""
        for core, hook in self._hooks:
            uclib.uc_hook_del(core.native.handle, hook)
        for observer in self._heard:
            self._observers.remove(observer)
        for core, before in self._observed:
            core.observer = before
        self._translate_anew(hooks_may_stop=False)
        self._observed.clear()
        self._hooks.clear()
        self._heard.clear()
        self._looked.clear()
        self._kept.clear()

    def _translate_anew(self, *, hooks_may_stop: bool) -> None:
        for core in {id(core): core for core, _ in self._hooks}.values():
            core.native.hooks_may_stop(hooks_may_stop)
            core.native.flush_translations()

    # --- for watches -------------------------------------------------------------------------------------------------

    def before(self, core: Core) -> tuple[int, int]:
        """Return the position before the instruction that begins now. From a code hook."""
        n = core.position(numbered=False)[0] - 1
        return core.where.at(n, False)

    def hook_code(self, core: Core, callback: Callable[[int], None], where: tuple[int, int] = _EVERYWHERE) -> None:
        """Have `callback(pc)` called before each instruction in a range of virtual addresses."""

        def begins(_uc: int, address: int, _size_bytes: int, _data: int) -> None:
            try:
                callback(address)
            except BaseException as error:  # must not pass through C
                core.fail(error)

        self._hook(core, uc_const.UC_HOOK_CODE, _CODE(begins), None, where)

    def hook_access(
        self, core: Core, kind: int, callback: Callable[[int, int, int], None], where: tuple[int, int]
    ) -> None:
        """Have `callback(address, size_bytes, value)` called before accesses that begin in a physical range."""

        def accessed(_uc: int, _kind: int, address: int, size_bytes: int, value: int, _data: int) -> None:
            try:
                callback(address, size_bytes, value)
            except BaseException as error:  # must not pass through C
                core.fail(error)

        self._hook(core, kind, _ACCESS(accessed), None, where)

    def hear_writes(self, callback: Callable[[int, bytes], None]) -> None:
        """Have `callback(address, data)` called before RAM is written past the cores."""
        self._observers.append(callback)
        self._heard.append(callback)

    def prepare_to_stop_after(self, core: Core) -> None:
        """Make `stop_after` possible: an access must not be stopped in its middle, or it would be done again."""
        if core.native.counting is None:
            self.hook_code(core, functools.partial(self._stop_if_wanted, core))

    def stop_after(self, core: Core) -> None:
        """Stop after the instruction that accesses memory now, or at the end of its block."""
        self.stop()
        if core.native.counting is not None:
            core.request_stop_before_block()
        else:
            self._stop_wanted = True

    def _stop_if_wanted(self, core: Core, _pc: int) -> None:
        if self._stop_wanted:
            self._stop_wanted = False
            core.request_stop_here()

    def look_at(self, watch: ValueWatch) -> None:
        """Look at a value wherever it may have changed."""
        self._looked.append(watch)

    def _hook(self, core: Core, kind: int, callback: Any, data: Any, where: tuple[int, int], *extra: Any) -> None:
        hook, bounds = ctypes.c_size_t(), (ctypes.c_uint64(where[0]), ctypes.c_uint64(where[1]))
        pointer = None if data is None else ctypes.byref(data)
        status = uclib.uc_hook_add(
            core.native.handle, ctypes.byref(hook), ctypes.c_int(kind), callback, pointer, *bounds, *extra
        )
        if status:
            raise UcError(status)
        self._hooks.append((core, hook))
        self._kept += [callback, data]

    # --- looking at values -------------------------------------------------------------------------------------------

    def _look_before_each_instruction(self) -> None:
        words = [word for watch in self._looked for word in watch.words or ()]
        is_anywhere = any(watch.words is None for watch in self._looked)
        self._words = (_Word * len(words))(*map(_Word.of, words))
        encodings = frozenset(watch.written_by for watch in self._looked if watch.written_by is not None)
        for core in self.cores:
            self._states[core.index] = _State()
            if words or is_anywhere:
                self._begin_looking(core, is_anywhere)
            if encodings:
                self._hook_writes(core, encodings)
            self._observed.append((core, core.observer))
            core.observer = functools.partial(self._may_have_changed, core)
        self._refresh()

    def _begin_looking(self, core: Core, is_anywhere: bool) -> None:
        library, state, self._sees_all = _library(), self._states[core.index], True
        if is_anywhere or library is None or not core.native.has_helpers:
            self.hook_code(core, functools.partial(self._begins, core))
            return

        def report() -> None:
            try:
                self._changed_before(core)
            except BaseException as error:  # must not pass through C
                core.fail(error)

        state.words, state.count, state.report = ctypes.addressof(self._words), len(self._words), _REPORT(report)
        self._kept.append(state.report)
        self._hook(core, uc_const.UC_HOOK_CODE, library.instruction_begins, state, _EVERYWHERE)

    def _hook_writes(self, core: Core, encodings: frozenset[Encoding]) -> None:
        """Look behind each MSR with these encodings: where the next one begins, or the core stops."""

        def written(_uc: int, _register: int, where: int, _data: int) -> int:
            try:
                told = _Register.from_address(where)
                if (told.op0, told.op1, told.crn, told.crm, told.op2) in encodings:
                    self._saw_write(core)
                    self._writing[core.index] = (*core.position(numbered=False), core.pc)
            except BaseException as error:  # must not pass through C
                core.fail(error)
            return 0  # the core is to execute it

        msr = ctypes.c_int(a64.UC_ARM64_INS_MSR)
        self._hook(core, uc_const.UC_HOOK_INSN, _WRITTEN(written), None, _EVERYWHERE, msr)

    def _saw_write(self, core: Core) -> None:
        """Look at what the last MSR did, and at nothing else: others may have changed since."""
        place = self._writing.pop(core.index, None)
        if place is None:
            return
        for watch in self._looked:
            if watch.written_by is not None:
                watch.look(core, place, INSTRUCTION)

    def _begins(self, core: Core, pc: int) -> None:
        self._changed_before(core)
        self._states[core.index].pc = pc

    def _changed_before(self, core: Core) -> None:
        """Look, where the instruction before the one that begins now may have changed something."""
        self._saw_write(core)
        if self._look(core, self.before(core), INSTRUCTION):
            self.stop()
            core.request_stop_here()

    def _may_have_changed(self, core: Core, by_instructions: bool) -> None:
        self._saw_write(core)
        if by_instructions and core.is_running:
            core.position(numbered=False)  # with it comes the PC
            self._trapped_at = core.pc  # of an instruction that has not done anything yet
            return
        by = INSTRUCTION if by_instructions else TRAP if core.is_running else BETWEEN
        if by == BETWEEN:
            self._trapped_at = None
        if self._look(core, core.position(numbered=False), by):
            self.stop()
            core.request_stop()

    def _look(self, core: Core, position: tuple[int, int], by: str) -> bool:
        """Look at all values; tell whether the run is to stop."""
        if not self._sees_all:
            self._states[core.index].pc = core.pc if self._trapped_at is None else self._trapped_at
        return self._look_at(core, (*position, self._states[core.index].pc), by)

    def _look_at(self, core: Core, place: tuple[int, int, int], by: str) -> bool:
        stops = [watch.look(core, place, by) for watch in self._looked]
        self._refresh()
        return any(stops)

    def _refresh(self) -> None:
        for word in self._words:
            word.last = ctypes.c_uint64.from_address(word.at).value


def is_in_c() -> bool:
    """Tell whether values are looked at in C: else by Python, which takes 1,000 times as long."""
    return _library() is not None
