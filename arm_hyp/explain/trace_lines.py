"""One readable line an event, for the trace of a run and for the demo.

Read `events.py` and `kvm_lines.py` before this file and `why.py` after it. What a line consists of is first put into
words (`words`), so that a wide trace and a narrow column of the demo say the same.

A line reads: position `n.seq`, CPU, exception level, address, instruction, and what came of it:

      12.2  cpu0 EL1  0x40080030  wfi                  ->  EL2  WFx: trapped WFI  vector 0x40080c00 (VBAR_EL2+0x400)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from arm_hyp.arch import sysregs
from arm_hyp.arch.syndromes import one_line
from arm_hyp.events import (
    Barrier,
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
    TranslationWrite,
    Waited,
)
from arm_hyp.explain.kvm_lines import TRACEPOINTS, task, text, tracepoint
from arm_hyp.kvm_events import (
    GuestCall,
    GuestUndefined,
    HandlerEffect,
    HandlerOutput,
    Stage2Changed,
    VcpuBlocked,
    VcpuPreempted,
    VcpuRunning,
    VmEnded,
    VmEvent,
)

if TYPE_CHECKING:
    from arm_hyp.cpu.symbols import SymbolTable

INSTRUCTION_COLUMNS: Final = 24
_VECTOR_OFFSET_MASK: Final = 0x7FF
_VIRTUAL = {True: "virtual ", False: ""}
_KIND_NAME: Final = {"sync": "synchronous exception", "irq": "IRQ", "fiq": "FIQ", "serror": "SError"}


class Words(NamedTuple):
    """An event in words: `what` happened, `to` which level it led (None: to none), `result` and `detail` say more."""

    what: str
    to: int | None = None
    result: str = ""
    detail: str = ""
    has_address: bool = True


def line(event: Event, symbols: SymbolTable | None = None) -> str:
    """Return an event as one line of text, without a newline; `symbols` names targets and places."""
    parts = words(event, symbols)
    position = f"{event.n}.{event.seq}"
    address = f"{event.pc:#010x}" if parts.has_address else ""
    text = f"{position:>10}  cpu{event.cpu} EL{event.el}  {address:<10}  {parts.what}"
    if parts.to is None and not parts.result:
        return text
    arrow = "->" if parts.to is None else f"->  EL{parts.to}"
    columns = len(text) - len(parts.what) + max(INSTRUCTION_COLUMNS, len(parts.what) + 1)
    return "  ".join(filter(None, (f"{text:<{columns}}{arrow}", parts.result, parts.detail)))


def words(event: Event, symbols: SymbolTable | None = None) -> Words:
    """Put an event into words. Raises: KeyError for an event type that this table does not know."""
    return _WORDS[type(event)](event, symbols)


def is_console_traffic(event: Event) -> bool:
    """Tell whether an event is an access of the console's UART: lines in words show what is printed instead."""
    return isinstance(event, DeviceAccess) and event.device == "pl011"


def merged(events: Iterable[Event]) -> Iterator[Event]:
    """Give the events with console output joined to lines, and without the accesses that print it.

    Each line takes the place of its first character.
    """
    held: ConsoleOutput | None = None
    for event in events:
        if is_console_traffic(event):
            continue
        if held is not None and isinstance(event, ConsoleOutput) and _continues(held, event):
            held = msgspec.structs.replace(held, text=held.text + event.text)
            continue
        if held is not None:
            yield held
        held = event if isinstance(event, ConsoleOutput) else None
        if held is None:
            yield event
    if held is not None:
        yield held


def _continues(held: ConsoleOutput, event: ConsoleOutput) -> bool:
    return (held.cpu, held.device) == (event.cpu, event.device) and not held.text.endswith("\n")


def _place(address: int, symbols: SymbolTable | None) -> str:
    name = symbols.describe(address) if symbols is not None else ""
    return f"{address:#010x} <{name}>" if name else f"{address:#010x}"


def _instruction(event: ExceptionTaken, symbols: SymbolTable | None) -> str:
    if event.kind != "sync":
        return f"{_VIRTUAL[event.virtual]}{_KIND_NAME[event.kind]}"
    if event.instruction is None:
        return "(no instruction)"
    from arm_hyp.cpu.disassembler import disassemble  # here, because a run without exceptions needs no Capstone

    return disassemble(event.instruction, event.pc, symbols)


def _taken(event: ExceptionTaken, symbols: SymbolTable | None) -> Words:
    if event.esr is None:
        result = f"{_VIRTUAL[event.virtual]}{_KIND_NAME[event.kind]}"
    else:
        tge = bool(event.controls.get("hcr_el2", 0) >> 27 & 1)
        result = one_line(event.esr, event.to_el, sysregs.name_of, tge=tge)
    offset = event.vector & _VECTOR_OFFSET_MASK
    entered = f"Python at VBAR_EL{event.to_el}+{offset:#x}" if event.python else _vector(event, offset)
    fault = "" if event.far is None else f"FAR {event.far:#x}  "
    return Words(_instruction(event, symbols), event.to_el, result, fault + entered)


def _vector(event: ExceptionTaken, offset: int) -> str:
    return f"vector {event.vector:#010x} (VBAR_EL{event.to_el}+{offset:#x})"


def _returned(event: ExceptionReturned, symbols: SymbolTable | None) -> Words:
    illegal = f"illegal: {event.illegal}" if event.illegal else ""
    return Words("eret", event.to_el, _place(event.elr, symbols), illegal)


def _accessed(event: RegisterAccess, symbols: SymbolTable | None) -> Words:
    sign = "is" if event.is_read else "="
    verb = "reads" if event.is_read else "writes"
    return Words(f"{verb} {event.register}", result=f"{sign} {event.value:#x}")


def _maintained(event: Maintenance, symbols: SymbolTable | None) -> Words:
    return Words(event.operation.lower(), result=f"operand {event.operand:#x}")


def _barrier(event: Barrier, symbols: SymbolTable | None) -> Words:
    return Words(event.instruction)


def _translation_written(event: TranslationWrite, symbols: SymbolTable | None) -> Words:
    return Words(f"writes {event.register}", result=f"= {event.value:#x}")


def _not_waited(event: NotWaited, symbols: SymbolTable | None) -> Words:
    return Words(event.instruction, result=f"goes on: {event.reason}")


def _waited(event: Waited, symbols: SymbolTable | None) -> Words:
    return Words(event.instruction, result="the CPU waits")


def _printed(event: ConsoleOutput, symbols: SymbolTable | None) -> Words:
    return Words(f"prints {ascii_text(event.text)}", has_address=False)


def _typed(event: ConsoleInput, symbols: SymbolTable | None) -> Words:
    return Words(f"{event.device} receives {ascii_text(event.text)}", has_address=False)


def _edited(event: Edited, symbols: SymbolTable | None) -> Words:
    return Words("registers or memory are changed from outside", has_address=False)


def ascii_text(text: str) -> str:
    """Return console text in double quotes, with every byte that is not printable ASCII as an escape."""
    escaped = text.encode("unicode_escape").decode("ascii")
    return '"' + escaped.replace('"', '\\"') + '"'


def _line_changed(event: InterruptLine, symbols: SymbolTable | None) -> Words:
    return Words(f"{event.line} line {'rises' if event.level else 'falls'}", has_address=False)


def _device(event: DeviceAccess, symbols: SymbolTable | None) -> Words:
    verb, sign = ("writes", "=") if event.is_write else ("reads", "is")
    size = f"({8 * event.size_bytes}-bit)"
    return Words(f"{verb} {event.device}+{event.offset:#x}", result=f"{sign} {event.value:#x} {size}")


def _called(event: FirmwareCall, symbols: SymbolTable | None) -> Words:
    result = "" if event.result is None else f"returns {event.result:#x}"
    return Words(event.conduit, result=f"firmware: {event.name or hex(event.function)}", detail=result)


def _started(event: Started, symbols: SymbolTable | None) -> Words:
    gic = f"GICv{event.gic}" if event.gic else "no GIC"
    return Words(f"start: {event.model}, {gic}, {event.memory_bytes >> 20} MiB")


def _ended(event: Ended, symbols: SymbolTable | None) -> Words:
    return Words(f"end ({event.reason}, status {event.status}): {event.text}", has_address=False)


# --- what a hypervisor in Python reports: KVM's events in KVM's own words, the others in ours -------------------------


def _traced(event: VmEvent, symbols: SymbolTable | None) -> Words:
    return Words(f"{task(event)} {tracepoint(event)}", result=text(event).strip(), has_address=False)


def _blocked(event: VcpuBlocked, symbols: SymbolTable | None) -> Words:
    return Words(f"{task(event)} blocks", result=event.reason, has_address=False)


def _running(event: VcpuRunning, symbols: SymbolTable | None) -> Words:
    return Words(f"{task(event)} runs", result=f"was ready for {event.waited_ns:,} ns", has_address=False)


def _preempted(event: VcpuPreempted, symbols: SymbolTable | None) -> Words:
    return Words(f"{task(event)} is preempted", result=f"{event.reason}, ran {event.ran_ns:,} ns", has_address=False)


def _stage2(event: Stage2Changed, symbols: SymbolTable | None) -> Words:
    pa = "" if event.pa is None else f"PA {event.pa:#x}"
    range_ = f"IPA {event.ipa:#x}, {event.size_bytes:#x} bytes"
    return Words(f"{task(event)} stage 2 {event.operation}", result=range_, detail=pa, has_address=False)


def _guest_called(event: GuestCall, symbols: SymbolTable | None) -> Words:
    arguments = ", ".join(f"{argument:#x}" for argument in event.arguments)
    result = "" if event.result is None else f"returns {event.result:#x}"
    called = f"{event.name if event.name != 'unknown' else hex(event.function)}({arguments})"
    return Words(f"{task(event)} calls by {event.conduit}", result=called, detail=result, has_address=False)


def _guest_undefined(event: GuestUndefined, symbols: SymbolTable | None) -> Words:
    what = f"{event.what} is UNDEFINED at {_place(event.vcpu_pc, symbols)}"
    return Words(f"{task(event)} {what}", result=event.reason, has_address=False)


def _handler_printed(event: HandlerOutput, symbols: SymbolTable | None) -> Words:
    place = f"{event.file}:{event.line}"
    return Words(f"{task(event)} handler prints {ascii_text(event.text)}", result=place, has_address=False)


def _handler_did(event: HandlerEffect, symbols: SymbolTable | None) -> Words:
    answer = "" if event.answer is None else f"answers {event.answer:#x}"
    ends = f"fails: {event.failure}" if event.failure is not None else answer
    said = ascii_text("; ".join(event.actions))[1:-1]
    return Words(
        f"{task(event)} {event.handler} at {event.place}",
        result=said or ends,
        detail=ends if said else "",
        has_address=False,
    )


def _vm_ended(event: VmEnded, symbols: SymbolTable | None) -> Words:
    return Words(f"{event.vm} ends ({event.reason}): {event.text}", has_address=False)


_WORDS: Final[dict[type[Event], Callable[..., Words]]] = {
    **dict.fromkeys(TRACEPOINTS, _traced),
    VcpuBlocked: _blocked,
    VcpuRunning: _running,
    VcpuPreempted: _preempted,
    Stage2Changed: _stage2,
    GuestCall: _guest_called,
    GuestUndefined: _guest_undefined,
    HandlerOutput: _handler_printed,
    HandlerEffect: _handler_did,
    VmEnded: _vm_ended,
    Started: _started,
    ExceptionTaken: _taken,
    ExceptionReturned: _returned,
    RegisterAccess: _accessed,
    Maintenance: _maintained,
    Barrier: _barrier,
    TranslationWrite: _translation_written,
    NotWaited: _not_waited,
    Waited: _waited,
    ConsoleOutput: _printed,
    ConsoleInput: _typed,
    Edited: _edited,
    InterruptLine: _line_changed,
    DeviceAccess: _device,
    FirmwareCall: _called,
    Ended: _ended,
}
