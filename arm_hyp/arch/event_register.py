"""The Event Register: one bit for each PE that no instruction can read, and the classic reason why a WFE did not trap.

Read `arch/interrupts.py` before and `arch/traps.py` after this file.

The bit says that something happened since the last WFE. A WFE that finds it set clears it and goes on: it does not
wait, and it does not trap either, HCR_EL2.TWE or not. Because every exception return sets it, the first WFE after a
hypervisor's ERET never traps; the second does. The CPU layer keeps the bit, as a bool; this file is the rules.

Ref: Arm ARM D1.7.1.1 (R_RRJYVC, R_XRZRK, I_PJZBB); pseudocode Hint_WFE, SendEvent, SendEventLocal.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class EventSource(Enum):
    """Everything that sets the Event Register. `reaches_all`: that of every PE, not only of the one it happened on."""

    SEV = ("SEV", True)
    SEVL = ("SEVL", False)
    EXCEPTION_RETURN = ("an exception return", False)
    GLOBAL_MONITOR_CLEARED = ("the clearing of this PE's global exclusive monitor", False)
    TIMER_EVENT_STREAM = ("the timer's event stream of this PE", False)

    def __init__(self, text: str, reaches_all: bool) -> None:
        self.text, self.reaches_all = text, reaches_all


class Wfe(NamedTuple):
    """What a WFE does first. `completes`: it is over at once, so it neither waits nor traps."""

    completes: bool
    event_register: bool


def send_event(source: EventSource, on_cpu: int, event_registers: tuple[bool, ...]) -> tuple[bool, ...]:
    """Return the Event Registers of all PEs after an event on PE number `on_cpu`."""
    return tuple(was_set or source.reaches_all or cpu == on_cpu for cpu, was_set in enumerate(event_registers))


def wait_for_event(event_register: bool) -> Wfe:
    """Begin a WFE: a set Event Register is cleared and ends it; otherwise the trap rules and then the wait follow.

    A pending interrupt does not matter here: unlike WFI, a WFE with one pending still traps.
    """
    return Wfe(completes=event_register, event_register=False)
