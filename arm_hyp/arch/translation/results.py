"""What goes into a walk and what comes out of it: an access, the steps, a translation or a fault. All are plain values.

Read `arch/iss_faults.py` (the kinds of fault) and `arch/translation/parameters.py` before this file, then
`arch/translation/tables.py`.

A walk raises nothing. What it found is its `result`, how it got there its `steps`, and wherever an address had to go
through stage 2 first, the walk of stage 2 hangs at that place: draw the tree and you have the picture of the manual.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from operator import and_
from typing import NamedTuple

from arm_hyp.arch.iss_faults import FaultKind
from arm_hyp.arch.translation.parameters import Stage1Parameters, Stage2Parameters

Read64 = Callable[[int], int | None]
"""Read the 64-bit little-endian word at a physical address; None where nothing answers."""


class Access(NamedTuple):
    """What is to be done at the address: a data read unless it says otherwise. Ref: AccessDescriptor."""

    is_write: bool = False
    is_fetch: bool = False
    is_privileged: bool = True
    """False for EL0, and for LDTR, STTR and the like."""
    pan: bool = False
    """PSTATE.PAN, where it applies: not for AT S1E1R and AT S1E1W, nor for cache maintenance."""
    is_table_walk: bool = False
    """The stage 1 walk itself reads a descriptor, through stage 2."""


READ, WRITE, FETCH = Access(), Access(is_write=True), Access(is_fetch=True)
TABLE_WALK = Access(is_table_walk=True)


class Permissions(NamedTuple):
    """Who may do what: privileged (EL1, EL2) read, write, execute, then unprivileged. Ref: S1AccessControls."""

    pr: bool
    pw: bool
    px: bool
    ur: bool
    uw: bool
    ux: bool

    def both(self, other: Permissions) -> Permissions:
        """Return what this and another stage both allow."""
        return Permissions._make(map(and_, self, other))

    def allow(self, access: Access) -> bool:
        """Tell whether the access is allowed, PAN aside. Ref: AArch64.S2CheckPermissions."""
        read, write, execute = self[:3] if access.is_privileged else self[3:]
        if access.is_fetch:
            return execute
        return write if access.is_write else read


ALL_ALLOWED = Permissions(True, True, True, True, True, True)


class MemoryAttributes(NamedTuple):
    """Memory type, encoded as a byte of MAIR_ELx, and shareability, encoded as SH. Ref: MemoryAttributes."""

    attr: int
    shareability: int

    @property
    def is_device(self) -> bool:
        """Tell Device memory from Normal memory."""
        return self.attr < 0x10


class StepKind(Enum):
    """What one step of a walk found."""

    TABLE = "table"
    BLOCK = "block"
    PAGE = "page"
    INVALID = "invalid"
    NOT_READ = "not read"
    """The descriptor's own address faulted in stage 2, or nothing answers there."""


class Step(NamedTuple):
    """One table entry on the way. Addresses are IPAs where stage 2 applies to them; then `stage2` is their walk."""

    kind: StepKind
    level: int
    lsb: int
    """The index is made of the input address from this bit upwards, to the bit below the previous step's."""
    table_address: int
    table_index: int
    descriptor: int | None
    stage2: Walk | None

    @property
    def descriptor_address(self) -> int:
        """The address of the entry in the address space that the table lies in."""
        return self.table_address | self.table_index << 3

    @property
    def descriptor_pa(self) -> int | None:
        """The physical address that the entry was read from; None if stage 2 gave none."""
        if self.stage2 is None:
            return self.descriptor_address
        return self.stage2.result.pa if isinstance(self.stage2.result, Translated) else None


class Translated(NamedTuple):
    """A translation that succeeded. For a combined walk: what both stages together give."""

    pa: int
    """Of stage 1 alone where stage 2 applies: the IPA."""
    attributes: MemoryAttributes
    permissions: Permissions
    level: int | None
    """Level of the last descriptor (of stage 1 if it is on); None where no stage is on."""
    block_bytes: int
    """Size of the block or page, of the smaller one if there are two; 0 where no stage is on."""
    contiguous_bytes: int
    """Size of the run of blocks that the Contiguous bit promises to be alike; `block_bytes` without that bit."""
    is_guarded: bool = False
    """The GP bit, for branch target identification."""


class Fault(NamedTuple):
    """A translation that failed. Ref: FaultRecord."""

    kind: FaultKind
    level: int
    stage: int
    is_s1ptw: bool = False
    """Stage 2 failed for a descriptor of stage 1, not for the access itself. Ref: FaultRecord.s2fs1walk."""
    ipa: int | None = None
    """The IPA that stage 2 was asked for; None for a fault of stage 1."""


class Walk(NamedTuple):
    """One stage, from its input address to its result. `steps` is empty where the stage is off or refused at once."""

    stage: int
    input_address: int
    parameters: Stage1Parameters | Stage2Parameters
    steps: tuple[Step, ...]
    result: Translated | Fault
    stage2: Walk | None = None
    """In a combined walk: the walk of stage 2 for the address that stage 1 gave."""
    own: Translated | None = None
    """In a combined walk: what stage 1 alone gave, before stage 2 was asked."""
