"""What if: two branches of one run, with and without a change at the cursor, to where they part, and on to their ends.

Read `timeline/timeline.py`, `timeline/trail.py` and `explain/comparison.py` before this file, `cli/whatif.py`, which
prints the result, after it. Both branches are edited at the same place, the one without the change by nothing, so that
positions are the same in both. They are run in turns, a stretch each that is twice as long as the last one, and what
they told is compared by `timeline.differences`. The events that are shown are heard again, from the stretch where the
two part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, cast

import msgspec

from arm_hyp.arch.registers import layout_of
from arm_hyp.errors import UserError
from arm_hyp.events import Event, EventSink, NullSink, RegisterAccess
from arm_hyp.explain.trace_lines import merged
from arm_hyp.kvm_events import AnyEvent, KvmEntry
from arm_hyp.runner.messages import Edit
from arm_hyp.runner.settings import Setting, parse_setting
from arm_hyp.timeline.differences import Branch, first_other
from arm_hyp.timeline.passage import limit_reached
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.timeline import Timeline
from arm_hyp.timeline.trail import Trail, is_told

SHOWN: Final = 8
_SHORTEST: Final = 1 << 10
"""The first stretch, in instructions."""
_COMMON_KEPT: Final = 64


class End(msgspec.Struct, frozen=True):
    """How a run ended: as the Runner says it, and all that was printed, by VM or by the machine."""

    reason: str
    status: int
    text: str
    n: int
    consoles: tuple[str, ...]


class Side(msgspec.Struct, frozen=True):
    """One run from where the two part: its events there, its end, and the branch of the timeline that it is."""

    events: tuple[AnyEvent, ...]
    end: End
    branch: str


class Overwritten(msgspec.Struct, frozen=True):
    """The guest wrote the register that was set, and lost what was set there."""

    register: str
    n: int
    pc: int
    value: int


class WhatIf(msgspec.Struct, frozen=True):
    """Both runs, changed at a position. `common` counts the events that both have behind it, `last_common` ends them.

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
    at: Position = START

    @property
    def has_parted(self) -> bool:
        """Tell whether any event differs."""
        return self.first != (None, None)


class Changed(msgspec.Struct, frozen=True):
    """What is changed, as settings `REG[.FIELD]=VALUE`: of a CPU, or of a vCPU of a VM by name (none: the first VM).

    `both` are settings of both runs.
    """

    change: tuple[str, ...]
    both: tuple[str, ...] = ()
    vm: str = ""
    index: int = 0

    def check(self, timeline: Timeline) -> None:
        """Raises: UserError for a setting that is none, or a VM or CPU that is not there."""
        for text in (*self.change, *self.both):
            parse_setting(text)
        self._check_index(timeline, self._vm(timeline))

    def _vm(self, timeline: Timeline) -> int:
        names = _vms(timeline)
        if self.vm and self.vm not in names:
            advice = f"name one of {', '.join(names)}" if names else "add --hypervisor, or leave it out"
            raise UserError(f"--vm {self.vm}", "there is no such VM", advice)
        return names.index(self.vm) if self.vm else 0

    def _check_index(self, timeline: Timeline, vm: int) -> None:
        hypervisor = timeline.runner.hypervisor
        count = len(timeline.runner.machine.cpus.cores if hypervisor is None else hypervisor.vms[vm].vcpus)
        if self.index >= count:
            which = f"there is only CPU 0 to {count - 1}" if count > 1 else "there is only CPU 0"
            raise UserError(f"--cpu-index {self.index}", "there is no such CPU", which)

    def edits(self, timeline: Timeline) -> tuple[Edit, Edit]:
        """Return what to do to the run without the change, and to the other. Raises: UserError."""
        vm = self._vm(timeline)
        return Edit(self.both, vm, self.index), Edit((*self.both, *self.change), vm, self.index)


def what_if(
    timeline: Timeline,
    changed: Changed,
    limit: int,
    shown: int = SHOWN,
    *,
    name: str | None = None,
    is_interrupted: Callable[[], bool] = lambda: False,
) -> WhatIf:
    """Begin two branches at the cursor, without and with a change, run both to their ends, and compare.

    `limit` in instructions, for each; `shown` events of each are kept from where they part. The cursor is then at the
    end of the branch with the change, which may have a `name`. Raises: UserError.
    """
    begun = timeline.history.name, timeline.position
    changed.check(timeline)
    settings, (nothing, edit) = [parse_setting(text) for text in changed.change], changed.edits(timeline)
    pair = (
        _Side(timeline, begun, None, nothing, limit, [], is_interrupted),
        _Side(timeline, begun, name, edit, limit, settings, is_interrupted),
    )
    common, watch = _to_parting(*pair), pair[1].watch
    has_parted = any(len(side.trail) > common for side in pair)
    windows = [side.around(common, shown if has_parted else 0) for side in pair]
    first = windows[0].first, windows[1].first
    without, other = (side.finish(window, shown) for side, window in zip(pair, windows, strict=True))
    return WhatIf(
        changed.change,
        common,
        cast(tuple[AnyEvent, ...], tuple(windows[0].before)),
        first,
        without,
        other,
        watch.found if watch.index < common else None,
        _vms(timeline),
        windows[0].vcpu(first),
        begun[1],
    )


def _vms(timeline: Timeline) -> tuple[str, ...]:
    """Return the names of the VMs."""
    hypervisor = timeline.runner.hypervisor
    return () if hypervisor is None else tuple(vm.name for vm in hypervisor.vms)


def _to_parting(without: _Side, changed: _Side) -> int:
    """Run both until an event differs, or both are over; return how many are common."""
    stretch = _SHORTEST
    while True:
        without.advance(stretch)
        changed.advance(stretch)
        common, stretch = first_other(without.trail, changed.trail), 2 * stretch
        if common < max(len(without.trail), len(changed.trail)) or (without.is_over and changed.is_over):
            return common


class _Side:
    """One of the two branches, from where it begins. `trail` is what it told since."""

    def __init__(
        self,
        timeline: Timeline,
        begun: tuple[str, Position],
        name: str | None,
        edit: Edit,
        limit: int,
        settings: Sequence[Setting],
        is_interrupted: Callable[[], bool],
    ) -> None:
        timeline.listen(NullSink())
        timeline.switch(*begun)
        self._branch = Branch(timeline, timeline.branch(name, types_again=True).name)
        timeline.edit(edit)
        self.trail, self._limit, self._is_interrupted = Trail(), limit, is_interrupted
        self.watch = _Overwrites(settings, self.trail)
        self._stretches: list[tuple[Position, int]] = []
        self.is_over = False

    def advance(self, count: int) -> None:
        """Run a stretch."""
        if self.is_over:
            return
        timeline = self._branch.take_up()
        self._stretches.append((timeline.position, len(self.trail)))
        self._run(timeline, self.watch, min(self._limit, timeline.position.n + count))

    def _run(self, timeline: Timeline, sink: EventSink, limit: int) -> None:
        timeline.listen(sink)
        while timeline.outcome is None and timeline.position.n < limit and not self._is_interrupted():
            timeline.seek(Position(limit))
        self.is_over = timeline.outcome is not None or timeline.position.n >= self._limit or self._is_interrupted()

    def around(self, index: int, shown: int) -> _Window:
        """Return so many events from one on, and those before it; what prints a line is one."""
        timeline = self._branch.take_up()
        near = [each for each in self._stretches if each[1] <= max(0, index - _COMMON_KEPT)]
        start, told = near[-1]
        end = timeline.frontier
        timeline.seek(start)
        window = _Window(timeline, index - told, shown)
        timeline.replay(start, end, sink=window)
        timeline.seek(end)
        while shown and not window.is_full and not self.is_over:
            self._run(timeline, window, min(self._limit, timeline.position.n + _SHORTEST))
        return window

    def finish(self, window: _Window, shown: int) -> Side:
        """Run to the end, unheard, and say how it ended."""
        timeline = self._branch.take_up()
        self._run(timeline, NullSink(), self._limit)
        outcome = timeline.outcome or limit_reached(self._limit)
        consoles = tuple(console.decode("utf-8", "replace") for console in timeline.runner.consoles)
        end = End(outcome.reason, outcome.status, outcome.text, timeline.position.n, consoles)
        events = cast(tuple[AnyEvent, ...], tuple(islice(merged(window.events), shown)))
        return Side(events, end, self._branch.name)


class _Window:
    """A sink that keeps the last of so many events `before` one, and `shown` from there on."""

    def __init__(self, timeline: Timeline, before: int, shown: int) -> None:
        self.before, self.events = deque[Event](maxlen=_COMMON_KEPT), list[Event]()
        self._left, self._shown, self._enough = before, shown, shown
        hypervisor = timeline.runner.hypervisor
        hosts = [] if hypervisor is None else hypervisor.cpus
        self._vcpus = {
            cpu: f"{host.vcpu.vm.name}/vcpu{host.vcpu.index}" for cpu, host in enumerate(hosts) if host.vcpu is not None
        }
        self.is_full = not shown

    def emit(self, event: Event) -> None:
        """Keep an event."""
        if not is_told(event):
            return
        if self._left:
            self._left -= 1
            self.before.append(event)
        elif not self.is_full:
            self.events.append(event)
            if len(self.events) > self._enough:
                self._enough = 2 * len(self.events)
                self.is_full = sum(1 for _ in merged(self.events)) > self._shown

    @property
    def first(self) -> AnyEvent | None:
        """The event where the runs part."""
        return cast(AnyEvent, self.events[0]) if self.events else None

    def vcpu(self, first: tuple[Event | None, Event | None]) -> str:
        """Return the vCPU that ran on a CPU where the runs part: the one that was entered last there."""
        cpu = next((event.cpu for event in first if event is not None), -1)
        entries = [event for event in self.before if isinstance(event, KvmEntry) and event.cpu == cpu]
        return f"{entries[-1].vm}/vcpu{entries[-1].vcpu}" if entries else self._vcpus.get(cpu, "")


class _Overwrites:
    """A sink before a trail. It notices that a guest's own write takes a setting back: `found`, at entry `index`."""

    def __init__(self, settings: Sequence[Setting], trail: Trail) -> None:
        self._settings, self._trail = {setting.register: setting for setting in settings}, trail
        self.found: Overwritten | None = None
        self.index = -1

    def emit(self, event: Event) -> None:
        """Pass an event of the run that was changed on to its trail, and look at it."""
        self._trail.emit(event)
        if self.found is not None or not isinstance(event, RegisterAccess) or event.is_read:
            return
        setting = self._settings.get(event.register)
        if setting is not None and not _holds(setting, event.value):
            self.found = Overwritten(event.register, event.n, event.pc, event.value)
            self.index = len(self._trail) - 1


def _holds(setting: Setting, value: int) -> bool:
    """Tell whether a register's value still has what was set."""
    layout = layout_of(setting.register)
    if setting.field is None or layout is None:
        return setting.value == value
    held = layout(value & (1 << layout.WIDTH) - 1)
    return int(held) == int(held.replace(**{setting.field: setting.value}))
