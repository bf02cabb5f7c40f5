"""What a run reports: frozen event types, declared low and consumed high.

Read `arch/` before this file, `kvm_events.py` (what a hypervisor in Python reports) and `cpu/core.py` after it. The
core, the devices and the firmware emit; traces, tables, explanations and checkers listen. `docs/trace-format.md`
documents the fields as they appear in a JSON Lines trace; `SCHEMA_VERSION` grows with them, and fields are only ever
added.

Every event carries its position: `n` is the number of instructions retired by the machine, `seq` counts exceptions,
returns, handler effects and inputs since `n` last advanced.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

SCHEMA_VERSION: Final = 5


class Event(msgspec.Struct, frozen=True, tag_field="event"):
    """Where and when: position, CPU index, exception level and PC at the time of the event."""

    n: int
    seq: int
    cpu: int
    el: int
    pc: int


class Started(Event, frozen=True, tag="started"):
    """The first line of a trace: which schema it follows, and the machine that runs. Positions begin at (0, 0)."""

    schema: int
    model: str
    gic: int
    memory_bytes: int


class ExceptionTaken(Event, frozen=True, tag="exception_taken"):
    """An exception was taken. `el` and `pc` are those it was taken from; `esr`, `far`, `hpfar` are None if not written.

    `controls` holds the control registers that the trap rules read, so that the trap can be explained later.
    `instruction` is the word at `pc`, if it could be fetched. `python` says that Python sits at the target EL.
    """

    kind: str
    from_el: int
    to_el: int
    vector: int
    ec: int | None
    esr: int | None
    far: int | None
    hpfar: int | None
    elr: int
    spsr: int
    virtual: bool
    python: bool
    instruction: int | None
    controls: dict[str, int]


class ExceptionReturned(Event, frozen=True, tag="exception_returned"):
    """An ERET was executed at `el`, or done by a Python hypervisor. `illegal` is the reason of an illegal return."""

    from_el: int
    to_el: int
    elr: int
    spsr: int
    illegal: str | None


class RegisterAccess(Event, frozen=True, tag="register_access"):
    """A system register that the machine implements was read or written."""

    register: str
    is_read: bool
    value: int


class CounterRead(RegisterAccess, frozen=True, tag="register_access"):
    """A name for the reads of the system counter, which software does in loops. They are told as `RegisterAccess`.

    Who wants those, but can do without these, leaves this type out of its `interests`: they are ten times as fast then.
    """


class Maintenance(Event, frozen=True, tag="maintenance"):
    """A TLB or instruction-cache maintenance operation ran."""

    operation: str
    operand: int


class Barrier(Event, frozen=True, tag="barrier"):
    """A DSB or ISB ran, as it is written in assembly. Only for sinks that ask for it: see `asks`."""

    instruction: str


class TranslationWrite(Event, frozen=True, tag="translation_write"):
    """An MSR writes a register that decides translations and lies in the core. Only for sinks that ask for it."""

    register: str
    value: int


class NotWaited(Event, frozen=True, tag="not_waited"):
    """A WFI or WFE completed at once, for the stated reason."""

    instruction: str
    reason: str


class Waited(Event, frozen=True, tag="waited"):
    """A WFI or WFE was executed and the CPU waits."""

    instruction: str


class ConsoleOutput(Event, frozen=True, tag="console_output"):
    """A guest printed. Text is decoded as Latin-1: one character a byte."""

    device: str
    text: str


class ConsoleInput(Event, frozen=True, tag="console_input"):
    """Bytes from the user entered a device, at a virtual time in ns. Text is as that of `ConsoleOutput`."""

    device: str
    text: str
    time_ns: int


class Edited(Event, frozen=True, tag="edited"):
    """Somebody changed registers or memory from outside the machine: the user, or a debugger."""


class InterruptLine(Event, frozen=True, tag="interrupt_line"):
    """An interrupt line into the CPU changed."""

    line: str
    level: bool


class DeviceAccess(Event, frozen=True, tag="device_access"):
    """A CPU read or wrote a register of a device on the bus. `value` is what was read or written."""

    device: str
    offset: int
    size_bytes: int
    is_write: bool
    value: int


class FirmwareCall(Event, frozen=True, tag="firmware_call"):
    """The firmware below EL2 answered an SMC, or HVC by its conduit. `result` is None if it does not return."""

    conduit: str
    function: int
    name: str
    result: int | None


class Ended(Event, frozen=True, tag="ended"):
    """The run ended: `reason` is one of the machine's stop reasons, `text` says it in words."""

    reason: str
    status: int
    text: str


MachineEvent = (
    Started
    | ExceptionTaken
    | ExceptionReturned
    | RegisterAccess
    | Maintenance
    | Barrier
    | TranslationWrite
    | NotWaited
    | Waited
    | ConsoleOutput
    | ConsoleInput
    | Edited
    | InterruptLine
    | DeviceAccess
    | FirmwareCall
    | Ended
)
"""The types of this file; `kvm_events.AnyEvent` are all that there are."""


class EventSink(Protocol):
    """Whoever listens. A sink leaves no mark on the machine.

    If it has an attribute `interests`, a frozenset of event types, it may be spared the others, which saves time.
    """

    def emit(self, event: Event) -> None:
        """Take one event."""


def hears(sink: EventSink, kind: type[Event]) -> bool:
    """Tell whether a sink wants events of a type. One without `interests` wants all."""
    if isinstance(sink, FanOut):
        return any(hears(each, kind) for each in sink.sinks)
    interests: frozenset[type[Event]] | None = getattr(sink, "interests", None)
    return interests is None or kind in interests


def with_counter_reads(kinds: frozenset[type[Event]]) -> frozenset[type[Event]]:
    """Return the interests of who wants all of these events, whatever registers they are of."""
    return kinds | {CounterRead} if RegisterAccess in kinds else kinds


def asks(sink: EventSink, kind: type[Event]) -> bool:
    """Tell whether a sink names a type in its `interests`. What is told only then stops the core each time."""
    if isinstance(sink, FanOut):
        return any(asks(each, kind) for each in sink.sinks)
    return kind in getattr(sink, "interests", ())


class NullSink:
    """Nobody listens; the core does not even make the events."""

    interests: Final[frozenset[type[Event]]] = frozenset()

    def emit(self, event: Event) -> None:
        """Drop the event."""


class RecordingSink:
    """Keeps every event, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Append the event."""
        self.events.append(event)


class FanOut:
    """Passes every event to several sinks, in order."""

    def __init__(self, *sinks: EventSink) -> None:
        self.sinks = sinks

    def emit(self, event: Event) -> None:
        """Pass the event on."""
        for sink in self.sinks:
            sink.emit(event)
