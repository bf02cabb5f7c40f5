"""A run for Perfetto: a process a VM, a thread a vCPU; without a hypervisor in Python a process, a thread a CPU.

Read `debug/exports/threads.py` before this file. `docs/exports.md` shows what the picture looks like.

- An exception to EL2 is an instant where it trapped; a flow leads from there to the slice that handles it, and on to
  the instant of the ERET, wherever the vCPU goes on by then.
- Other events are instants on the thread that they happened on. Console output is put together to lines.
- Counters, of each VM or of the machine: exits, and the exceptions and interrupts that software took by itself.

Nothing is kept but what is open at the time, so traces may be of any length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, Final

import msgspec

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.exports.perfetto_file import PerfettoFile, Value
from arm_hyp.debug.exports.table import class_name
from arm_hyp.debug.exports.threads import CpuThread, VcpuThread
from arm_hyp.debug.exports.virtual_time import Clock
from arm_hyp.events import (
    ConsoleInput,
    ConsoleOutput,
    DeviceAccess,
    Edited,
    Ended,
    Event,
    ExceptionReturned,
    ExceptionTaken,
    FirmwareCall,
    InterruptLine,
    Maintenance,
    NotWaited,
    RegisterAccess,
    Started,
    Waited,
    with_counter_reads,
)
from arm_hyp.explain.trace_lines import is_console_traffic, words
from arm_hyp.kvm_events import (
    AnyEvent,
    KvmEntry,
    KvmExit,
    KvmVcpuWakeup,
    VcpuBlocked,
    VcpuPreempted,
    VcpuRunning,
    VmEnded,
    VmEvent,
)

_MACHINE: Final = "machine"
_INTERRUPTS: Final = ("irq", "fiq")
_PLACE: Final = frozenset({"n", "seq", "cpu", "el", "pc", "vm", "vcpu", "time_ns", "controls"})
_IN_WORDS: Final = frozenset(
    {"kind", "from_el", "to_el", "vector", "ec", "elr", "virtual", "python", "instruction", "illegal"}
)
"""What the line in words says of an exception."""
_LONGEST_LINE: Final = 1000
"""Console output without an end is shown in pieces of so many characters."""


class PerfettoSink:
    """Draws the events of one run. `has_vms`: a hypervisor in Python runs them. `close` ends what is open."""

    def __init__(
        self, file: BinaryIO, clock: Clock, symbols: Callable[[], SymbolTable] = SymbolTable, *, has_vms: bool = False
    ) -> None:
        self._file, self._clock, self._symbols, self._has_vms = PerfettoFile(file), clock, symbols, has_vms
        self._ns = 0
        self._processes: dict[str, int] = {}
        self._cpus: dict[int, CpuThread] = {}
        self._vcpus: dict[tuple[str, int], VcpuThread] = {}
        self._loaded: dict[int, VcpuThread] = {}  # by CPU
        self._trapped: dict[int, ExceptionTaken] = {}  # by CPU: the exception that an exit is to tell about
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}  # track, and value
        self._consoles: dict[str, tuple[int, str]] = {}  # track, and what was printed of a line
        self.interests: Final = with_counter_reads(frozenset(_DRAW))

    def emit(self, event: Event) -> None:
        """Draw an event."""
        draw = _DRAW.get(type(event))
        if draw is not None:
            self._ns = self._clock(event)
            draw(self, event)

    def close(self) -> None:
        """End everything that is open: the file is complete then."""
        for device in self._consoles:
            self._console_line(device)
        threads: list[CpuThread | VcpuThread] = [*self._vcpus.values(), *self._cpus.values()]
        for thread in threads:
            thread.off(self._ns)

    # --- processes, threads, counters ---------------------------------------------------------------------------------

    def _process(self, name: str) -> int:
        if name not in self._processes:
            self._processes[name] = self._file.process(name)
        return self._processes[name]

    def _cpu(self, index: int) -> CpuThread:
        if index not in self._cpus:
            self._cpus[index] = CpuThread(self._file, _MACHINE, self._process(_MACHINE), f"cpu{index}")
        return self._cpus[index]

    def _vcpu(self, vm: str, index: int) -> VcpuThread:
        if (vm, index) not in self._vcpus:
            self._vcpus[vm, index] = VcpuThread(self._file, vm, self._process(vm), f"{vm}/vcpu{index}")
        return self._vcpus[vm, index]

    def _count(self, process: str, name: str) -> None:
        """Add one to a counter of a process."""
        key = (process, name)
        track, value = self._counts.get(key) or (self._file.counter(self._process(process), name), 0)
        self._counts[key] = (track, value + 1)
        self._file.count(track, self._ns, value + 1)

    # --- what is told of an event -------------------------------------------------------------------------------------

    def _note(self, track: int, event: Event, name: str) -> None:
        self._file.instant(track, self._ns, name, _notes(event))

    def _in_words(self, event: ExceptionTaken | ExceptionReturned) -> dict[str, Value]:
        parts = words(event, self._symbols())
        said = " ".join(filter(None, (parts.result, parts.detail)))
        others = {key: value for key, value in _notes(event).items() if key not in _IN_WORDS}
        return {"what": parts.what, "text": said, **others}

    # --- machine ------------------------------------------------------------------------------------------------------

    def _start(self, event: Started) -> None:
        if not self._has_vms:
            self._cpu(event.cpu).levels.at(self._ns, event.el)

    def _taken(self, event: ExceptionTaken) -> None:
        thread = self._loaded.get(event.cpu) if self._has_vms else self._awake(event)
        if event.python:
            self._trapped[event.cpu] = event  # its exit will tell about it
        elif thread is not None:
            self._begin_exception(thread, event)
            self._count(thread.process, "interrupts" if event.kind in _INTERRUPTS else "exceptions")

    def _begin_exception(self, thread: CpuThread | VcpuThread, event: ExceptionTaken) -> None:
        notes, flows = self._in_words(event), list[int]()
        thread.levels.at(self._ns, event.from_el)
        if event.to_el == 2 > event.from_el:
            thread.flow = self._file.flow()
            flows.append(thread.flow)
            self._file.instant(thread.track, self._ns, "trap", notes, flows)
        name = f"EL{event.to_el} {class_name(event)}"
        thread.levels.take(self._ns, name, event.from_el, event.to_el, notes, flows)

    def _awake(self, event: Event) -> CpuThread:
        """Return the thread of the CPU that an event happened on, which waits no more."""
        thread = self._cpu(event.cpu)
        thread.wake(self._ns)
        return thread

    def _returned(self, event: ExceptionReturned) -> None:
        thread = self._loaded.get(event.cpu) if self._has_vms else self._awake(event)
        if thread is None:
            return
        if self._has_vms and event.from_el == 2:
            thread.levels.at(self._ns, event.to_el)
        else:
            thread.levels.at(self._ns, event.from_el)
            thread.levels.leave(self._ns, event.to_el)
        if event.from_el == 2 > event.to_el:
            ending = () if thread.flow is None else (thread.flow,)
            self._file.instant(thread.track, self._ns, "ERET", self._in_words(event), ending=ending)
            thread.flow = None

    def _waited(self, event: Waited) -> None:
        if self._has_vms:
            self._unload(event.cpu)
            self._cpu(event.cpu).show(self._ns, "idle")
        else:
            self._cpu(event.cpu).wait(self._ns, event.instruction.upper(), _notes(event))

    def _ended(self, event: Ended) -> None:
        self._note(self._process(_MACHINE), event, "end")

    def _machine_event(self, event: Event) -> None:
        """Note an event on the vCPU whose guest did it, or on the CPU."""
        if is_console_traffic(event):
            return
        loaded = self._loaded.get(event.cpu) if event.el < 2 else None
        if loaded is None and not self._has_vms and not isinstance(event, InterruptLine):
            self._awake(event)
        track = self._cpu(event.cpu).track if loaded is None else loaded.track
        self._note(track, event, _NAMES[type(event)](event))

    # --- consoles -----------------------------------------------------------------------------------------------------

    def _printed(self, event: ConsoleOutput) -> None:
        track, held = self._console(event.device)
        self._consoles[event.device] = track, held + event.text
        if event.text.endswith("\n") or len(held) >= _LONGEST_LINE:
            self._console_line(event.device)

    def _typed(self, event: ConsoleInput) -> None:
        self._note(self._console(event.device)[0], event, "input")

    def _console(self, device: str) -> tuple[int, str]:
        if device not in self._consoles:
            vm, slash, name = device.rpartition("/")
            process = self._process(vm if slash else _MACHINE)
            self._consoles[device] = self._file.events(process, name), ""
        return self._consoles[device]

    def _console_line(self, device: str) -> None:
        track, held = self._consoles[device]
        if held:
            self._file.instant(track, self._ns, "output", {"text": held})
        self._consoles[device] = track, ""

    # --- VMs ----------------------------------------------------------------------------------------------------------

    def _running(self, event: VmEvent) -> None:
        vcpu = self._of(event)
        self._unload(event.cpu)
        self._loaded[event.cpu] = vcpu
        vcpu.run(self._ns, {"cpu": event.cpu})
        self._cpu(event.cpu).show(self._ns, f"{event.vm}/vcpu{event.vcpu}")

    def _on_cpu(self, event: VmEvent) -> VcpuThread:
        """Return a vCPU that is on a CPU, also where it was not told how it came there: before the trace began."""
        vcpu = self._of(event)
        if not vcpu.is_running:
            self._running(event)
        return vcpu

    def _of(self, event: VmEvent) -> VcpuThread:
        assert event.vcpu is not None
        return self._vcpu(event.vm, event.vcpu)

    def _unload(self, cpu: int) -> None:
        """Take off a CPU what ran there: it was told why, unless it switched itself off or gave its turn away."""
        vcpu = self._loaded.pop(cpu, None)
        if vcpu is not None and vcpu.is_running:
            vcpu.off(self._ns)

    def _exit(self, event: KvmExit) -> None:
        vcpu, flow, trapped = self._on_cpu(event), self._file.flow(), self._trapped.pop(event.cpu, None)
        notes = _notes(event) if trapped is None else self._in_words(trapped)
        self._file.instant(vcpu.track, self._ns, "trap", notes, (flow,))
        vcpu.exit(self._ns, class_name(event), flow, _notes(event))
        self._count(event.vm, "exits")

    def _entry(self, event: KvmEntry) -> None:
        self._on_cpu(event).enter(self._ns)

    def _blocked(self, event: VcpuBlocked) -> None:
        self._stopped(event, "blocked")

    def _preempted(self, event: VcpuPreempted) -> None:
        self._stopped(event, "ready")

    def _stopped(self, event: VcpuBlocked | VcpuPreempted, name: str) -> None:
        vcpu = self._of(event)
        vcpu.wait(self._ns, name, _notes(event))
        for cpu in [cpu for cpu, loaded in self._loaded.items() if loaded is vcpu]:
            del self._loaded[cpu]
            self._cpu(cpu).off(self._ns)

    def _woken(self, event: KvmVcpuWakeup) -> None:
        self._of(event).wait(self._ns, "ready", _notes(event))

    def _vm_ended(self, event: VmEnded) -> None:
        for (vm, _), vcpu in self._vcpus.items():
            if vm == event.vm:
                vcpu.off(self._ns)
        self._note(self._process(event.vm), event, "end")

    def _vm_event(self, event: VmEvent) -> None:
        track = self._process(event.vm) if event.vcpu is None else self._of(event).track
        self._note(track, event, _tag(event))


def _tag(event: Event) -> str:
    return str(type(event).__struct_config__.tag)


def _notes(event: Event) -> dict[str, Value]:
    """Return an event's position and its own fields, without those that do not apply."""
    own = {key: value for key, value in msgspec.structs.asdict(event).items() if key not in _PLACE}
    values = {key: _plain(value) for key, value in own.items() if value is not None}
    return {"position": f"{event.n}.{event.seq}", "pc": event.pc, **values}


def _plain(value: Any) -> Value:
    if isinstance(value, bool | int | str):
        return value
    return ", ".join(each if isinstance(each, str) else f"{each:#x}" for each in value)


_NAMES: Final[dict[type[Event], Callable[[Any], str]]] = {
    RegisterAccess: lambda event: f"{'reads' if event.is_read else 'writes'} {event.register}",
    DeviceAccess: lambda event: f"{'writes' if event.is_write else 'reads'} {event.device}",
    Maintenance: lambda event: str(event.operation).lower(),
    NotWaited: lambda event: f"{event.instruction}, not waited",
    InterruptLine: lambda event: f"{event.line} line {'rises' if event.level else 'falls'}",
    FirmwareCall: lambda event: event.name or "firmware call",
    Edited: lambda event: "edited from outside",
}
"""The instants of events that nothing else is drawn for."""

_DRAW: Final[dict[type[Event], Callable[[PerfettoSink, Any], None]]] = {
    **{kind: PerfettoSink._vm_event for kind in AnyEvent.__args__ if issubclass(kind, VmEvent)},
    **dict.fromkeys(_NAMES, PerfettoSink._machine_event),
    Started: PerfettoSink._start,
    ExceptionTaken: PerfettoSink._taken,
    ExceptionReturned: PerfettoSink._returned,
    Waited: PerfettoSink._waited,
    ConsoleOutput: PerfettoSink._printed,
    ConsoleInput: PerfettoSink._typed,
    Ended: PerfettoSink._ended,
    VcpuRunning: PerfettoSink._running,
    KvmExit: PerfettoSink._exit,
    KvmEntry: PerfettoSink._entry,
    VcpuBlocked: PerfettoSink._blocked,
    VcpuPreempted: PerfettoSink._preempted,
    KvmVcpuWakeup: PerfettoSink._woken,
    VmEnded: PerfettoSink._vm_ended,
}
