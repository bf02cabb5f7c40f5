"""One AArch64 core: run for exactly N instructions, take exceptions as the architecture says, tell every one.

Read `cpu/core_registers.py`, `cpu/entry.py`, `cpu/sites.py` and `cpu/controls.py` before this file;
`cpu/exception_unit.py`, `cpu/reports.py` and `cpu/system.py` after it.

Unicorn reports synchronous exceptions and the sites that we planted to `cpu/reports.py`, exceptions are taken by
`cpu/exception_unit.py`. Interrupts are never taken by Unicorn: after each change of masks, level or lines,
`arch/interrupts.py` is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from unicorn import arm64_const as a64

from arm_hyp.arch import id_policy, interrupts, syndromes
from arm_hyp.arch.exceptions import Cause, Kind
from arm_hyp.arch.pstate import PSTATE_DAIF, PSTATE_IL, PSTATE_SS, StateFeatures
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.cpu import access_exits, counting, entry, probe
from arm_hyp.cpu.alignment import SCTLR_A, AlignmentUnit
from arm_hyp.cpu.bus_faults import BusFaults, RomStore
from arm_hyp.cpu.controls import HCR_RW, HCR_VIRTUAL, HCR_VSE, HCR_WITHOUT_EL2, HCRX_WITHOUT_EL2, ControlRegisters
from arm_hyp.cpu.core_registers import CoreRegisters
from arm_hyp.cpu.counter_reads import CounterReads
from arm_hyp.cpu.exception_unit import ExceptionUnit
from arm_hyp.cpu.fine_grained import FineGrainedSites
from arm_hyp.cpu.maintenance import Maintenance as MaintenanceUnit
from arm_hyp.cpu.memory_map import RamWords
from arm_hyp.cpu.mmio import Mmio
from arm_hyp.cpu.native import SCR_EL3_LEAVE, NativeCore
from arm_hyp.cpu.pending import LOOKAHEAD_BYTES, plain_length
from arm_hyp.cpu.position import Position
from arm_hyp.cpu.reports import Reports
from arm_hyp.cpu.sites import Sites
from arm_hyp.cpu.stop import Stop
from arm_hyp.cpu.system import SystemUnit
from arm_hyp.cpu.system_registers import SystemRegisters
from arm_hyp.events import (
    Barrier,
    CounterRead,
    Event,
    EventSink,
    ExceptionTaken,
    InterruptLine,
    Maintenance,
    NullSink,
    TranslationWrite,
    asks,
    hears,
)

LINE_NAMES: Final = {
    interrupts.LINE_IRQ: "IRQ",
    interrupts.LINE_FIQ: "FIQ",
    interrupts.LINE_SERROR: "SError",
    interrupts.LINE_VIRQ: "vIRQ",
    interrupts.LINE_VFIQ: "vFIQ",
}
_MIDR_EL1, _VPIDR_EL2, _VMPIDR_EL2 = (3, 0, 0, 0, 0), (3, 4, 0, 0, 0), (3, 4, 0, 0, 5)


_DECIDE_SITES: Final = ((asks, Barrier), (asks, TranslationWrite), (hears, CounterRead), (hears, Maintenance))
"""What of a sink decides which instructions are sites."""
WAITS_FOR_EVENTS: Final = frozenset({"wfe", "wfet"})


def _nobody(_by_instructions: bool) -> None:
    """Look at nothing."""


class Core(CoreRegisters):
    """One CPU. `firmware` answers SMC (or HVC, by `conduit`); `python_el2`, if set, is the software at EL2."""

    def __init__(
        self,
        model: str,
        *,
        start_el: int = 2,
        gic: int = 2,
        index: int = 0,
        sink: EventSink | None = None,
        where: Position | None = None,
        list_registers: int = id_policy.LIST_REGISTERS,
    ) -> None:
        self.model, self.gic, self.index, self.start_el = model, gic, index, start_el
        self.list_registers = list_registers
        self.sink: EventSink = sink or NullSink()
        self.where = where or Position()
        super().__init__(NativeCore(model, probe.internals()))
        counting.install(self.native)
        access_exits.install(self.native)
        self.features = id_policy.features(model, gic, list_registers)
        self.state_features = StateFeatures.of(self.features, el3=True)
        self.ram = RamWords()
        self.native.write_cp((3, 6, 1, 1, 0), SCR_EL3_LEAVE[model])
        self.native.write(a64.UC_ARM64_REG_PSTATE, PSTATE_DAIF | start_el << 2 | 1)
        self.native.write_cp(_VMPIDR_EL2, id_policy.mpidr(index))
        self.native.write_cp(_VPIDR_EL2, self.native.read_cp(_MIDR_EL1))
        self.controls = ControlRegisters(self.native, self.features)
        self.controls.write("scr_el3", SCR_EL3_LEAVE[model])
        self.controls.write("hcr_el2", HCR_RW if start_el == 2 else HCR_WITHOUT_EL2)
        if start_el == 1 and self.controls.has_fine_grained:
            self.controls.write("hcrx_el2", HCRX_WITHOUT_EL2)
        self._reset_fields()
        self.registers, self.fine_grained = SystemRegisters(self), FineGrainedSites(self)
        self.system, self.alignment, self.bus = SystemUnit(self), AlignmentUnit(self), BusFaults(self)
        self.counters, self.maintenance = CounterReads(self), MaintenanceUnit(self)
        told = self._misaligned_pc, self.fail, self.maintenance.heard
        self.sites = Sites(self.native, self.system.wanted, self.ram, *told, self.counters)
        self.exceptions = ExceptionUnit(self)
        self.reports = Reports(self)
        self.mmio = Mmio(self)
        if self.where.running is None:
            self.where.running = self

    def _reset_fields(self) -> None:
        self.conduit = "smc" if self.start_el == 2 else "hvc"
        self.firmware: Callable[[Core, str], None] | None = None
        self.semihosting: Callable[[Core], bool] | None = None
        self.python_el2: Callable[[Core, ExceptionTaken | None], None] | None = None
        self.python_resumes: Callable[[Core], None] = lambda core: None  # the Python at EL2, behind its own WFI
        self.in_python = False  # Python holds the CPU at EL2: it is resumed before the next instruction
        self.loops: Callable[[str], None] = self.die  # an exception raises itself for ever; told in words
        self.is_alone = True  # no other CPU has to hear of anything
        self.broadcast: Callable[[Encoding, int], None] | None = None  # TLB and instruction-cache maintenance
        self.send_event: Callable[[], None] | None = None  # SEV, to the other CPUs
        self.rom_written: Callable[[RomStore | None], bool] | None = None
        self.observer: Callable[[bool], None] = _nobody  # registers or memory may have changed; by instructions?
        self.lines, self.event_register, self.waiting = 0, False, ""
        self._settled, self._discount, self._running = 0, 0, False
        self._error: BaseException | None = None
        self._stop: Stop | None = None
        self.dead_because = ""
        self.pc_misaligned = self._native_step_wanted = False
        self._bare_physical: int | None = None
        self._masked = 0  # the interrupt masks of PSTATE, while they hold something back
        self.vbar_written: set[int] = set()
        self.vector = self.stepped_to = -1  # the latter: where a step exception is due after what we executed

    # --- position --------------------------------------------------------------------------------------------

    @property
    def retired(self) -> int:
        """Instructions retired so far, also while running."""
        running = self.native.started() if self._running else 0
        return self._settled + running - self._discount

    def position(self, *, numbered: bool) -> tuple[int, int]:
        """Return (n, seq) for an event; `numbered` events (exceptions, returns, effects) get a seq of their own."""
        where = self.where
        if where.running is not self:
            return where.at(where.retired, numbered)
        n = where.others + self._settled - self._discount
        if self._running:
            n += self.native.started()
        return where.at(n, numbered)

    @property
    def is_running(self) -> bool:
        """Tell whether this is in the middle of a run: Unicorn has called us back."""
        return self._running

    @property
    def silent(self) -> bool:
        """Tell whether nobody listens, so that events need not be made."""
        return type(self.sink) is NullSink

    def listen(self, sink: EventSink) -> None:
        """Have another sink hear the core from now on. What is told only to some sinks decides what is a site."""
        before, self.sink = self.sink, sink
        if any(wants(before, kind) != wants(sink, kind) for wants, kind in _DECIDE_SITES):
            self.system.forget_sites()
            self.maintenance.drop_all()

    def emit(self, make: Callable[..., Event], *, numbered: bool = False, **fields: object) -> None:
        """Make and emit an event at the current position, if anyone listens. The position advances in any case."""
        if self.silent and not numbered:
            return
        n, seq = self.position(numbered=numbered)
        if not self.silent:
            pc, pstate = self._brief.read()
            place = {"pc": pc, "el": entry.level(pstate)} | fields
            self.sink.emit(make(n=n, seq=seq, cpu=self.index, **place))

    # --- running ---------------------------------------------------------------------------------------------

    def run(self, until_retired: int, *, finishes_exit: bool = False) -> Stop:
        """Run until `retired` reaches a count, or the core waits, dies or is asked to stop.

        `finishes_exit`: first let the Python at EL2 handle the exception at which the core was stopped.
        """
        self._stop = None
        if finishes_exit:
            self._resume_python()
        self.sites.look_everywhere(self.fine_grained.are_wanted or asks(self.sink, Barrier))
        while self._stop is None:
            if self.waiting and not self.wakes():
                return Stop.WAITING
            remaining = until_retired - self.retired
            if remaining <= 0:
                return Stop.LIMIT
            self._run_once(remaining)
        return self._stop

    def wakes(self) -> bool:
        """End a wait if an interrupt calls for it; tell whether the CPU runs again."""
        values = self.controls.values
        pstate = self.pstate
        if interrupts.wfi_wakes(self.lines, entry.level(pstate), pstate, values.hcr_el2, values.scr_el3):
            self.waiting = ""
        return not self.waiting

    def request_stop(self, why: Stop = Stop.REQUESTED) -> None:
        """Stop before the next instruction. May be called from a hook."""
        self._stop = why
        if not self.mmio.stop_after_instruction():
            self.native.stop()

    def request_stop_before_block(self) -> None:
        """Stop before the next block, from the middle of an access; where `cpu/counting.py` counts."""
        assert self.native.counting is not None
        self._stop = Stop.REQUESTED
        self.native.counting.leave()

    def request_stop_here(self) -> None:
        """Stop before the instruction that begins now: from a hook that is called before it."""
        self.discount()
        self.request_stop()

    def _run_once(self, count: int) -> None:
        if self.in_python:
            self._resume_python()
            return
        pc, pstate, sp = self._now.read()
        if self._settle_state(pc, pstate):
            self._native_step_wanted, self.sites.bare = False, None  # that instruction comes later, as a site again
            return
        careful = self.alignment.is_careful(pstate, sp)
        if careful and self.alignment.check():
            return
        self.maintenance.settle()
        native_step = self._native_step_wanted
        if native_step:
            self._translate_bare(pc)
        if careful or native_step:
            count = 1
        elif self._masked and not self.native.watches_masks:
            count = min(count, plain_length(self.native.fetch_words(pc, LOOKAHEAD_BYTES)) + 1)
        status = self._start(pc, count, self._masked)
        if native_step and not self._only_translated():
            self._end_native_step(pc, entry.level(pstate))
        self._after_start(status)

    def _resume_python(self) -> None:
        """Let the Python at EL2 go on where it waited, or begin where it never ran."""
        self.in_python = False
        self.python_resumes(self)
        self.exceptions.leave_python()

    def _after_start(self, status: int) -> None:
        """Finish what a device access, or the bus, has stopped."""
        while self.mmio.must_repeat:
            self.discount()
            self.mmio.repeat()
            status = self._start(self.pc, 1)
            while self._only_translated() and not status:
                status = self._start(self.pc, 1)
        refused = self.mmio.refused
        self.mmio.settle()
        if refused is not None:
            self.bus.refused(refused)
        elif status:
            self.bus.failed(status)

    def _only_translated(self) -> bool:
        """Tell whether the last start came no further than to a block that has sites."""
        return self.sites.pending and not self.native.started()

    def _translate_bare(self, pc: int) -> None:
        if self.sites.bare != pc:
            self.sites.bare, self._bare_physical = pc, self.native.translate(pc)
            self.native.drop_translations(pc, pc + 4)

    def _end_native_step(self, pc: int, el: int) -> None:
        """Forget the bare translation, by physical address where an exception led to a level with other tables."""
        self._native_step_wanted, self.sites.bare = False, None
        if self.el == el or self._bare_physical is None:
            self.native.drop_translations(pc, pc + 4)
        else:
            self.native.drop_physical(self._bare_physical, 4)

    def _start(self, pc: int, count: int, masks: int = 0) -> int:
        self.observer(False)
        if self.sites.pending:
            self.sites.prepare()
        self.counters.begin()
        self._running, before = True, self._settled
        status = self.native.start(pc, count, masks)
        self._running = False
        self.sites.settle()
        self._settled = before + min(self.native.started(), count)
        self.observer(True)
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return status

    def stop_running(self) -> None:
        """Stop before the next instruction, if this core runs at all; then go on. May be called from a hook."""
        if self._running and not self.mmio.stop_after_instruction():
            self.native.stop()

    def discount(self, started: int = 1) -> None:
        """Take back the count of the instruction that was started but does not retire, and the time that it took."""
        self._discount += started
        self.counters.time_passed(-started)

    def fail(self, error: BaseException) -> None:
        """Keep an error that must not pass through C; `run` raises it."""
        self._error = error
        self.native.stop()

    def place(self) -> tuple[int, int]:
        """Read the PC and PSTATE."""
        pc, pstate = self._brief.read()
        return pc, pstate

    def step_natively(self) -> None:
        """Have the instruction at the PC executed by the core itself, though it is a site."""
        self._native_step_wanted = True
        self._discount += 1
        self.native.stop()

    def _settle_state(self, pc: int, pstate: int) -> bool:
        """Take what is pending before the next instruction: PC alignment, interrupts, illegal state. True if so."""
        if self.pc_misaligned:
            self.pc_misaligned = False
            self.exceptions.take_cause(Cause.PC_ALIGNMENT, pstate, syndromes.encode_pc_alignment(), elr=pc, far=pc)
            return True
        return self._take_pending(pc, pstate)

    def _take_pending(self, pc: int, pstate: int) -> bool:
        """Take the interrupt, or the illegal-state exception, that the state calls for. True if one was."""
        hcr = self.controls.values.hcr_el2
        self._masked = 0
        if self.lines or hcr & HCR_VIRTUAL:
            el, scr = entry.level(pstate), self.controls.values.scr_el3
            taken = interrupts.next_interrupt(self.lines, el, pstate, hcr, scr)
            if taken is not None:
                self._take_interrupt(taken, pc, pstate, hcr)
                return True
            self._masked = pstate & PSTATE_DAIF if interrupts.wfi_wakes(self.lines, el, pstate, hcr, scr) else 0
        if pstate & PSTATE_IL and self.native.fetch_word(pc) is not None:  # an Instruction Abort has priority
            self.exceptions.take_cause(Cause.ILLEGAL_STATE, pstate, syndromes.encode_illegal_state(), elr=pc)
            return True
        return False

    def _take_interrupt(self, taken: interrupts.Taken, pc: int, pstate: int, hcr: int) -> None:
        if taken.is_virtual and taken.kind is Kind.SERROR:
            self.controls.write("hcr_el2", hcr & ~HCR_VSE)
        esr = syndromes.encode_serror() if taken.kind is Kind.SERROR else None
        self.exceptions.take(taken.kind, taken.target_el, esr=esr, elr=pc, virtual=taken.is_virtual)

    def hear_event(self) -> None:
        """Set the Event Register, as SEV of any CPU does; a WFE that waits ends by it instead."""
        if self.waiting in WAITS_FOR_EVENTS:
            self.waiting = ""
        else:
            self.event_register = True

    def set_line(self, line: int, level: bool) -> None:
        """Drive an interrupt line into the CPU (`arch.interrupts.LINE_*`). Seen before the next instruction."""
        old = self.lines
        self.lines = old | line if level else old & ~line
        if self.lines != old:
            if level:
                self.stop_running()
            self.emit(InterruptLine, line=LINE_NAMES[line], level=level)

    def die(self, because: str) -> None:
        """Stop for good, with the diagnosis in words."""
        self.dead_because = because
        self.request_stop(Stop.DEAD)

    def watch_alignment(self, sp: int) -> None:
        """Stop after a change of level where instructions may have to be looked at: `alignment` decides which."""
        values = self.controls.values
        if sp & 15 or (values.sctlr_el1 | values.sctlr_el2) & SCTLR_A:
            self.native.stop()

    def after_change(self, pstate: int) -> None:
        """Stop before the next instruction if the new state calls for an interrupt or another exception.

        A pending interrupt that PSTATE masks stops too: `_run_once` then looks for the instruction that unmasks it.
        """
        hcr = self.controls.values.hcr_el2
        if pstate & PSTATE_IL or self.lines or hcr & HCR_VIRTUAL:
            self.native.stop()

    def complete(self, pc: int, pstate: int) -> None:
        """Finish an instruction that we executed: the next PC, and PSTATE.SS cleared where it was set."""
        if pstate & PSTATE_SS:
            self.native.write(a64.UC_ARM64_REG_PSTATE, pstate & ~PSTATE_SS)
            self.native.write_cp(entry.SPSR[1], self.native.read_cp(entry.SPSR[1]))
            self.stepped_to = pc + 4
        self._pc_only.write(pc + 4)

    def _misaligned_pc(self) -> None:
        self.pc_misaligned = True

    # --- state, for observers --------------------------------------------------------------------------------

    def private_state(self) -> dict[str, int | bool | str | list[int]]:
        """Return what is kept beside Unicorn, as plain data, for `cpu/snapshot.py`."""
        return {
            "retired": self.retired,
            "seq_n": self.where.last_n,
            "seq": self.where.seq,
            "lines": self.lines,
            "event_register": self.event_register,
            "waiting": self.waiting,
            "in_python": self.in_python,
            "dead_because": self.dead_because,
            "vector": self.vector,
            "stepped_to": self.stepped_to,
            "vbar_written": sorted(self.vbar_written),
            "last_entry": self.exceptions.loop_state(),
        }

    def restore_private_state(self, state: dict[str, Any]) -> None:
        """Take back what `private_state` gave."""
        self._settled, self._discount = state["retired"], 0
        self.where.last_n, self.where.seq = state["seq_n"], state["seq"]
        self.lines, self.event_register, self.waiting = state["lines"], state["event_register"], state["waiting"]
        self.dead_because, self.vector, self.in_python = state["dead_because"], state["vector"], state["in_python"]
        self.vbar_written, self.stepped_to = set(state["vbar_written"]), state["stepped_to"]
        self.pc_misaligned = self.pc & 3 != 0
        self._native_step_wanted, self.sites.bare = False, None
        self.exceptions.restore_loop_state(state["last_entry"])
