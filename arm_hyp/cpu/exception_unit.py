"""Exception entry and return: the exception model's verdicts carried out, told, and handed to the software there.

Read `arch/exceptions.py` and `cpu/entry.py` before this file, `cpu/core.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from arm_hyp.arch import control_bits, exceptions, syndromes
from arm_hyp.arch.exceptions import Cause, Kind
from arm_hyp.arch.pstate import PSTATE_SS, StateFeatures
from arm_hyp.arch.software_step import ss_advance
from arm_hyp.cpu import entry
from arm_hyp.cpu.controls import HCR_VIRTUAL
from arm_hyp.events import ExceptionReturned, ExceptionTaken, NullSink

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

_COMPLETED: Final = frozenset({syndromes.EC.SVC64, syndromes.EC.HVC64})
"""These complete, unless they trap: ELR_ELx holds the next instruction's address. (An SMC at EL2 is trapped: not it.)
HFGITR_EL2.SVC_EL0 and SVC_EL1 trap an SVC with the class of a call. Ref: AArch64.CheckForSVCTrap."""
_VBAR_ADDRESS: Final = ~0x7FF & (1 << 64) - 1
"""VBAR_ELx<63:11>; the bits below are RES0 and no part of a vector's address."""


def _has_no_tag(address: int, pstate: int) -> bool:
    """Tell whether an address is the same with and without its tag byte, whatever the controls of its regime say."""
    return address >> 56 == 0 or (address >> 55 == 0x1FF and pstate & 0xC < 0x8)


def _remembered(
    features: StateFeatures,
) -> tuple[Callable[..., exceptions.Entry], Callable[..., exceptions.Return]]:
    """Return the exception model's entry and return, with their answers kept: the same few come again and again.

    The return is asked for ELR 0: no verdict depends on the address.
    """

    @lru_cache(maxsize=4096)
    def entry_of(kind: Kind, target: int, pstate: int, sctlr: int, hcr: int) -> exceptions.Entry:
        return exceptions.enter(kind, target, pstate, sctlr, features, hcr)

    @lru_cache(maxsize=4096)
    def return_of(el: int, pstate: int, spsr: int, hcr: int, scr: int, mdscr: int, mdcr: int) -> exceptions.Return:
        return exceptions.exception_return(el, pstate, spsr, 0, hcr, scr, features, mdscr, mdcr)

    return entry_of, return_of


class ExceptionUnit:
    """Takes the exceptions of one core and returns from them."""

    def __init__(self, core: Core) -> None:
        self._core, self._native = core, core.native
        self._transfers = entry.Transfers(core.native)
        self._entry_of, self._return_of = _remembered(core.state_features)
        self._last_entry, self._repeats = (-1, -1), 0

    def undefined(self, pc: int, pstate: int) -> None:
        """Take an UNDEFINED exception for the instruction at `pc`, which does not retire."""
        self._core.discount()
        self.take_cause(Cause.UNDEFINED, pstate, syndromes.encode_unknown(), elr=pc)

    def trap(self, target: int, esr: int, pc: int, far: int | None = None) -> None:
        """Take a synchronous exception by a verdict; the instruction at `pc` does not retire."""
        self._core.discount()
        self.take(Kind.SYNC, target, esr=esr, elr=pc, far=far, is_trap=True)

    def take_cause(self, cause: Cause, pstate: int, esr: int, *, elr: int, far: int | None = None) -> None:
        """Route a synchronous exception by its cause and take it."""
        values = self._core.controls.values
        target = exceptions.route_sync(cause, entry.level(pstate), values.hcr_el2, values.scr_el3, values.mdcr_el2)
        self.take(Kind.SYNC, min(target, 2), esr=esr, elr=elr, far=far)

    def before(self, target: int) -> entry.Before:
        """Read what an exception to `target` needs, for a caller that needs some of it, too."""
        return self._transfers.before(target)

    def take(
        self,
        kind: Kind,
        target: int,
        *,
        esr: int | None,
        elr: int | None = None,
        far: int | None = None,
        virtual: bool = False,
        is_trap: bool = False,
        before: entry.Before | None = None,
    ) -> None:
        """Take an exception to `target`: all registers as the architecture says, then Python or the guest's vector.

        `elr` is the preferred return address, the current PC if not given. `is_trap`: the instruction has done nothing.
        `before`: what `before(target)` has read, if it has been.
        """
        core = self._core
        values = core.controls.values
        completed = esr is not None and esr >> 26 in _COMPLETED and not is_trap
        old = before or self._transfers.before(target)
        elr = old.pc if elr is None else elr
        if completed and old.pstate & PSTATE_SS:
            old = old._replace(pstate=ss_advance(old.pstate))
        sctlr = values.sctlr_el2 if target == 2 else values.sctlr_el1
        new = self._entry_of(kind, target, old.pstate, sctlr, values.hcr_el2)
        vector = old.vbar & _VBAR_ADDRESS | new.vector_offset
        core.stepped_to = -1
        python = target == 2 and core.python_el2 is not None
        silent, pc = type(core.sink) is NullSink, elr - 4 if completed else elr
        word = None if silent else self._native.fetch_word(pc)
        sp = self._transfers.enter(target, old, elr=elr, spsr=new.spsr, pstate=new.pstate, pc=vector, esr=esr, far=far)
        core.watch_alignment(sp)
        n, seq = core.position(numbered=True)
        if core.where.journal is not None:
            core.where.journal((n, seq, core.index, target, kind, esr, elr, new.spsr, far))
        event = None
        if not silent:
            place = n, seq, pc, word
            event = self._report_taken(kind, target, old, new.spsr, vector, esr, far, elr, virtual, python, place)
        core.vector = vector
        if python:
            assert core.python_el2 is not None
            core.observer(False)
            core.python_el2(core, event)
            self.leave_python()
            return
        self.watch_for_loops(n, elr, vector)
        if core.lines or values.hcr_el2 & HCR_VIRTUAL:
            self._native.stop()  # what is masked now may become due again

    def _report_taken(
        self,
        kind: Kind,
        target: int,
        old: entry.Before,
        spsr: int,
        vector: int,
        esr: int | None,
        far: int | None,
        elr: int,
        virtual: bool,
        python: bool,
        place: tuple[int, int, int, int | None],
    ) -> ExceptionTaken:
        n, seq, pc, word = place
        from_el = entry.level(old.pstate)
        aborts_to_el2 = target == 2 and esr is not None and esr >> 26 in (0x20, 0x24)
        hpfar = self._native.read_cp(entry.HPFAR_EL2) if aborts_to_el2 else None
        event = ExceptionTaken(
            n=n,
            seq=seq,
            cpu=self._core.index,
            el=from_el,
            pc=pc,
            kind=kind.name.lower(),
            from_el=from_el,
            to_el=target,
            vector=vector,
            ec=None if esr is None else esr >> 26,
            esr=esr,
            far=far,
            hpfar=hpfar,
            elr=elr,
            spsr=spsr,
            virtual=virtual,
            python=python,
            instruction=word,
            controls=self._core.controls.snapshot(),
        )
        self._core.sink.emit(event)
        return event

    def watch_for_loops(self, n: int, elr: int, vector: int) -> None:
        """Notice an exception that raises itself for ever: the same vector ten times, with nothing retired between.

        A Python at EL2 calls it for those that it has the guest take.
        """
        if (n, vector) != self._last_entry:
            self._last_entry, self._repeats = (n, vector), 0
            return
        self._repeats += 1
        if self._repeats >= 10:
            self._core.loops(
                f"exception loop: the exception from {elr:#x} to the vector at {vector:#x} raises itself again"
            )

    def leave_python(self) -> None:
        """Do the ERET of the Python at EL2, unless it waits (as by WFI) or keeps the CPU: then it is resumed later."""
        core = self._core
        if core.waiting or core.in_python:
            core.in_python = True
            self._native.stop()
        else:
            self.leave(2)

    def leave(self, el: int) -> None:
        """Do an ERET at the current level, `el`: the instruction, or a Python hypervisor's.

        Ref: AArch64.ExceptionReturn: legal or not, it clears the local exclusive monitor and sets the Event Register.
        """
        core = self._core
        values = core.controls.values
        old = self._transfers.leaving(el)
        controls = values.hcr_el2, values.scr_el3, values.mdscr_el1, values.mdcr_el2
        back = self._return_of(el, old.pstate, old.spsr, *controls)
        pc = old.elr if _has_no_tag(old.elr, back.pstate) else self._without_tag(old.elr, back.pstate)
        sp = self._transfers.leave(el, old, pstate=back.pstate, pc=pc)
        core.watch_alignment(sp)
        if pc & 3:
            core.pc_misaligned = True
            self._native.stop()
        self._native.exclusive.clear()
        core.event_register = True
        n, seq = core.position(numbered=True)
        if core.where.journal is not None:
            core.where.journal((n, seq, core.index, el, -1, None, old.elr, old.spsr, None))
        if type(core.sink) is not NullSink:
            to_el = entry.level(back.pstate)
            event = ExceptionReturned(n, seq, core.index, el, old.pc, el, to_el, old.elr, old.spsr, back.illegal)
            core.sink.emit(event)
        core.after_change(back.pstate)

    def _without_tag(self, pc: int, pstate: int) -> int:
        """Remove the tag byte of a return address where the target's translation regime ignores it."""
        el, hcr = entry.level(pstate), self._core.controls.values.hcr_el2
        regime = control_bits.s1_translation_regime(el, hcr)
        tcr = self._native.read_cp((3, 0, 2, 0, 2) if regime == 1 else (3, 4, 2, 0, 2))
        return exceptions.branch_address(pc, el, tcr, hcr, self._core.state_features)

    def loop_state(self) -> list[int]:
        """Return what is known of a possible exception loop, for snapshots."""
        return [*self._last_entry, self._repeats]

    def restore_loop_state(self, state: list[int]) -> None:
        """Take back what `loop_state` gave."""
        n, vector, self._repeats = state
        self._last_entry = (n, vector)
