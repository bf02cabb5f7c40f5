"""Tells all that happens for the first time, and leaves nothing out: events, and what is printed.

Read `timeline/process/events.py` (the same for a screen, which may miss some) before this file,
`timeline/process/session.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from arm_hyp.events import Event
from arm_hyp.kvm_events import AnyEvent

MOST_HELD: Final = 1000
"""Events. What is printed in between is less than that, or as much as the guest's console keeps anyway."""


class Happened(msgspec.Struct, frozen=True, array_like=True):
    """An event, and how long the machine had been idle by then: with the event's position that is the virtual time."""

    idle_ns: int
    event: AnyEvent


class Printed(msgspec.Struct, frozen=True, array_like=True):
    """What a guest printed, with the index of its VM: 0 where there are none."""

    vm: int
    data: bytes


class Told(msgspec.Struct, frozen=True, tag="told"):
    """What has happened since the last time."""

    events: tuple[Happened, ...] = ()
    printed: tuple[Printed, ...] = ()


class Teller:
    """A sink that holds what is to be told, up to a number of events: then `on_full` has it fetched.

    `idle_ns` says how long the machine has been idle.
    """

    def __init__(self, interests: frozenset[type[Event]], idle_ns: Callable[[], int]) -> None:
        self.interests, self._idle_ns = interests, idle_ns
        self._events: list[Happened] = []
        self._printed: list[Printed] = []
        self._is_inside = False
        self.on_full: Callable[[], None] = lambda: None

    def emit(self, event: Event) -> None:
        """Take an event."""
        if type(event) not in self.interests:
            return
        self._is_inside = True
        self._events.append(Happened(self._idle_ns(), event))  # type: ignore[arg-type]
        self._is_inside = False
        if len(self._events) >= MOST_HELD:
            self.on_full()

    def print(self, vm: int, data: bytes) -> None:
        """Take what was printed."""
        self._is_inside = True
        self._printed.append(Printed(vm, data))
        self._is_inside = False

    def take(self) -> Told | None:
        """Return what is held, if anything is; nothing, from a signal handler while something comes in."""
        if self._is_inside or not (self._events or self._printed):
            return None
        told = Told(tuple(self._events), tuple(self._printed))
        self._events, self._printed = [], []
        return told
