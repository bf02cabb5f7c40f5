"""What if: the same guest run twice, once with a control changed, to where the two runs part, and on to their ends.

Read `runner/runner.py` and `explain/comparison.py` before this file, `cli/whatif.py`, which prints the result, after
it. Both machines run in turns, a stretch of instructions each, and their events are compared as they come: none is kept
that both have, so a run may be as long as it likes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, cast

import msgspec

from arm_hyp.arch.registers import layout_of
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.events import Event, NullSink, RegisterAccess
from arm_hyp.explain.trace_lines import merged
from arm_hyp.hypervisor.student.failures import HandlerFailure
from arm_hyp.kvm_events import AnyEvent, KvmEntry
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit, Run, Type
from arm_hyp.runner.runner import Runner
from arm_hyp.runner.settings import Setting, parse_setting

SHOWN: Final = 8
_SHORTEST, _LONGEST = 1 << 10, 1 << 18
"""The stretches, in instructions: longer while little happens."""
_MANY_EVENTS: Final = 1 << 14
_COMMON_KEPT: Final = 64


class End(msgspec.Struct, frozen=True):
    """How a run ended: as the Runner says it, and all that was printed, by VM or by the machine."""

    reason: str
    status: int
    text: str
    n: int
    consoles: tuple[str, ...]


class Side(msgspec.Struct, frozen=True):
    """One run from where the two part: its events there, and its end."""

    events: tuple[AnyEvent, ...]
    end: End


class Overwritten(msgspec.Struct, frozen=True):
    """The guest wrote the register that was set, and lost what was set there."""

    register: str
    n: int
    pc: int
    value: int


class WhatIf(msgspec.Struct, frozen=True):
    """Both runs. `common` counts the events that both have, `last_common` are the last of them.

    `first` are the first events that differ; None of a run that has none left. `vms` names the VMs, and `vcpu` the one
    that ran where the runs part; both are empty where there is no hypervisor in Python.
    """

    change: tuple[str, ...]
    common: int
    last_common: tuple[AnyEvent, ...]
    first: tuple[AnyEvent | None, AnyEvent | None]
    without: Side
    changed: Side
    overwritten: Overwritten | None = None
    vms: tuple[str, ...] = ()
    vcpu: str = ""

    @property
    def has_parted(self) -> bool:
        """Tell whether any event differs."""
        return self.first != (None, None)


class _Twin:
    """One of the two runs. `events` are those that were not compared yet; `is_over` when it can run no further."""

    def __init__(
        self, configuration: Configuration, typed: bytes, limit: int, settings: Sequence[str], vm: str = ""
    ) -> None:
        self.events: deque[Event] = deque()
        self.runner = Runner(configuration, self)
        self.runner.send(Type(typed))
        self.runner.send(Edit(tuple(settings), self._index_of(vm)))
        self.events.clear()
        self._limit, self._failure, self.is_over = limit, "", False

    def _index_of(self, vm: str) -> int:
        """Return the number of a VM; of the first one if none is named. Raises: UserError."""
        names = self.vms
        if vm and vm not in names:
            advice = f"name one of {', '.join(names)}" if names else "add --hypervisor, or leave it out"
            raise UserError(f"--vm {vm}", "there is no such VM", advice)
        return names.index(vm) if vm else 0

    @property
    def vms(self) -> tuple[str, ...]:
        """The names of the VMs."""
        return () if self.runner.hypervisor is None else tuple(vm.name for vm in self.runner.hypervisor.vms)

    def emit(self, event: Event) -> None:
        """Keep an event until it is compared."""
        self.events.append(event)

    def advance(self, count: int) -> None:
        """Run a stretch."""
        left = self._limit - self.runner.machine.retired
        try:
            self.is_over = self.is_over or left <= 0 or self.runner.machine.step(min(count, left))
        except HandlerFailure as failure:
            self._failure, self.is_over = str(failure), True

    def show(self, count: int) -> tuple[AnyEvent, ...]:
        """Run on until there are so many events to show, and return them; what prints a line is one."""
        while not self.is_over and len([*merged(self.events)]) <= count:
            self.advance(_SHORTEST)
        return cast(tuple[AnyEvent, ...], tuple(islice(merged(self.events), count)))

    @property
    def head(self) -> AnyEvent | None:
        """The first event that was not compared."""
        return cast(AnyEvent, self.events[0]) if self.events else None

    def finish(self) -> End:
        """Run to the end, unheard, and say how it ended."""
        for core in self.runner.machine.cpus.cores:
            core.sink = NullSink()
        if self._failure:
            answer: dict[str, Any] = {"reason": "handler", "status": 1, "text": self._failure}
        else:
            answer = self.runner.send(Run(self._limit))
        consoles = tuple(console.decode("utf-8", "replace") for console in self.runner.consoles)
        return End(answer["reason"], answer["status"], answer["text"], self.runner.machine.retired, consoles)


def what_if(
    configuration: Configuration,
    change: Sequence[str],
    limit: int,
    typed: bytes = b"",
    shown: int = SHOWN,
    *,
    both: Sequence[str] = (),
    vm: str = "",
) -> tuple[WhatIf, SymbolTable]:
    """Run a guest without and with a change (settings, `REG[.FIELD]=VALUE`, of CPU 0 or vCPU 0), and compare.

    `limit` in instructions, for each; `shown` events of each are kept from where they part. `both` are settings of both
    runs, `vm` names the VM whose vCPU 0 is meant (none: the first). The guest's symbols come with the result.
    Raises: UserError.
    """
    without, changed = (_Twin(configuration, typed, limit, each, vm) for each in ((*both,), (*both, *change)))
    watch = _Overwrites([parse_setting(text) for text in change])
    common, last = _to_parting(without, changed, watch)
    first = without.head, changed.head
    sides = [Side(twin.show(shown) if any(first) else (), twin.finish()) for twin in (without, changed)]
    last_common = cast(tuple[AnyEvent, ...], tuple(last))
    vcpu = _vcpu_at(first, last)
    result = WhatIf(tuple(change), common, last_common, first, sides[0], sides[1], watch.found, without.vms, vcpu)
    return result, without.runner.symbols


def _vcpu_at(first: tuple[Event | None, Event | None], last: Iterable[Event]) -> str:
    """Return the vCPU that ran on a CPU where the runs part: the one that was entered last there."""
    cpu = next((event.cpu for event in first if event is not None), None)
    entries = [event for event in last if isinstance(event, KvmEntry) and event.cpu == cpu]
    return f"{entries[-1].vm}/vcpu{entries[-1].vcpu}" if entries else ""


def _to_parting(without: _Twin, changed: _Twin, watch: _Overwrites) -> tuple[int, deque[Event]]:
    """Run both until an event differs, or both are over; return how many are common, and the last of them."""
    stretch, common, last = _SHORTEST, 0, deque[Event](maxlen=_COMMON_KEPT)
    while not (without.is_over and changed.is_over):
        without.advance(stretch)
        changed.advance(stretch)
        many = len(without.events) > _MANY_EVENTS
        stretch = max(_SHORTEST, stretch // 2) if many else min(_LONGEST, 2 * stretch)
        while without.events and changed.events and is_same(without.events[0], changed.events[0]):
            last.append(without.events.popleft())
            watch.look(changed.events.popleft())
            common += 1
        if without.events or changed.events:
            break
    return common, last


def is_same(one: Event, other: Event) -> bool:
    """Tell whether two runs did the same: the control registers beside, and what was read from or written to one."""
    return type(one) is type(other) and _compared(one) == _compared(other)


def _compared(event: Event) -> Event:
    if isinstance(event, RegisterAccess):
        return msgspec.structs.replace(event, value=0)
    controls = getattr(event, "controls", None)
    return event if controls is None else msgspec.structs.replace(event, controls={})


def _holds(setting: Setting, value: int) -> bool:
    """Tell whether a register's value still has what was set."""
    layout = layout_of(setting.register)
    if setting.field is None or layout is None:
        return setting.value == value
    held = layout(value & (1 << layout.WIDTH) - 1)
    return int(held) == int(held.replace(**{setting.field: setting.value}))


class _Overwrites:
    """Notices that a guest's own write takes a setting back."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        self._settings = {setting.register: setting for setting in settings}
        self.found: Overwritten | None = None

    def look(self, event: Event) -> None:
        """Look at an event of the run that was changed."""
        if self.found is not None or not isinstance(event, RegisterAccess) or event.is_read:
            return
        setting = self._settings.get(event.register)
        if setting is not None and not _holds(setting, event.value):
            self.found = Overwritten(event.register, event.n, event.pc, event.value)
