"""What happened lately, as far as a diagnosis needs it: a sink that keeps little, however long the run.

Read `events.py` before this file, `explain/diagnosis/diagnose.py` after it. A run that nobody listens to has none.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.instructions import InstructionKind, decode_system
from arm_hyp.arch.psci import Status
from arm_hyp.arch.syndromes import EC
from arm_hyp.events import Event, ExceptionReturned, ExceptionTaken, FirmwareCall
from arm_hyp.kvm_events import GuestCall

_CHAIN: Final = 4
_ACCESSES: Final = frozenset({InstructionKind.MRS, InstructionKind.MSR})
_M32: Final = 0xFFFF_FFFF


class Refused(NamedTuple):
    """A call of the firmware, or of a VM's, that failed: its name, where, and the error."""

    name: str
    pc: int
    status: str


class Recent:
    """Keeps what a diagnosis asks of the past.

    `chain` are the last synchronous exceptions between which nothing retired, the first ones. `handled` is by CPU, the
    exception whose handler it is in. `trapped` is by register name, `refused` by the name of the call.
    """

    interests: Final = frozenset[type[Event]]({ExceptionTaken, ExceptionReturned, FirmwareCall, GuestCall})

    def __init__(self) -> None:
        self.chain: list[ExceptionTaken] = []
        self.handled: dict[int, ExceptionTaken] = {}
        self.trapped: dict[str, ExceptionTaken] = {}
        self.refused: dict[str, Refused] = {}

    def emit(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, FirmwareCall | GuestCall):
            self._called(event)
        elif isinstance(event, ExceptionReturned):
            self.handled.pop(event.cpu, None)
        elif isinstance(event, ExceptionTaken):
            self._taken(event)

    def _taken(self, event: ExceptionTaken) -> None:
        if event.python:
            return
        self.handled[event.cpu] = event
        if self.chain and self.chain[0].n != event.n:
            self.chain = []
        if event.kind == "sync" and len(self.chain) < _CHAIN:
            self.chain = [*self.chain, event]
        name = accessed_register(event.instruction)
        if name and event.ec in (EC.UNKNOWN, EC.SYSREG):
            self.trapped[name] = event

    def _called(self, call: FirmwareCall | GuestCall) -> None:
        status = status_of(call.result)
        if status:
            self.refused[call.name] = Refused(call.name, call.pc, status)
        else:
            self.refused.pop(call.name, None)


def accessed_register(word: int | None) -> str:
    """Return the name of the system register that an instruction reads or writes; empty if it is no MRS or MSR."""
    decoded = None if word is None else decode_system(word)
    if decoded is None or decoded.kind not in _ACCESSES:
        return ""
    return sysregs.name_of(decoded.encoding, decoded.is_read)


def status_of(result: int | None) -> str:
    """Return the name of the error that a call of the firmware returned; empty for success."""
    if result is None or not result >> 31 & 1:
        return ""
    value = (result & _M32) - (1 << 32)
    return Status(value).name if value in Status._value2member_map_ else str(value)
