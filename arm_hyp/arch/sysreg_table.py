"""The row types of the system register table, and how its text rows are read.

Read `arch/types.py` before, then the rows (`arch/sysreg_rows_*.py`), then `arch/sysregs.py`, which joins and indexes
them.

A register row is a line of text, so that the tables read like the manual's (section D17 of the Arm ARM)::

    # name      op0 op1 crn crm op2  EL   access route    [feature] [reset=value] [keeps=mask]
    SCTLR_EL1    3   0   1   0   0   1    RW     native   reset=0xc50838
    TPIDRRO_EL0  3   3  13   0   3   0/1  RW     native

`EL` is the lowest exception level that may read and write; `0/1` means "EL0 reads, EL1 writes". Controls that move
these limits (traps, enables for EL0) are the business of `arch/traps.py`, not of this table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast, get_args

Route = Literal["native", "shadow", "emulated", "undefined"]
"""Who implements a register: the core does it right; the core does it but loses bits, so that we keep all of them
beside it; we do it alone; nobody, because our ID registers do not claim it."""

Access = Literal["RW", "RO", "WO"]


class Encoding(NamedTuple):
    """The five numbers that name a system register or operation in an instruction word."""

    op0: int
    op1: int
    crn: int
    crm: int
    op2: int

    @property
    def generic_name(self) -> str:
        """Return the implementation-defined spelling, `S3_4_C1_C1_0`."""
        return f"S{self.op0}_{self.op1}_C{self.crn}_C{self.crm}_{self.op2}"

    def is_valid(self) -> bool:
        """Tell whether each number fits its field of the instruction word."""
        fits = all(0 <= value <= limit for value, limit in zip(self, (3, 7, 15, 15, 7), strict=True))
        return fits and self.op0 >= 1


@dataclass(frozen=True, slots=True)
class SystemRegister:
    """One system register as MRS and MSR see it.

    `min_el` is the lowest EL that may access it, `min_write_el` the lowest that may write it. `route` holds where
    `feature` is claimed (or is empty); `arch.sysregs.route` has the last word. `reset` is the value after a reset, 0
    where the architecture says UNKNOWN; that of the group "id" comes from `arch/id_policy.py`. `keeps` is given for a
    register that only holds what is written to it: the bits that do, the others being RES0. None: a device or the core
    has it.
    """

    encoding: Encoding
    name: str
    min_el: int
    access: Access
    reset: int
    group: str
    route: Route
    feature: str = ""
    min_write_el: int = 0
    keeps: int | None = None

    def may_access(self, el: int, is_read: bool) -> bool:
        """Tell whether an access exists at this EL, before any trap or enable control."""
        if is_read:
            return self.access != "WO" and el >= self.min_el
        return self.access != "RO" and el >= self.min_write_el


@dataclass(frozen=True, slots=True)
class SystemOperation:
    """One SYS operation: TLBI, AT, DC, IC or a prediction restriction (CFP, DVP, CPP)."""

    encoding: Encoding
    name: str
    kind: str
    min_el: int
    takes_register: bool
    route: Route
    feature: str = ""


def register_rows(group: str, text: str) -> Iterator[SystemRegister]:
    """Read the rows of one group. Raises: ValueError naming the row that is malformed."""
    for line in text.splitlines():
        row = line.partition("#")[0].split()
        if row:
            yield _register(group, row)


def _register(group: str, row: list[str]) -> SystemRegister:
    if len(row) < 9 or row[7] not in get_args(Access) or row[8] not in get_args(Route):
        raise ValueError(f"malformed register row: {' '.join(row)}")
    name, numbers, (read_el, _, write_el) = row[0], row[1:6], row[6].partition("/")
    encoding = Encoding(*map(int, numbers))
    if not encoding.is_valid() or encoding.op0 < 2:
        raise ValueError(f"register row with an impossible encoding: {' '.join(row)}")
    options = dict(extra.split("=") for extra in row[9:] if "=" in extra)
    features = [extra for extra in row[9:] if "=" not in extra]
    if len(features) > 1 or options.keys() - {"reset", "keeps"}:
        raise ValueError(f"malformed register row: {' '.join(row)}")
    return SystemRegister(
        encoding,
        name,
        int(read_el),
        cast(Access, row[7]),
        int(options.get("reset", "0"), 0),
        group,
        cast(Route, row[8]),
        "".join(features),
        int(write_el or read_el),
        int(options["keeps"], 0) if "keeps" in options else None,
    )


def operation_rows(text: str) -> Iterator[SystemOperation]:
    """Read rows of operations: kind, name, op1, CRn, CRm, op2, EL, `Xt` or `-`, [feature]. Raises: ValueError."""
    for line in text.splitlines():
        row = line.partition("#")[0].split()
        if row:
            yield _operation(row)


def _operation(row: list[str]) -> SystemOperation:
    if len(row) not in (8, 9) or row[7] not in ("Xt", "-"):
        raise ValueError(f"malformed operation row: {' '.join(row)}")
    encoding = Encoding(1, *map(int, row[2:6]))
    if not encoding.is_valid():
        raise ValueError(f"operation row with an impossible encoding: {' '.join(row)}")
    feature = row[8] if len(row) == 9 else ""
    return SystemOperation(encoding, f"{row[0]} {row[1]}", row[0], int(row[6]), row[7] == "Xt", "native", feature)


def numbered(template: str, count: int) -> str:
    """Repeat a row for n = 0..count-1. The template may use `{n}` and `{above4}` (n + 4)."""
    return "\n".join(template.format(n=n, above4=n + 4) for n in range(count))


def numbered_banks(template: str, count: int, bank: int) -> str:
    """Repeat a row whose CRm is `bank` + (n >> 3) and op2 is n<2:0>, as PMEVCNTR<n>_EL0 (`{n}`, `{crm}`, `{low}`)."""
    return "\n".join(template.format(n=n, crm=bank + (n >> 3), low=n & 7) for n in range(count))
