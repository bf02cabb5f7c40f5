"""One run examined: who ended, who runs, who waits, and which of these findings explains it best.

Read `physical_cpus.py`, `virtual_cpus.py` and `loops.py` before this file, `diagnose.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from arm_hyp.arch import sysregs
from arm_hyp.arch.syndromes import one_line
from arm_hyp.explain.diagnosis import physical_cpus, virtual_cpus
from arm_hyp.explain.diagnosis.loops import Surroundings, describe_loop, find_loop
from arm_hyp.explain.diagnosis.model import HANGS, Diagnosis, Finding, Kind
from arm_hyp.explain.diagnosis.observation import Observation, Observer, Watched, places_of
from arm_hyp.explain.diagnosis.others import Other, other_cpu, other_vcpu
from arm_hyp.explain.diagnosis.recent import Recent
from arm_hyp.explain.diagnosis.timers import in_words, timer_state
from arm_hyp.explain.diagnosis.waiting import Due, Inputs, awaited, due_timers, either
from arm_hyp.explain.why import why_trapped
from arm_hyp.hypervisor.vcpu import State

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.cpu.symbols import SymbolTable
    from arm_hyp.runner.runner import Runner

_ORDER: Final[tuple[Kind, ...]] = ("progress", "lock", "loop", "idle", "wait", "off")
"""Which finding makes the sentence, where those about several CPUs differ."""
_MOSTLY_IDLE: Final = 0.5


class Examination:
    """Looks at a run, and runs it on: only for a process that ends with it."""

    def __init__(self, runner: Runner, recent: Recent) -> None:
        self._runner, self._recent, self._machine = runner, recent, runner.machine
        self._vcpus = {} if runner.hypervisor is None else {vcpu.name: vcpu for vcpu in runner.hypervisor.vcpus}

    def diagnosis(self) -> Diagnosis:
        """Make the diagnosis."""
        if self._machine.cpus.off is not None:
            return self._ended(self._machine.cpus.off.text)
        if self._machine.cpus.all_off:
            advice = "end with SYSTEM_OFF instead of CPU_OFF"
            return Diagnosis("off", "Every CPU is off: nobody is left to switch one on.", self._refused(), advice)
        return self._dead() or self._alive()

    def _alive(self) -> Diagnosis:
        waiting = {one.who: one for one in self._waiting(ends=True)}
        due = min(self._due(), default=None)
        observer = Observer(self._runner, 0 if due is None else due.ns)
        observation = observer.observe()
        if observation.ended:
            return self._ends(observation.retired)
        coming = "" if due is None or observation.outlasted else str(due)
        running = {one.who: self._running(one, observer, observation, coming) for one in observation.watched}
        return self._sum_up([*(waiting | running).values()])

    def _due(self) -> Iterator[Due]:
        """Yield the timers that will interrupt a CPU, or a vCPU that runs; also the hypervisor's: it ends a turn."""
        for inputs in self._inputs():
            yield from due_timers(inputs, can_be_masked=True)
        for index in range(len(self._machine.cpus.cores) if self._vcpus else 0):
            timer = timer_state("CNTHP", self._machine.board.timers[index].timers["CNTHP"], self._machine.clock.now_ns)
            if timer.due_ns is not None and not timer.is_met:
                yield Due(timer.due_ns, timer.name)

    def _inputs(self) -> list[Inputs]:
        """Return what could interrupt each CPU, or each vCPU that runs."""
        if self._vcpus:
            return [virtual_cpus.inputs_of(one) for one in self._vcpus.values() if one.state is State.RUNNING]
        return [physical_cpus.inputs_of(self._machine, core) for core in self._machine.cpus.cores]

    def _ends(self, later: int) -> Diagnosis:
        """Say what the run came to meanwhile: nobody runs any more, or it ended by itself."""
        off = self._machine.cpus.off
        if off is not None:
            when = f"{later:,} instruction{'s' * (later != 1)} later"
            return Diagnosis("progress", f"The run is making progress: it ends by itself {when}, {off.text}.")
        return self._dead() or self._sum_up(self._waiting(ends=False))

    def _sum_up(self, findings: list[Finding]) -> Diagnosis:
        """Make one diagnosis of what was found about each CPU."""
        first = min(findings, key=lambda one: _ORDER.index(one.kind))
        rest = [one.sentence for one in findings if one is not first]
        refused = self._refused() if first.kind in HANGS else ()
        reasons = (*first.reasons, *rest, *self._ended_vms(), *refused)
        advice = "see what the firmware answers, before you wait for what it should do" if refused else first.advice
        return Diagnosis(first.kind, first.sentence, reasons, advice)

    # --- what ended the run ------------------------------------------------------------------------------------------

    def _ended(self, text: str) -> Diagnosis:
        vms = [] if self._runner.hypervisor is None else self._runner.hypervisor.vms
        crashed = next((vm for vm in vms if vm.end is not None and vm.end.reason == "crashed"), None)
        if crashed is None:
            return Diagnosis("ended", f"The run has ended by itself: {text}.", self._ended_vms())
        assert crashed.end is not None
        others = tuple(one for one in self._ended_vms() if not one.startswith(f"{crashed.name} "))
        return Diagnosis("dead", f"{crashed.name} crashed: {crashed.end.text}.", (*self._began(), *others))

    def _dead(self) -> Diagnosis | None:
        """Say why a CPU can never run on, if one cannot: with the first exception of those that came at once."""
        core = next((core for core in self._machine.cpus.cores if core.dead_because), None)
        if core is None:
            return None
        text = core.dead_because
        advice = f"see that VBAR_EL{core.el} leads to code that raises no exception itself"
        if "never written" in text:
            advice = f"write the address of a vector table to VBAR_EL{core.el}, before anything can raise an exception"
        return Diagnosis("dead", f"CPU {core.index} cannot run on: {text}.", self._began(), advice)

    def _began(self) -> tuple[str, ...]:
        """Say with which exception it began that no instruction retires any more."""
        if not self._recent.chain:
            return ()
        first, made = self._recent.chain[0], self._runner.configuration
        return (f"It began at {self._place(first.pc)}: {why_trapped(first, made.cpu, made.gic)}",)

    def _ended_vms(self) -> tuple[str, ...]:
        vms = [] if self._runner.hypervisor is None else self._runner.hypervisor.vms
        return tuple(f"{vm.name} has ended ({vm.end.reason}): {vm.end.text}." for vm in vms if vm.end is not None)

    def _refused(self) -> tuple[str, ...]:
        calls = self._recent.refused.values()
        return tuple(f"{call.name} at {self._place(call.pc)} answered {call.status}." for call in calls)

    # --- who runs ----------------------------------------------------------------------------------------------------

    def _running(self, watched: Watched, observer: Observer, observation: Observation, coming: str) -> Finding:
        loop = find_loop(watched)
        if loop is not None:
            return describe_loop(loop, self._surroundings(watched, coming))
        share = observation.idle_ns / observation.passed_ns
        if share > _MOSTLY_IDLE:
            text = f"waits most of the time ({share:.0%} of the next {in_words(observation.passed_ns)})"
            return Finding("idle", watched.who, f"{text}{self._awaited(watched, observer)}")
        places = places_of(watched.steps)
        levels = " and ".join(f"EL{el}" for el in sorted({place.el for place in places}))
        text = f"is making progress: its next {len(watched.steps):,} instructions, at {levels}, are at"
        return Finding("progress", watched.who, f"{text} {len(places):,} places")

    def _awaited(self, watched: Watched, observer: Observer) -> str:
        """Say what a CPU waits for when it waits the next time; of a vCPU, what could end a wait now."""
        core, vcpu = self._machine.cpus.cores[watched.steps[-1].cpu], self._vcpus.get(watched.who)
        if vcpu is None and not observer.run_to_wait(core):
            return ""
        inputs = physical_cpus.inputs_of(self._machine, core) if vcpu is None else virtual_cpus.inputs_of(vcpu)
        names = awaited(inputs)
        return f", next for {either(names)}" if names else ""

    def _surroundings(self, watched: Watched, coming: str) -> Surroundings:
        core, vcpu = self._machine.cpus.cores[watched.steps[-1].cpu], self._vcpus.get(watched.who)
        if vcpu is None:
            cause = physical_cpus.held_from(self._machine, core, self._recent, can_be_masked=True)
        else:
            cause = virtual_cpus.held_from(vcpu)
        held, advice = ("", "") if cause is None else cause[:2]
        machine = self._runner.configuration.cpu, self._runner.configuration.gic
        others, symbols = self._others(watched.who), self._symbols(watched.who)
        return Surroundings(watched.who, symbols, machine, held, advice, others, self._handler_of(core), coming)

    def _handler_of(self, core: Core) -> str:
        """Say whose handler a CPU is in, if it is in one."""
        handled = self._recent.handled.get(core.index)
        if handled is None or handled.to_el != core.el or handled.esr is None:
            return ""
        what = one_line(handled.esr, handled.to_el, sysregs.name_of)
        return f"in the handler of an exception from {self._place(handled.pc)} ({what})"

    def _others(self, who: str) -> list[Other]:
        """Return the other CPUs, or the other vCPUs of the VM."""
        vcpu, cpus = self._vcpus.get(who), self._machine.cpus
        if vcpu is not None:
            return [other_vcpu(one) for one in vcpu.vm.vcpus if one is not vcpu]
        return [other_cpu(core, cpus.on[core.index]) for core in cpus.cores if who != f"CPU {core.index}"]

    def _symbols(self, who: str) -> SymbolTable:
        """Return the symbols of the VM that a vCPU is of, or of the machine."""
        vcpu = self._vcpus.get(who)
        return self._runner.plans[0 if vcpu is None else vcpu.vm.index].symbols

    def _place(self, address: int) -> str:
        name = self._runner.symbols.describe(address)
        return f"{address:#x} <{name}>" if name else f"{address:#x}"

    # --- who waits ---------------------------------------------------------------------------------------------------

    def _waiting(self, *, ends: bool) -> list[Finding]:
        """Say of each CPU that does not run, or vCPU, what it waits for. `ends`: something will end the wait."""
        if self._vcpus:
            vcpus = [one for one in self._vcpus.values() if one.state is not State.RUNNING]
            return [virtual_cpus.idle_vcpu(vcpu, self._symbols(vcpu.name), ends) for vcpu in vcpus]
        return [finding for core in self._machine.cpus.cores for finding in self._waiting_cpu(core, ends)]

    def _waiting_cpu(self, core: Core, ends: bool) -> list[Finding]:
        who = f"CPU {core.index}"
        if not self._machine.cpus.on[core.index]:
            return [Finding("off", who, other_cpu(core, False).doing)]
        if not core.waiting:
            return []
        others, symbols = self._others(who), self._runner.symbols
        return [physical_cpus.waiting_cpu(self._machine, core, symbols, self._recent, others, ends)]
