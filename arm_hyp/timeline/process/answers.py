"""What a machine process answers: frozen plain data, one type for each kind of answer.

Read `timeline/process/messages.py` before this file, `exit_answers.py`, `gic_answers.py` and `debug_answers.py` beside
it, `timeline/process/session.py` after it.
"""

from __future__ import annotations

import msgspec

from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.debug_answers import ExceptionCountsAnswer, Halted, Located, SymbolsAnswer, VmEnds, Words
from arm_hyp.timeline.process.exit_answers import ExitsAnswer, HandlerAnswer
from arm_hyp.timeline.process.gic_answers import GicAnswer, TimersAnswer


class Done(msgspec.Struct, frozen=True, tag="done"):
    """It is done; there is nothing to say."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It cannot be done: what the user would be told, as in `UserError`."""

    thing: str
    cause: str
    way_out: str = ""


class HandlerCall(msgspec.Struct, frozen=True):
    """A call of a user's handler that did not come back: at which exit, and where in the user's file, if that is known.

    `place` is file and line of the handler, `at` those of the line that ran, with the function.
    """

    position: Position
    vcpu: str
    decorator: str
    place: str
    at: str = ""


class Restarted(msgspec.Struct, frozen=True, tag="restarted"):
    """The process had to be ended, or ended; another one stands at `position` now. What was asked was not finished."""

    reason: str
    position: Position
    handler: HandlerCall | None = None


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """Where the cursor is now. `reason`, `status` and `text` say how a run ended there; else they are empty."""

    position: Position
    frontier: Position
    branch: str
    time_ns: int
    reason: str = ""
    status: int = 0
    text: str = ""


class Found(msgspec.Struct, frozen=True, tag="found"):
    """What a search found, in `words`; None is for nothing. The cursor is at `position`."""

    position: Position
    words: str | None


class BranchState(msgspec.Struct, frozen=True):
    """One branch. `outcome` is empty where the run could go on."""

    name: str
    parent: str | None
    begins_at: Position
    frontier: Position
    outcome: str


class CpuState(msgspec.Struct, frozen=True):
    """What a physical CPU does: `state` is off, runs, or the instruction that it waits in.

    `vm` is the one whose vCPU is loaded there, if one is.
    """

    index: int
    el: int
    pc: int
    state: str
    is_current: bool
    vm: int | None = None


class StatusAnswer(msgspec.Struct, frozen=True, tag="status_answer"):
    """Where the run is. `vms` are names; `consoles` how many bytes were printed on each.

    `difference` says how the run is not the one that was recorded, once that is seen.
    """

    position: Position
    frontier: Position
    branch: str
    branches: tuple[BranchState, ...]
    time_ns: int
    outcome: str
    cpus: tuple[CpuState, ...]
    vms: tuple[str, ...]
    consoles: tuple[int, ...]
    marks: dict[str, Position]
    breakpoints: tuple[str, ...] = ()
    difference: str = ""


class RegisterGroup(msgspec.Struct, frozen=True):
    """Registers by name; the vector registers as 16 bytes, little-endian."""

    name: str
    values: dict[str, int | bytes]


class RegistersAnswer(msgspec.Struct, frozen=True, tag="registers_answer"):
    """The registers of `name`."""

    name: str
    groups: tuple[RegisterGroup, ...]


class MemoryAnswer(msgspec.Struct, frozen=True, tag="memory_answer"):
    """Memory from an address on, as far as it can be read."""

    address: int
    data: bytes


class WalkStep(msgspec.Struct, frozen=True):
    """One descriptor of a walk. Addresses are IPAs where stage 2 applies; `stage2` is then the walk for it."""

    kind: str
    level: int
    lsb: int
    table_address: int
    table_index: int
    descriptor: int | None
    stage2: WalkAnswer | None = None


class WalkAnswer(msgspec.Struct, frozen=True, tag="walk_answer"):
    """One stage of a walk: `pa` or `fault`, which is (kind, level, stage). `attributes` is (MAIR byte, SH).

    `permissions` are letters for privileged and unprivileged rights: "rwxrwx", "-" for each that is not given.
    `base_register` holds the first table's address, which translates `input_bits`; both are of a stage that is on.
    `reason` says of a whole walk why it failed, in a clause.
    """

    stage: int
    input_address: int
    steps: tuple[WalkStep, ...]
    pa: int | None = None
    fault: tuple[str, int, int] | None = None
    level: int | None = None
    block_bytes: int = 0
    attributes: tuple[int, int] | None = None
    permissions: str = ""
    stage2: WalkAnswer | None = None
    base_register: str = ""
    input_bits: int = 0
    reason: str = ""


class Stage2Range(msgspec.Struct, frozen=True):
    """IPAs that lead to PAs in a row, with the same attributes: `words`, as Linux's dump of stage 2 has them."""

    ipa: int
    pa: int
    size_bytes: int
    level: int
    words: str


class Stage2Answer(msgspec.Struct, frozen=True, tag="stage2_answer"):
    """What a stage 2 maps; `is_whole` is False if there are more ranges than fit."""

    vttbr: int
    vtcr: int
    ranges: tuple[Stage2Range, ...]
    is_whole: bool


class VcpuState(msgspec.Struct, frozen=True):
    """What a vCPU does. `cpu` is where it is loaded; times in ns; `runtime_ns` is divided by its weight."""

    vm: int
    index: int
    name: str
    state: str
    cpu: int | None
    pc: int
    weight: int
    pins: tuple[int, ...]
    runtime_ns: int
    ran_ns: int
    stolen_ns: int


class VcpusAnswer(msgspec.Struct, frozen=True, tag="vcpus_answer"):
    """All vCPUs."""

    vcpus: tuple[VcpuState, ...]


class Chunk(msgspec.Struct, frozen=True):
    """What was printed from a position on."""

    position: Position
    data: bytes


class ConsoleAnswer(msgspec.Struct, frozen=True, tag="console_answer"):
    """What was printed, from the offset `start` on. A chunk begins with a line at the latest."""

    start: int
    chunks: tuple[Chunk, ...]


class PrintedAnswer(msgspec.Struct, frozen=True, tag="printed_answer"):
    """The instruction at `position` prints the byte; None if that could not be found before somebody stopped it."""

    position: Position | None


class ExceptionRow(msgspec.Struct, frozen=True):
    """An exception or a return; `kind` is empty for a return.

    `vm` and `vcpu` are on that CPU behind it: what was left for EL2, and what is entered from there; None without one.
    `python`: it leads to EL2, where Python handles it. `virtual`: an interrupt that was injected. `time_ns` is virtual.
    """

    position: Position
    what: str
    cpu: int
    from_el: int
    to_el: int
    kind: str
    esr: int | None
    elr: int
    spsr: int
    far: int | None
    vm: int | None = None
    vcpu: int | None = None
    python: bool = False
    virtual: bool = False
    time_ns: int = 0


class ExceptionsAnswer(msgspec.Struct, frozen=True, tag="exceptions_answer"):
    """Rows of the journal; `total` is how many there are in the stretch that was asked for."""

    rows: tuple[ExceptionRow, ...]
    total: int


class LaneDensity(msgspec.Struct, frozen=True):
    """What ran in each column at an exception level, on vCPUs of a VM or on none: instructions, and exceptions taken.

    An exception counts where it leads to: on its way to EL2 it is of the VM that it leaves.
    """

    vm: int | None
    el: int
    instructions: tuple[int, ...]
    taken: tuple[int, ...]


class DensityAnswer(msgspec.Struct, frozen=True, tag="density_answer"):
    """All lanes of the branch in which anything ever ran. Column i is from `edges[i]` up to `edges[i + 1]`."""

    edges: tuple[Position, ...]
    lanes: tuple[LaneDensity, ...]


class Events(msgspec.Struct, frozen=True, tag="events"):
    """Events as they are in a trace file, decoded; `dropped` older ones did not fit."""

    events: tuple[dict[str, object], ...]
    dropped: int = 0


class Marks(msgspec.Struct, frozen=True, tag="marks"):
    """All marks."""

    marks: dict[str, Position]


class TrapAnswer(msgspec.Struct, frozen=True, tag="trap_answer"):
    """An exception as it is in a trace: `event` decodes to `ExceptionTaken`. None: none was taken so far."""

    event: dict[str, object] | None


class Line(msgspec.Struct, frozen=True):
    """From `address` on, code comes from a line of a file; from none if `file` is empty."""

    address: int
    file: str
    line: int


class VmSymbols(msgspec.Struct, frozen=True):
    """The symbols of one VM as (name, address, bytes), and where lines begin."""

    symbols: tuple[tuple[str, int, int], ...]
    lines: tuple[Line, ...]


class DescriptionAnswer(msgspec.Struct, frozen=True, tag="description_answer"):
    """What runs: symbols as (name, address, bytes), where lines begin, and the texts of the files they are in.

    Several VMs have one address space each: then the symbols and lines of each are in `vms`, and none are here.
    `memory_bytes` is the RAM of the machine; `warnings` say what was left out when it booted.
    """

    name: str
    model: str
    gic: int
    cpus: int
    symbols: tuple[tuple[str, int, int], ...]
    lines: tuple[Line, ...]
    sources: dict[str, str]
    list_registers: int = 4
    memory_bytes: int = 0
    warnings: tuple[str, ...] = ()
    vms: tuple[VmSymbols, ...] = ()


class SeveralAnswer(msgspec.Struct, frozen=True, tag="several_answer"):
    """An answer to each reading, in their order."""

    answers: tuple[OneAnswer, ...]


class Hash(msgspec.Struct, frozen=True, tag="hash"):
    """The hash of a state."""

    digest: bytes


OneAnswer = (
    Done
    | Failed
    | Restarted
    | Moved
    | Found
    | StatusAnswer
    | RegistersAnswer
    | MemoryAnswer
    | WalkAnswer
    | GicAnswer
    | TimersAnswer
    | Stage2Answer
    | VcpusAnswer
    | ConsoleAnswer
    | PrintedAnswer
    | ExceptionsAnswer
    | DensityAnswer
    | ExitsAnswer
    | HandlerAnswer
    | Events
    | Marks
    | TrapAnswer
    | DescriptionAnswer
    | Hash
    | Halted
    | Located
    | ExceptionCountsAnswer
    | Words
    | SymbolsAnswer
    | VmEnds
)
Answer = OneAnswer | SeveralAnswer
