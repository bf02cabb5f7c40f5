"""What a CPU that runs does next: some instructions one by one, then a long way, in a copy of the process.

Read `runner/runner.py` and `cpu/core.py` before this file, `explain/diagnosis/loops.py` after it. Everything here
advances the machine: it is called in a child process only (`diagnose.py`), so that the run itself is not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.instructions import InstructionKind, decode_system
from arm_hyp.arch.load_store import load_store_access
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.effective_address import effective_address
from arm_hyp.cpu.native import READ
from arm_hyp.events import DeviceAccess, Event, EventSink, ExceptionReturned, ExceptionTaken, NullSink, RecordingSink
from arm_hyp.kvm_events import KvmMmio
from arm_hyp.machine.cpus import SLICE

if TYPE_CHECKING:
    from arm_hyp.runner.runner import Runner

STEPS: Final = 2048
"""Instructions of each CPU that are looked at one by one."""
LOOKS: Final = 4
LOOK_STEPS: Final = 64
APART: Final = 250_000
"""Then so many instructions run unseen, and LOOK_STEPS are looked at, LOOKS times: is it still there?"""
APART_AT_MOST: Final = 4_000_000
APART_WITH_EVENTS: Final = 8_000
"""The same for CPUs that take exceptions or talk to devices all the time, which takes a hundred times as long."""

TO_WAIT: Final = 20_000
"""Within so many instructions a CPU that is idle most of the time should wait again."""


class Place(NamedTuple):
    """An instruction that ran, and at which level."""

    pc: int
    el: int
    word: int


class Load(NamedTuple):
    """What one instruction read: `source` is a device's register, a system register, or an address of RAM.

    `is_lock`: by a load-exclusive or an atomic operation.
    """

    pc: int
    source: str | int
    size_bytes: int
    is_lock: bool
    value: int


class Step(NamedTuple):
    """One instruction of a CPU or vCPU: the registers before it, what it read, and what happened meanwhile.

    `also` are instructions that were not seen: behind an exception, or behind a handler in Python.
    """

    cpu: int
    place: Place
    state: tuple[int, ...]
    loads: tuple[Load, ...]
    events: tuple[Event, ...]
    also: tuple[Place, ...]


class Watched(NamedTuple):
    """One CPU, or vCPU: its steps; whether it was still among them a million instructions later."""

    who: str
    steps: list[Step]
    stays: bool


class Observation(NamedTuple):
    """All that was seen. `ended`: the run came to an end meanwhile. Times in ns of virtual time.

    `outlasted`: the timer that was due has fired meanwhile.
    """

    watched: list[Watched]
    ended: bool
    retired: int
    passed_ns: int
    idle_ns: int
    outlasted: bool


class Observer:
    """Watches a machine run on. `due_ns`: when the next timer interrupts that can; 0 if none does."""

    def __init__(self, runner: Runner, due_ns: int) -> None:
        self._due_ns = due_ns
        self._runner, self._machine = runner, runner.machine
        self._sink = RecordingSink()
        self._steps: dict[str, list[Step]] = {}
        self._ended = False

    def observe(self) -> Observation:
        """Watch every CPU that runs."""
        machine = self._machine
        machine.user = machine.output = None
        retired, now_ns, idle_ns = machine.retired, machine.clock.now_ns, machine.clock.idle_ns
        for _ in machine.cpus.cores:
            self._watch(STEPS)
            if len(machine.cpus.cores) > 1:
                self._run(SLICE)
        seen, self._steps = self._steps, {}
        apart = self._distance(seen)
        gone = self._leavers({who: places_of(steps) for who, steps in seen.items()}, apart)
        watched = [Watched(who, steps[-STEPS:], who not in gone) for who, steps in sorted(seen.items())]
        passed = machine.retired - retired, machine.clock.now_ns - now_ns, machine.clock.idle_ns - idle_ns
        return Observation(watched, self._ended, *passed, passed[1] > self._due_ns > 0)

    def _distance(self, seen: dict[str, list[Step]]) -> int:
        """Choose how far apart the looks are: over the next interrupt, if that does not take too long."""
        steps = [step for each in seen.values() for step in each]
        if sum(bool(step.events) for step in steps) * 64 > len(steps):
            return APART_WITH_EVENTS
        return min(max(APART, 2 * self._due_ns // LOOKS), APART_AT_MOST)

    def run_to_wait(self, core: Core) -> bool:
        """Run on until a CPU waits; False if that takes too long."""
        self._listen(NullSink())
        for _ in range(TO_WAIT):
            if core.waiting or self._ended:
                return True
            self._ended = self._machine.step(1)
        return False

    def _leavers(self, places: dict[str, set[Place]], apart: int) -> set[str]:
        """Tell who is seen elsewhere than at the places that it was seen at, after a long way."""
        gone: set[str] = set()
        for _ in range(LOOKS):
            self._run(apart)
            self._steps = {}
            self._watch(LOOK_STEPS)
            gone |= {who for who, steps in self._steps.items() if not _among(steps, places.get(who, set()))}
        return gone

    def _listen(self, sink: EventSink) -> None:
        for core in self._machine.cpus.cores:
            core.sink = sink

    def _run(self, count: int) -> None:
        self._listen(NullSink())
        self._ended = self._ended or self._machine.step(count)

    def _watch(self, count: int) -> None:
        self._listen(self._sink)
        for _ in range(count):
            if self._ended:
                return
            core = self._machine.cpus.runnable() or self._machine.cpus.current
            if core.waiting or core.in_python:
                self._ended = self._machine.step(1)
            else:
                self._steps.setdefault(self._name(core), []).append(self._step(core))

    def _name(self, core: Core) -> str:
        """Return who runs on a CPU: a vCPU where there are any."""
        hypervisor = self._runner.hypervisor
        vcpu = None if hypervisor is None else hypervisor.cpus[core.index].vcpu
        return f"CPU {core.index}" if vcpu is None else vcpu.name

    def _step(self, core: Core) -> Step:
        pc, pstate = core.place()
        place = Place(pc, pstate >> 2 & 3, core.native.fetch_word(pc) or 0)
        state = (pc, pstate, core.sp, *map(core.x, range(31)))
        read = self._reader(core, place)
        self._sink.events.clear()
        self._ended = self._machine.step(1)
        events = tuple(self._sink.events)
        also = tuple(Place(at, el, core.native.fetch_word(at) or 0) for at, el in filter(None, map(_unseen, events)))
        has_trapped = any(isinstance(one, ExceptionTaken) and one.pc == pc and not one.python for one in events)
        loads = () if has_trapped else (*_device_loads(place, events), *read())
        return Step(core.index, place, state, loads, events, also)

    # --- what an instruction reads -----------------------------------------------------------------------------------

    def _reader(self, core: Core, place: Place) -> Callable[[], list[Load]]:
        """Look at an instruction before it runs; return what tells after it which RAM or system register it read."""
        decoded = decode_system(place.word)
        if decoded is not None and decoded.kind is InstructionKind.MRS:
            name = sysregs.name_of(decoded.encoding)
            return lambda: [Load(place.pc, name, 8, False, core.x(decoded.rt))]
        access = load_store_access(place.word)
        if access is None or not access.is_load or access.is_vector or access.base is None:
            return list
        va = effective_address(core, place.pc)
        pa = core.native.translate(va, READ)
        if pa is None or not self._machine.ram_device.contains(pa, access.element_bytes):
            return list
        value = int.from_bytes(self._machine.ram_device.read(pa, access.element_bytes), "little")
        is_lock = access.is_exclusive or access.is_atomic
        return lambda: [Load(place.pc, va, access.element_bytes, is_lock, value)]


def places_of(steps: list[Step]) -> set[Place]:
    """Return where the steps are."""
    return {step.place for step in steps} | {place for step in steps for place in step.also}


def _among(steps: list[Step], places: set[Place]) -> bool:
    """Tell whether nearly all steps are at known places: an interrupt may come at any time."""
    return sum(step.place in places for step in steps) * 4 >= len(steps) * 3


def _unseen(event: Event) -> tuple[int, int] | None:
    """Return where an instruction runs, and at which level, before the next one that is looked at."""
    if isinstance(event, ExceptionTaken):
        return None if event.python else (event.vector, event.to_el)
    return (event.elr, event.to_el) if isinstance(event, ExceptionReturned) else None


def _device_loads(place: Place, events: tuple[Event, ...]) -> list[Load]:
    """Return the reads of devices: of the machine's, and of those of a VM, which Python answers."""
    loads = [
        Load(place.pc, f"{event.device}+{event.offset:#x}", event.size_bytes, False, event.value)
        for event in events
        if isinstance(event, DeviceAccess) and not event.is_write
    ]
    return loads + [
        Load(place.pc, f"the device at {event.gpa:#x}", event.len, False, event.val)
        for event in events
        if isinstance(event, KvmMmio) and event.type == "read"
    ]
