"""The instructions that we decide: what the sites are, and what happens at each.

Read `arch/traps.py` and `cpu/core.py` before this file. At every site the trap rules are asked first; only if they let
the instruction pass does its row of the table of executors run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from unicorn import arm64_const as a64

from arm_hyp.arch import interrupts, sysregs, traps
from arm_hyp.arch.instructions import (
    InstructionKind,
    SystemInstruction,
    decode_system,
    is_fp_simd,
    mnemonic,
    uses_fp,
)
from arm_hyp.arch.pstate import PSTATE_DAIF
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.arch.traps import Outcome, Verdict
from arm_hyp.cpu.alignment import may_misalign_sp
from arm_hyp.cpu.controls import ENCODINGS
from arm_hyp.cpu.pending import writes_masks
from arm_hyp.cpu.sites import UDF
from arm_hyp.cpu.stack_moves import StackMove, decode_stack_move
from arm_hyp.cpu.stop import Stop
from arm_hyp.cpu.system_registers import ISR, MPIDR, TRANSLATION, VBAR
from arm_hyp.events import Barrier, Maintenance, NotWaited, RegisterAccess, TranslationWrite, Waited, asks, hears

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

_K: Final = InstructionKind
Plan = Callable[[int, int], None]
"""`plan(pc, pstate)` does an instruction."""
Executor = Callable[[SystemInstruction, int, int], None]
_DECIDES: Final = 0x0010_000C
"""What of PSTATE a decision depends on: IL <20> and EL <3:2>."""
_DECIDED_EACH_TIME: Final = frozenset({_K.WFI, _K.WFE, _K.WFIT, _K.WFET})
"""Whether these trap depends on events and interrupts."""
_ALWAYS: Final = frozenset({_K.WFI, _K.WFE, _K.WFIT, _K.WFET, _K.SEV, _K.SEVL, _K.ERET, _K.HLT})
_SHOWN_AT_EL1: Final = {Encoding(3, 0, 0, 0, 0): Encoding(3, 4, 0, 0, 0), MPIDR: Encoding(3, 4, 0, 0, 5)}
"""MIDR_EL1 and MPIDR_EL1 show VPIDR_EL2 and VMPIDR_EL2 at EL1. Ref: Arm ARM, MIDR_EL1 and MPIDR_EL1."""
_RANDOM: Final = frozenset({Encoding(3, 3, 2, 4, 0), Encoding(3, 3, 2, 4, 1)})
_NZCV: Final = 0xF << 28
_DAIF: Final = Encoding(3, 3, 4, 2, 1)
_ALIGNMENT_CHECKS: Final = 1 << 4 | 1 << 3 | 1 << 1  # SCTLR_ELx.SA0, SA, A
_TLB, _TLB_NXS = 8, 9
"""CRn of TLBI, without and with nXS. The core has none of the latter."""
_INSTRUCTION_CACHE: Final = frozenset({(7, 1), (7, 5)})
"""(CRn, CRm) of IC IALLUIS, and of IC IALLU and IC IVAU."""
_DMB: Final = 5
"""op2 of the one barrier that completes nothing, but orders."""
_DECIDE_FP: Final = frozenset({"cpacr_el1", "cptr_el2", "hcr_el2"})
"""The control registers that decide whether FP traps."""
_CONTROLS_AT_MOST: Final = 64
_HCR_E2H, _HCR_TGE = 1 << 34, 1 << 27


class _SiteWords(dict[int, bool]):
    """Whether a word is a site, at one level and state of HCR_EL2.E2H and the FP traps. Decided at its first lookup."""

    def __init__(self, unit: SystemUnit, el: int, e2h: bool, traps_fp: bool) -> None:
        super().__init__({UDF: False})
        self._unit, self._el, self._e2h, self._traps = unit, el, e2h, traps_fp

    def __missing__(self, word: int) -> bool:
        known = self[word] = self._unit.is_site(word, self._el, self._e2h) or (self._traps and uses_fp(word))
        return known


class SystemUnit:
    """The system instructions of one core. What registers hold is in `cpu/system_registers.py`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._plans_of: dict[tuple[traps.Controls, traps.FineGrained], dict[tuple[int, int], Plan]] = {}
        self._plans: dict[tuple[int, int], Plan] = {}
        self._site_words: dict[tuple[int, bool, bool, bool], _SiteWords] = {}
        self._fp_traps: dict[tuple[int, int, int, int], bool] = {}
        self._fp_trapped: tuple[bool, ...] = ()  # at EL0, EL1, EL2: what the translations were made for
        self._execute: dict[InstructionKind, Executor] = {
            _K.WFI: self._wait,
            _K.WFE: self._wait,
            _K.WFIT: self._wait,
            _K.WFET: self._wait,
            _K.SEV: self._send_event,
            _K.SEVL: self._send_event,
            _K.YIELD: self._yield,
            _K.ERET: self._eret,
            _K.MSR: self._write,
            _K.MRS: self._read,
            _K.MSR_IMM: self._write_pstate,
            _K.SYS: self._operation,
            _K.BARRIER: self._barrier,
            _K.DSB_NXS: self._barrier,
        }

    # --- which instructions are sites ------------------------------------------------------------------------

    def wanted(self, pstate: int) -> Mapping[int, bool]:
        """Return which words, translated at this level, become sites: a table that fills itself."""
        el = pstate >> 2 & 3
        core = self._core
        key = el, bool(core.controls.values.hcr_el2 & _HCR_E2H), self._fp_traps_at(el), core.fine_grained.are_wanted
        known = self._site_words.get(key)
        if known is None:
            known = self._site_words[key] = _SiteWords(self, *key[:3])
        return known

    def traps_fp_word(self, word: int, el: int) -> bool:
        """Tell whether this word uses the FP registers, FPCR or FPSR, and that traps at this level."""
        return self._fp_traps_at(el) and uses_fp(word)

    def is_site(self, word: int, el: int, e2h: bool) -> bool:
        """Tell whether a word is a site, FP traps aside."""
        instruction = decode_system(word)
        if instruction is None:
            return may_misalign_sp(word)
        return self._is_site(instruction, el, e2h) or self._core.fine_grained.is_site(instruction, el)

    def _is_site(self, instruction: SystemInstruction, el: int, e2h: bool) -> bool:
        if instruction.kind in _ALWAYS:
            return True
        if instruction.kind is _K.YIELD:
            return not self._core.is_alone
        if instruction.kind is _K.MSR_IMM:
            return el == 0 or not writes_masks(instruction)
        if instruction.kind in (_K.MSR, _K.MRS):
            return self._is_register_site(instruction, el, e2h)
        if instruction.kind is _K.BARRIER:
            return instruction.op2 != _DMB and asks(self._core.sink, Barrier)
        return instruction.kind is _K.SYS and self._is_told(instruction)

    def _is_told(self, instruction: SystemInstruction) -> bool:
        """Tell whether anybody must hear of maintenance. A core alone that nobody listens to may do it by itself."""
        core = self._core
        is_heard = not core.is_alone or hears(core.sink, Maintenance)
        if (instruction.crn, instruction.crm) in _INSTRUCTION_CACHE:
            return is_heard or not core.sites.hears_cache_maintenance
        return instruction.crn == _TLB_NXS or (instruction.crn == _TLB and is_heard)

    def _is_register_site(self, instruction: SystemInstruction, el: int, e2h: bool) -> bool:
        encoding, registers = instruction.encoding, self._core.registers
        if sysregs.redirect(encoding, el, e2h) != encoding or encoding in registers.ports or encoding == ISR:
            return True
        if encoding == _DAIF:
            return el == 0
        if not instruction.is_read and (encoding in ENCODINGS or encoding in VBAR or self._is_asked_for(encoding)):
            return True
        return registers.resolve(encoding, instruction.is_read).route != "native"

    def _is_asked_for(self, encoding: Encoding) -> bool:
        return encoding in TRANSLATION and asks(self._core.sink, TranslationWrite)

    def _traps_fp(self, el: int) -> bool:
        """Tell whether FP traps at a level. The controls that decide it are few, and come back again and again."""
        values = self._core.controls.values
        key = el, values.cpacr_el1, values.cptr_el2, values.hcr_el2 & (_HCR_E2H | _HCR_TGE)
        known = self._fp_traps.get(key)
        if known is None:
            verdict = self._decide(traps.FpAccess(), el, self._core.pstate & ~0xC | el << 2)
            known = self._fp_traps[key] = verdict.outcome is not Outcome.EXECUTE
        return known

    def _fp_traps_at(self, el: int) -> bool:
        if not self._fp_trapped:
            self._take_fp_traps()
        return self._fp_trapped[el]

    def _take_fp_traps(self) -> None:
        self._fp_trapped = tuple(self._traps_fp(level) for level in range(3))
        self._core.sites.fp_traps(any(self._fp_trapped))

    def controls_changed(self, name: str, old: int, new: int) -> None:
        """Drop what was decided under the old value of a control register."""
        self._take_plans()
        self._core.fine_grained.controls_changed()
        if name == "hcr_el2" and (old ^ new) & _HCR_E2H:
            self._core.maintenance.drop_all()
        if name in _DECIDE_FP:
            self._fp_may_have_changed()
        if name in ("sctlr_el1", "sctlr_el2") and new & ~old & _ALIGNMENT_CHECKS:
            self._core.native.stop()

    def _take_plans(self) -> None:
        """Take up the plans that were made under these controls: a hypervisor goes to and fro between a few."""
        if len(self._plans_of) > _CONTROLS_AT_MOST:
            self._plans_of.clear()
        self._plans = self._plans_of.setdefault(self._core.controls.all_values, {})

    def _fp_may_have_changed(self) -> None:
        """Have the blocks that use FP translated anew, if it traps elsewhere than before."""
        before = self._fp_trapped
        self._take_fp_traps()
        if self._fp_trapped != before:
            self._core.maintenance.drop_fp()

    # --- the verdict -----------------------------------------------------------------------------------------

    def _decide(self, subject: object, el: int, pstate: int) -> Verdict:
        core = self._core
        values = core.controls.values
        wakes = interrupts.wfi_wakes(core.lines, el, pstate, values.hcr_el2, values.scr_el3)
        context = traps.Context(
            el, values, core.event_register, wakes, core.features, pstate, fine_grained=core.controls.fine_grained
        )
        return traps.decide(subject, context)  # type: ignore[arg-type]

    def execute(self, pc: int, pstate: int, word: int | None) -> None:
        """Do what the architecture says of the instruction at `pc`, which the core could not or must not do."""
        if word is None:
            self._core.exceptions.undefined(pc, pstate)
            return
        key = word, pstate & _DECIDES
        plan = self._plans.get(key)
        if plan is None:
            plan, lasts = self._plan(word, pstate)
            if lasts:
                self._plans[key] = plan
        plan(pc, pstate)

    def _plan(self, word: int, pstate: int) -> tuple[Plan, bool]:
        """Return what to do with a word, and whether that holds until a control register changes."""
        instruction, el = decode_system(word), pstate >> 2 & 3
        if instruction is not None:
            return self._plan_system(instruction, el, pstate)
        if is_fp_simd(word) and self._fp_traps_at(el):
            return partial(self._obey, self._decide(traps.FpAccess(), el, pstate)), True
        if may_misalign_sp(word):
            move = decode_stack_move(word)
            return (self._step if move is None else partial(self._move_sp, move)), True
        return self._core.exceptions.undefined, True

    def _plan_system(self, instruction: SystemInstruction, el: int, pstate: int) -> tuple[Plan, bool]:
        if instruction.kind is _K.HLT:
            return partial(self._hlt, instruction), True
        lasts = instruction.kind not in _DECIDED_EACH_TIME
        verdict = self._decide(instruction, el, pstate)
        if verdict.outcome in (Outcome.TRAP, Outcome.UNDEFINED):
            return partial(self._obey, verdict), lasts
        executor = self._executor(instruction, el)
        return self._core.exceptions.undefined if executor is None else partial(executor, instruction), lasts

    def _executor(self, instruction: SystemInstruction, el: int) -> Executor | None:
        core = self._core
        is_e2h = bool(core.controls.values.hcr_el2 & _HCR_E2H)
        if core.fine_grained.is_site(instruction, el) and not self._is_site(instruction, el, is_e2h):
            return core.fine_grained.execute
        return self._execute.get(instruction.kind)

    def _step(self, pc: int, pstate: int) -> None:
        self._core.step_natively()

    def _move_sp(self, move: StackMove, pc: int, pstate: int) -> None:
        core = self._core
        core.sp = sp = move(core)
        core.complete(pc, pstate)
        core.watch_alignment(sp)

    def _obey(self, verdict: Verdict, pc: int, pstate: int) -> None:
        if verdict.outcome is Outcome.TRAP and verdict.esr is not None and verdict.target_el is not None:
            self._core.exceptions.trap(min(verdict.target_el, 2), verdict.esr, pc)
        else:
            self._core.exceptions.undefined(pc, pstate)

    # --- executors -------------------------------------------------------------------------------------------

    def _wait(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        core = self._core
        name = instruction.kind.value
        reason = self._why_not_wait(instruction, pstate)
        core.complete(pc, pstate)
        if reason:
            core.emit(NotWaited, instruction=name, reason=reason, pc=pc)
        else:
            core.waiting = name
            core.emit(Waited, instruction=name, pc=pc)
            core.native.stop()

    def _why_not_wait(self, instruction: SystemInstruction, pstate: int) -> str:
        core = self._core
        values, el = core.controls.values, pstate >> 2 & 3
        if instruction.kind in (_K.WFE, _K.WFET) and core.event_register:
            core.event_register = False
            return "the Event Register was set"
        if interrupts.wfi_wakes(core.lines, el, pstate, values.hcr_el2, values.scr_el3):
            return "an interrupt is pending"
        return ""

    def _send_event(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        core = self._core
        core.hear_event()
        if instruction.kind is _K.SEV and core.send_event is not None:
            core.send_event()
        core.complete(pc, pstate)

    def _yield(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        self._core.complete(pc, pstate)
        self._core.request_stop(Stop.YIELDED)

    def _eret(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        self._core.exceptions.leave(pstate >> 2 & 3)

    def _hlt(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        core = self._core
        if instruction.imm == 0xF000 and core.semihosting is not None and core.semihosting(core):
            core.complete(pc, pstate)
        else:
            core.exceptions.undefined(pc, pstate)

    def _write_pstate(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        if writes_masks(instruction):
            bits = instruction.imm << 6
            self._set_daif(pc, pstate | bits if instruction.op2 == 6 else pstate & ~bits)
        else:
            self._core.step_natively()

    def _set_daif(self, pc: int, pstate: int) -> None:
        core = self._core
        core.native.write(a64.UC_ARM64_REG_PSTATE, pstate)
        core.native.write_cp((3, 0, 4, 0, 0), core.native.read_cp((3, 0, 4, 0, 0)))
        core.complete(pc, pstate)
        core.after_change(pstate)

    def _barrier(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        """Tell of a DSB or ISB, if asked. Nothing is left to do: the core does everything at once and in order."""
        if asks(self._core.sink, Barrier):
            self._core.emit(Barrier, instruction=mnemonic(instruction), pc=pc)
        self._core.complete(pc, pstate)

    def _operation(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        """Do TLB maintenance, or instruction-cache maintenance, of which others must hear.

        Alone, the core does with its TLB exactly what it would have done unheard.
        """
        core = self._core
        operand, encoding = core.x(instruction.rt), instruction.encoding
        if not core.silent:
            core.emit(Maintenance, operation=sysregs.name_of(encoding), operand=operand, pc=pc)
        if instruction.crn == _TLB and core.is_alone:
            core.step_natively()
            return
        if core.broadcast is not None:
            core.broadcast(encoding, operand)
        if instruction.crn in (_TLB, _TLB_NXS):
            core.maintenance.invalidate(encoding, operand)
        core.complete(pc, pstate)

    # --- system registers ------------------------------------------------------------------------------------

    def _read(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        core = self._core
        target = self._target(instruction, pstate)
        value = core.registers.read(target if pstate >> 2 & 3 == 2 else _SHOWN_AT_EL1.get(target, target))
        if value is None:
            core.exceptions.undefined(pc, pstate)
            return
        core.set_x(instruction.rt, value)
        if target in _RANDOM:
            pstate &= ~_NZCV  # a random number was there. Ref: Arm ARM, RNDR
            core.native.write(a64.UC_ARM64_REG_PSTATE, pstate)
        core.complete(pc, pstate)
        self._report(instruction, value, pc)

    def _write(self, instruction: SystemInstruction, pc: int, pstate: int) -> None:
        core = self._core
        value = core.x(instruction.rt)
        encoding = self._target(instruction, pstate)
        if self._is_asked_for(encoding):
            core.emit(TranslationWrite, register=sysregs.name_of(encoding, False), value=value, pc=pc)
            if encoding == instruction.encoding:
                core.step_natively()  # with what that does to the core's TLB
                return
        if encoding == _DAIF:
            self._set_daif(pc, pstate & ~PSTATE_DAIF | value & PSTATE_DAIF)
        elif core.registers.write(encoding, value):
            core.complete(pc, pstate)
            core.after_change(pstate)
            self._report(instruction, value, pc)
        else:
            core.exceptions.undefined(pc, pstate)

    def _report(self, instruction: SystemInstruction, value: int, pc: int) -> None:
        core = self._core
        if not core.silent:
            name = sysregs.name_of(instruction.encoding, instruction.is_read)
            core.emit(RegisterAccess, register=name, is_read=instruction.is_read, value=value, pc=pc)

    def _target(self, instruction: SystemInstruction, pstate: int) -> Encoding:
        hcr = self._core.controls.values.hcr_el2
        return sysregs.redirect(instruction.encoding, pstate >> 2 & 3, hcr & _HCR_E2H, hcr & _HCR_TGE)

    def forget_sites(self) -> None:
        """Forget which words are sites: what decides it has changed. The translations are the caller's to drop."""
        self._site_words.clear()

    def forget(self) -> None:
        """Forget every decision: the state that it was made from has been replaced."""
        self._core.fine_grained.controls_changed()
        self._plans_of.clear()
        self._take_plans()
        self._fp_may_have_changed()
