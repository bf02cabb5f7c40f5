"""Reads of the system counter, answered in C where the helper was built and nobody listens.

Read `cpu/counting.py` and `cpu/scanning.py` before this file, `cpu/sites.py` after it. Software waits in loops that do
little else, and a visit of a site costs 9 us. What comes here traps under no control that there is: CNTVCT_EL0 at EL1,
both counters at EL2, and CNTPCT_EL0 at EL1 where the machine starts there, so that nobody at EL2 could trap it. All
other reads are sites as before. Ref: Arm ARM, CNTHCTL_EL2.EL1PCTEN, CNTKCTL_EL1.EL0PCTEN and EL0VCTEN.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from unicorn import arm64_const as a64
from unicorn.unicorn_py3.unicorn import uclib

from arm_hyp.cpu.helpers import load_helper
from arm_hyp.events import CounterRead, hears

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

CNTPCT, CNTVCT = 0xD53B_E020, 0xD53B_E040
"""MRS of the two, with Rt <4:0> zero."""
_RT: Final = 31
_HCR_E2H: Final = 1 << 34


class _State(ctypes.Structure):
    """`struct counter_reader` of the C file."""

    _fields_ = [
        *((name, ctypes.c_uint64) for name in ("base_ns", "offset", "is_host", "pc_register", "pstate_register")),
        *((name, ctypes.c_void_p) for name in ("count", "reg_read", "reg_write")),
    ]


@functools.cache
def _library() -> ctypes.CDLL | None:
    return load_helper("read_counter", "counter_reader_bytes", ctypes.sizeof(_State))


class CounterReads:
    """The counters of one core. `now_ns` and `offset` are the machine's: virtual time, and CNTVOFF_EL2 in ticks."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.now_ns: Callable[[], int] | None = None
        self.offset: Callable[[], int] = lambda: 0
        self._hooked: set[int] = set()
        self._state = _State(pc_register=a64.UC_ARM64_REG_PC, pstate_register=a64.UC_ARM64_REG_PSTATE)
        self._state.reg_read = ctypes.cast(uclib.uc_reg_read, ctypes.c_void_p)
        self._state.reg_write = ctypes.cast(uclib.uc_reg_write, ctypes.c_void_p)
        counting = core.native.counting
        self._is_there = _library() is not None and core.native.has_helpers
        if counting is not None:
            self._state.count = counting.count_address

    def are_answered(self, word: int, el: int) -> bool:
        """Tell whether this instruction, at this level, is a read of a counter that is answered here."""
        if word & ~_RT not in (CNTPCT, CNTVCT) or word & _RT == _RT or not self._is_there or self.now_ns is None:
            return False
        free = el == 2 or (el == 1 and (word & ~_RT == CNTVCT or self._core.start_el == 1))
        return free and not hears(self._core.sink, CounterRead)

    @property
    def watched(self) -> frozenset[int]:
        """The addresses at which reads are answered."""
        return frozenset(self._hooked)

    def watch(self, address: int) -> bool:
        """Have reads at an address answered; True if they were not yet: its block must be translated again."""
        if address in self._hooked:
            return False
        library = _library()
        assert library is not None
        self._hooked.add(address)
        self._core.native.on_register_read_in_c(library.counter_read, self._state, address)
        return True

    def begin(self) -> None:
        """Note the virtual time: the core is about to be started."""
        if self.now_ns is not None:
            self._state.base_ns = self.now_ns()
            self._state.is_host = bool(self._core.controls.values.hcr_el2 & _HCR_E2H)
            self.offset_changed()

    def time_passed(self, duration_ns: int) -> None:
        """Note that virtual time has passed in which no instruction retired."""
        self._state.base_ns += duration_ns

    def offset_changed(self) -> None:
        """Note CNTVOFF_EL2: software has written it."""
        self._state.offset = self.offset()
