"""Answers for debuggers: why a motion stopped and with which registers, what there is to tell in words.

Read `timeline/process/answers.py` beside this file, `timeline/process/halting.py` and `timeline/process/debug_reads.py`
after it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from arm_hyp.timeline.position import Position

Reason = Literal["step", "point", "interrupt", "start", "end", "failed"]


class Halted(msgspec.Struct, frozen=True, tag="halted"):
    """Why a motion stopped, and where.

    `start` and `end` are the ends of the run, `failed` is a failure of the user's handlers; `text` says which. `point`
    is the index of the point that holds, `status` the exit status of a run that stopped here. It stopped on `cpu`: that
    is the CPU `index`, or the vCPU of a `vm` that is loaded there, whose general registers come along.
    """

    position: Position
    reason: Reason
    cpu: int
    index: int
    vm: int | None
    registers: dict[str, int | bytes]
    point: int | None = None
    text: str = ""
    status: int = 1


class Located(msgspec.Struct, frozen=True, tag="located"):
    """Where an address leads in physical memory; None where nothing is mapped."""

    pa: int | None


class ExceptionCount(msgspec.Struct, frozen=True):
    """How often an exception of a kind and class was taken, from a level to a level."""

    from_el: int
    to_el: int
    kind: str
    ec: int | None
    count: int


class ExceptionCountsAnswer(msgspec.Struct, frozen=True, tag="exception_counts_answer"):
    """Exceptions by kind, the most frequent first."""

    rows: tuple[ExceptionCount, ...]


class Words(msgspec.Struct, frozen=True, tag="words"):
    """What there is to say, in lines."""

    lines: tuple[str, ...]


class SymbolsAnswer(msgspec.Struct, frozen=True, tag="symbols_answer"):
    """Symbols as (name, address, bytes)."""

    symbols: tuple[tuple[str, int, int], ...]


class VmEnd(msgspec.Struct, frozen=True):
    """How a VM ended; both are empty if it has not."""

    name: str
    reason: str = ""
    text: str = ""


class VmEnds(msgspec.Struct, frozen=True, tag="vm_ends"):
    """All VMs; none where there are none."""

    vms: tuple[VmEnd, ...]
