"""What Unicorn reports by its interrupt hook: native exceptions, and the sites that we planted.

Read `cpu/sites.py` and `cpu/exception_unit.py` before this file, `cpu/system.py` after it. Where the core decided by
itself, its record is taken, with what it gets wrong put right; all else goes to the system unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from arm_hyp.arch import syndromes
from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.instructions import load_store_access
from arm_hyp.cpu.walk_faults import with_right_status

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

_STEP: Final = frozenset({syndromes.EC.STEP_LOWER, syndromes.EC.STEP_SAME})
_STEP_ISV: Final = 1 << 24
_DEBUGS: Final = 1 << 15 | 1 << 0
"""MDSCR_EL1.MDE and SS: with them a step, breakpoint or watchpoint exception may be due at a site."""
_BEFORE_THE_COUNT: Final = _STEP | {syndromes.EC.BREAKPOINT_LOWER, syndromes.EC.BREAKPOINT_SAME}
"""These are raised between instructions: Unicorn has not counted the one that does not run."""
_BETWEEN: Final = frozenset({0x20, 0x21, syndromes.EC.BREAKPOINT_LOWER, syndromes.EC.BREAKPOINT_SAME})
"""A fetch that failed, or a breakpoint, may be reported when the instructions asked for are all executed."""


class Reports:
    """The interrupt hook of one core."""

    def __init__(self, core: Core) -> None:
        self._core, self._native = core, core.native
        self._on_number: dict[int, Callable[[int, int], None]] = {1: self._undefined}
        self._without_place: dict[int, Callable[[], None]] = {
            2: self._svc,
            3: self._abort,
            4: self._abort,
            11: self._hvc,
            13: self._smc,
        }
        core.native.on_interrupt(self._interrupted)

    def _interrupted(self, number: int) -> None:
        self._core.observer(True)
        try:
            handler = self._without_place.get(number)
            if handler is not None:
                handler()
                return
            pc, pstate = self._core.place()
            self._on_number.get(number, self._native_verdict)(pc, pstate)
        except BaseException as error:  # must not pass through C; raised again in `_start`
            self._core.fail(error)
        finally:
            self._core.observer(False)

    def _undefined(self, pc: int, pstate: int) -> None:
        word = self._native.fetch_word(pc)
        if word is None or not self._is_planted(pc, pstate, word):
            record = self._native.record()
            if record.syndrome >> 26:
                self._trapped_natively(pc, pstate, record.syndrome, record.target_el)
                return
        self._core.system.execute(pc, pstate, word)

    def _is_planted(self, pc: int, pstate: int, word: int) -> bool:
        """Tell whether this can only be a site: then the record, which costs more than all the rest, is not needed."""
        core = self._core
        may_debug = core.controls.values.mdscr_el1 & _DEBUGS
        return not may_debug and pc != core.sites.bare and core.system.wanted(pstate)[word]

    def _native_verdict(self, pc: int, pstate: int) -> None:
        record = self._native.record()
        ec = record.syndrome >> 26
        self._trapped_natively(
            pc, pstate, record.syndrome, record.target_el, record.vaddress if ec in (0x34, 0x35) else None
        )

    def _trapped_natively(self, pc: int, pstate: int, esr: int, target: int, far: int | None = None) -> None:
        core = self._core
        core.discount(esr >> 26 not in _BEFORE_THE_COUNT)
        if pc == core.stepped_to and esr >> 26 in _STEP:
            esr |= _STEP_ISV  # the core did not see the instruction that we executed
        self._core.exceptions.take(Kind.SYNC, max(target, 1), esr=esr, elr=pc, far=far)

    def _abort(self) -> None:
        core = self._core
        record = self._native.record()
        before = core.exceptions.before(record.target_el)
        pc = before.pc
        esr = with_right_status(core, record.syndrome, record.vaddress, before.pstate)
        if esr >> 24 & 1 and self._has_writeback(pc):
            esr &= ~(0x7FF << 14)
        if esr >> 26 in _BEFORE_THE_COUNT:
            self._native.left_before(pc)
        if esr >> 26 in _BETWEEN and self._native.is_spent():
            self._native.stop()  # it belongs to the next run, which meets it again
            return
        core.discount(esr >> 26 in (0x24, 0x25))
        core.exceptions.take(Kind.SYNC, record.target_el, esr=esr, elr=pc, far=record.vaddress, before=before)

    def _has_writeback(self, pc: int) -> bool:
        word = self._native.fetch_word(pc)
        access = load_store_access(word) if word is not None else None
        return access is not None and access.has_writeback

    def _svc(self) -> None:
        record = self._native.record()
        self._core.exceptions.take(Kind.SYNC, max(record.target_el, 1), esr=record.syndrome)

    def _hvc(self) -> None:
        core = self._core
        if core.conduit == "hvc" and core.firmware is not None:
            core.firmware(core, "hvc")
        else:
            self._core.exceptions.take(Kind.SYNC, 2, esr=self._native.record_syndrome())

    def _smc(self) -> None:
        core = self._core
        if core.conduit == "smc" and core.firmware is not None:
            core.firmware(core, "smc")
        else:
            self._undefined_after_all()

    def _undefined_after_all(self) -> None:
        """Make an HVC or SMC UNDEFINED that Unicorn reports at the next instruction."""
        pc, pstate = self._core.place()
        self._core.pc = pc - 4
        self._core.exceptions.undefined(pc - 4, pstate)
