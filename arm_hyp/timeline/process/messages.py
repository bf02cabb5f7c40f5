"""What a machine process can be asked, and what it answers: one frozen type a message.

Read `runner/messages.py` before this file, `timeline/process/answers.py` (what comes back) beside it,
`timeline/process/session.py` after it. All of it is plain data, so it goes through a pipe, and asking in a process of
one's own is the same as asking in another. Reading leaves no mark in the run.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from arm_hyp.runner.messages import Edit, Poke, Run, Type
from arm_hyp.timeline.position import Position

Kind = Literal["instruction", "exception", "return", "exit", "interrupt", "switch", "caller"]
Access = Literal["read", "write", "fetch"]
PointKind = Literal["execute", "write", "read", "access"]
LONGEST_READ_BYTES = 1 << 20
MOST_ROWS = 10_000
MOST_COLUMNS = 1000


class Whose(msgspec.Struct, frozen=True):
    """A CPU by its `index`, or with a `vm` that VM's vCPU."""

    index: int = 0
    vm: int | None = None


CPU0 = Whose()


class Seek(msgspec.Struct, frozen=True, tag="seek"):
    """Go to a position; behind the frontier the run goes on."""

    position: Position


class Step(msgspec.Struct, frozen=True, tag="step"):
    """Go `count` places further."""

    count: int = 1


class StepBack(msgspec.Struct, frozen=True, tag="step_back"):
    """Go `count` places back."""

    count: int = 1


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Have what is being done end soon. Has no answer of its own; what is stopped answers with where it came."""


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    """Tell events of these types (their tags; "all") as they happen for the first time, in batches. None: no more."""

    kinds: tuple[str, ...] = ()


class Live(msgspec.Struct, frozen=True, tag="live"):
    """Have somebody watch, or nobody: a guest waits for one who `can_type`; idle time that `is_paced` takes time."""

    is_live: bool = True
    can_type: bool = True
    is_paced: bool = True


class Tell(msgspec.Struct, frozen=True, tag="tell"):
    """Tell all that is new and leave nothing out, so that a run waits: events of these types, and what is printed."""

    kinds: tuple[str, ...] = ()


class Branch(msgspec.Struct, frozen=True, tag="branch"):
    """Begin a branch at the cursor."""

    name: str | None = None


class Switch(msgspec.Struct, frozen=True, tag="switch"):
    """Go to the tip of another branch."""

    name: str


class Previous(msgspec.Struct, frozen=True, tag="previous"):
    """Go back to the last thing of a kind."""

    kind: Kind


class Next(msgspec.Struct, frozen=True, tag="next"):
    """Go on to the next thing of a kind; at most to `limit` instructions in all."""

    kind: Kind
    limit: int = 1 << 62


class Break(msgspec.Struct, frozen=True):
    """A breakpoint: an address or a symbol, of one CPU or all."""

    place: int | str
    cpu: int | None = None


class Find(msgspec.Struct, frozen=True, tag="find"):
    """Go to the last place before the cursor, or the next one, where a breakpoint or a condition holds."""

    breakpoints: tuple[Break, ...] = ()
    conditions: tuple[str, ...] = ()
    is_back: bool = True
    limit: int = 1 << 62


class LastChange(msgspec.Struct, frozen=True, tag="last_change"):
    """Go right behind the last change of a target: a register, field, memory, descriptor or list register, as text."""

    target: str


class Mark(msgspec.Struct, frozen=True, tag="mark"):
    """Give a position a name; None takes the name away. Answers with all marks."""

    name: str
    position: Position | None = None


class LoadHandlers(msgspec.Struct, frozen=True, tag="load_handlers"):
    """Load a file of handlers anew at the cursor: on a new branch they take the exits."""

    path: str


class Breakpoints(msgspec.Struct, frozen=True, tag="breakpoints"):
    """Keep these breakpoints with the run, as the user wrote them. They come back with it; nothing stops at them."""

    texts: tuple[str, ...] = ()


class Save(msgspec.Struct, frozen=True, tag="save"):
    """Write the run, to `limit` instructions, with its branches, marks and breakpoints. The cursor stays."""

    path: str
    limit: int = 1 << 62


class Write(msgspec.Struct, frozen=True, tag="write"):
    """Change RAM: by physical address, or by VA as a CPU or vCPU has it now. All of it, or nothing."""

    address: int
    data: bytes
    space: Literal["pa", "va"] = "va"
    whose: Whose = CPU0


# --- moving as debuggers do: where there is nothing to see of the guest, nobody stands --------------------------------


class Point(msgspec.Struct, frozen=True):
    """Where a debugger wants to stop: before the instruction at a VA, or at accesses to physical memory."""

    kind: PointKind
    address: int
    size_bytes: int = 1


class GoToPoint(msgspec.Struct, frozen=True, tag="go_to_point"):
    """Go to the next, or last, place where one of these points holds, or to the end of the run there.

    At an access the cursor is before it, going back behind it. Forward it goes to `limit` instructions at most.
    """

    points: tuple[Point, ...] = ()
    is_back: bool = False
    limit: int = 1 << 62


class StepOne(msgspec.Struct, frozen=True, tag="step_one"):
    """Have a CPU or vCPU go on by one instruction, or to the exception that it takes; others run up to its turn."""

    whose: Whose = CPU0
    limit: int = 1 << 62


class UnstepOne(msgspec.Struct, frozen=True, tag="unstep_one"):
    """Go to the last place before the cursor where a debugger can stand."""


# --- reading ----------------------------------------------------------------------------------------------------------


class Status(msgspec.Struct, frozen=True, tag="status"):
    """Where the run is, which branches there are, what the CPUs do."""


class Registers(msgspec.Struct, frozen=True, tag="registers"):
    """Read the registers of a CPU or vCPU by group: general, vector, el0, el1, el2, timers, gic, pmu, debug, id."""

    whose: Whose = CPU0
    groups: tuple[str, ...] = ("general",)


class Memory(msgspec.Struct, frozen=True, tag="memory"):
    """Read memory: by physical address, IPA of a VM, or VA as a CPU or vCPU has it now."""

    address: int
    size_bytes: int
    space: Literal["pa", "ipa", "va"] = "pa"
    whose: Whose = CPU0


class Walk(msgspec.Struct, frozen=True, tag="walk"):
    """Translate a VA step by step as a CPU or vCPU does now, at its exception level or another."""

    va: int
    access: Access = "read"
    el: int | None = None
    whose: Whose = CPU0


class Gic(msgspec.Struct, frozen=True, tag="gic"):
    """Read the interrupts that concern a CPU, and its list registers; or the vGIC of a VM as text."""

    whose: Whose = CPU0


class Timers(msgspec.Struct, frozen=True, tag="timers"):
    """Read the counters and timers of a CPU or vCPU."""

    whose: Whose = CPU0


class Stage2Map(msgspec.Struct, frozen=True, tag="stage2_map"):
    """Read what the stage 2 of a VM maps, in ranges."""

    vm: int = 0


class Vcpus(msgspec.Struct, frozen=True, tag="vcpus"):
    """Read what all vCPUs do, and the scheduler's accounts."""


class Console(msgspec.Struct, frozen=True, tag="console"):
    """Read what was printed up to the cursor, from an offset on; by VM, 0 where there are none."""

    vm: int = 0
    start: int = 0


class PrintedBy(msgspec.Struct, frozen=True, tag="printed_by"):
    """Find the place where the byte at an offset of a console is printed next; the cursor is behind it, and stays."""

    offset: int
    vm: int = 0


class Exceptions(msgspec.Struct, frozen=True, tag="exceptions"):
    """Read exceptions and returns between two positions, of the journal: `at_most`, the first or the last ones."""

    start: Position = Position(0)
    end: Position = Position(1 << 62)
    at_most: int = 1000
    is_from_end: bool = False


class Density(msgspec.Struct, frozen=True, tag="density"):
    """Read how much ran between two positions, in `columns` equal stretches of instructions: on all CPUs, or one.

    Both positions are those of `Exceptions`; an end behind the frontier is the frontier.
    """

    start: Position = Position(0)
    end: Position = Position(1 << 62)
    columns: int = 100
    cpu: int | None = None


class Exits(msgspec.Struct, frozen=True, tag="exits"):
    """Read how many exits to EL2 there were between two positions, by VM and kind, and what they took."""

    start: Position = Position(0)
    end: Position = Position(1 << 62)


class HandlerAt(msgspec.Struct, frozen=True, tag="handler_at"):
    """Read what the user's handlers did at the last exit up to a position, and their files as they were then."""

    position: Position


class Stretch(msgspec.Struct, frozen=True, tag="stretch"):
    """Read the events of a stretch of the past, which is repeated for it: those of some types, `at_most` so many."""

    start: Position
    end: Position
    kinds: tuple[str, ...] = ("all",)
    at_most: int = 1000


class Trap(msgspec.Struct, frozen=True, tag="trap"):
    """Read the last exception that was taken up to the cursor, by one CPU or any, with all that explains it."""

    cpu: int | None = None


class Description(msgspec.Struct, frozen=True, tag="description"):
    """Read what does not change in a run: the machine, symbols, and the source texts that symbols lead to."""


class Locate(msgspec.Struct, frozen=True, tag="locate"):
    """Find where a VA leads in physical memory, as a CPU or vCPU has it now. Permissions do not matter."""

    address: int
    whose: Whose = CPU0


class ExceptionCounts(msgspec.Struct, frozen=True, tag="exception_counts"):
    """Count the exceptions that were taken up to the cursor."""


class WalkWords(msgspec.Struct, frozen=True, tag="walk_words"):
    """Tell the walk of a VA in words."""

    walk: Walk


class Stage2Words(msgspec.Struct, frozen=True, tag="stage2_words"):
    """Tell what the stage 2 maps that a CPU or vCPU has now, whoever made it."""

    whose: Whose = CPU0


class KernelSymbols(msgspec.Struct, frozen=True, tag="kernel_symbols"):
    """Read the symbols of the Linux that is in RAM; none where there is none yet."""


class VmEnded(msgspec.Struct, frozen=True, tag="vm_ended"):
    """Read how each VM has ended."""


class Dumps(msgspec.Struct, frozen=True, tag="dumps"):
    """Tell the state of each VM in the columns that Linux has for it: `vcpus`, `stage2`, `vgic`."""

    names: tuple[str, ...]


class Diagnose(msgspec.Struct, frozen=True, tag="diagnose"):
    """Tell what the guest does now, or waits for. After `Tell`, with what happened lately."""


class StateHash(msgspec.Struct, frozen=True, tag="state_hash"):
    """Read the hash of the whole state at the cursor: CPUs, devices, hypervisor, RAM, consoles."""


Halting = GoToPoint | StepOne | UnstepOne
Motion = Run | Seek | Step | StepBack | Switch | Previous | Next | Find | LastChange | Halting
Change = Type | Edit | Poke | Write | Branch | LoadHandlers | Mark | Breakpoints | Save | Subscribe | Tell | Live | Stop
OneReading = (
    Status
    | Registers
    | Memory
    | Walk
    | Gic
    | Timers
    | Stage2Map
    | Vcpus
    | Console
    | PrintedBy
    | Exceptions
    | Density
    | Exits
    | HandlerAt
    | Stretch
    | Trap
    | Description
    | StateHash
    | Locate
    | ExceptionCounts
    | WalkWords
    | Stage2Words
    | KernelSymbols
    | VmEnded
    | Dumps
    | Diagnose
)


class Several(msgspec.Struct, frozen=True, tag="several"):
    """Read several things at once, all at the same position."""

    readings: tuple[OneReading, ...]


Reading = OneReading | Several
Message = Motion | Change | Reading
