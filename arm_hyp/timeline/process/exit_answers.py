"""Answers about exits: how many of each kind there were, and what a user's handler did at one.

Read `timeline/process/answers.py` beside this file, `timeline/process/journal_reads.py` after it.
"""

from __future__ import annotations

import msgspec

from arm_hyp.timeline.position import Position


class ExitCost(msgspec.Struct, frozen=True):
    """Exits of one kind: `name` as `perf kvm stat` has it, the class `ec` of a trap. `vm` is None without one.

    `count` is how many there were. Of those `ended` so many: what they took is in `instructions`, which others retired
    meanwhile or a hypervisor that is guest code, and in virtual `time_ns`.
    """

    vm: int | None
    name: str
    kind: str
    ec: int | None
    count: int
    ended: int
    instructions: int
    time_ns: int


class ExitsAnswer(msgspec.Struct, frozen=True, tag="exits_answer"):
    """Exits, VM by VM, the most frequent first."""

    exits: tuple[ExitCost, ...]


class CodeLine(msgspec.Struct, frozen=True):
    """A line of a user's file."""

    file: str
    line: int


class PrintedLine(msgspec.Struct, frozen=True):
    """A line that a user's handler printed, and the line that printed its begin."""

    text: str
    file: str
    line: int


class HandlerRun(msgspec.Struct, frozen=True):
    """One run of a user's handler, which is `function` at `line` of `file`.

    `ran` are the lines that ran, by file, each where it ran first; `last` is the one that failed, or the last of these.
    `locals` are its variables at the end, in words; `actions` what it did to the vCPU and the VM, as Python.
    """

    handler: str
    file: str
    line: int
    function: str
    ran: tuple[CodeLine, ...]
    last: CodeLine | None
    locals: dict[str, str]
    actions: tuple[str, ...]
    answer: str
    failure: str


class HandlerAnswer(msgspec.Struct, frozen=True, tag="handler_answer"):
    """The exit at `position`; without one there was none. `runs` are empty where the default handlers took it.

    `sources` are texts by the names of files; empty if they are not known any more.
    """

    position: Position | None
    vm: int | None = None
    vcpu: int | None = None
    runs: tuple[HandlerRun, ...] = ()
    output: tuple[PrintedLine, ...] = ()
    failure: str = ""
    sources: dict[str, str] = {}
