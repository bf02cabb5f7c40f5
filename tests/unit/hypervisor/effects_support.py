"""Guests under handlers of all kinds, run live and again from the log of what the handlers did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from guest_support import Guest

from arm_hyp.hypervisor.dispatch import dispatch
from arm_hyp.hypervisor.student.code import StudentCode
from arm_hyp.hypervisor.student.effects import EffectLog
from arm_hyp.hypervisor.student.failures import HandlerFailure
from arm_hyp.hypervisor.student.loading import load_handlers
from arm_hyp.hypervisor.student.recorded import RecordedHandlers

IMPORTS = "from arm_hyp.hypervisor import *\n"


@dataclass
class Ran:
    """A guest under handlers; how it ended: the outcome, or the failure of a handler."""

    guest: Guest
    code: StudentCode
    end: object = None

    def run(self) -> Ran:
        """Run on to the end."""
        try:
            self.end = self.guest.run()
        except HandlerFailure as failure:
            self.end = str(failure)
        return self

    def state(self) -> dict[str, Any]:
        """Return all state."""
        return {
            "machine": self.guest.machine.snapshot(),
            "hypervisor": self.guest.hypervisor.snapshot(),
            "handlers": self.code.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> Ran:
        """Take a state back, and forget the events."""
        self.guest.machine.restore(state["machine"])
        self.guest.hypervisor.restore(state["hypervisor"])
        self.code.restore(state["handlers"])
        self.guest.sink.events.clear()
        return self

    def recording(self) -> tuple[Any, list[bytes]]:
        """Return what a file would hold."""
        return msgspec.to_builtins(self.code.registrations), self.code.log.packed


def connect(guest: Guest, code: StudentCode) -> Ran:
    """Put handlers under a guest."""
    code.attach(guest.vm)
    guest.hypervisor.dispatch = code.dispatch
    return Ran(guest, code)


def live(path: Path, source: str, guest: str, **options: Any) -> Ran:
    """Load handlers, and run a guest under them."""
    (path / "h.py").write_text(IMPORTS + source)
    return connect(Guest(guest + "\n", run=False, **options), StudentCode(load_handlers(path / "h.py"), dispatch))


def replayed(registrations: Any, effects: list[bytes], guest: str, **options: Any) -> Ran:
    """Make a guest under handlers that are only replayed, from what went through MessagePack."""
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode([registrations, effects]))
    recorded = RecordedHandlers.of(*packed)
    return connect(
        Guest(guest + "\n", run=False, **options), StudentCode(recorded.handlers(), dispatch, recorded.effects)
    )


def assert_same(one: Ran, other: Ran) -> None:
    """All state, all events and the end are the same."""
    assert [repr(event) for event in one.guest.sink.events] == [repr(event) for event in other.guest.sink.events]
    assert str(one.end).rpartition("/")[2] == str(other.end).rpartition("/")[2]
    assert repr(one.state()) == repr(other.state())


def packed(log: EffectLog) -> list[Any]:
    """Return a log as plain lists, to be damaged."""
    return [msgspec.msgpack.decode(each) for each in log.packed]
