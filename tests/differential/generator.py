"""Random cases (an instruction, an exception level, control registers) and the binary image that runs many of them.

Read `harness.s` beside this file, then `oracles.py` (runs an image) and `test_qemu.py` (compares).

Everything follows from the seed. A case ends in exactly one exception, either that of the instruction under test or the
marker's behind it, so what the machine does not refuse is seen too: as the marker's own syndrome and address.

Ref: Arm ARM D1.3 (exceptions), D17 (the registers).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Final

from arm_hyp.arch.sysregs import OPERATIONS, TABLE, Encoding
from arm_hyp.cpu.assembler import assemble

BASE: Final = 0x4020_0000
HEADER: Final = 0x4021_0000
CASES: Final = 0x4021_1000
MARKER: Final = 0xD400_FFE2  # HVC #0x7FF
RESULT_BYTES: Final = 64
SLOT_BYTES: Final = 16
_PAGE: Final = 0x1000
MAPS_MOST, MAPS_NOTHING = 0, 2 * _PAGE
"""The stage-2 tables to choose from, as offsets."""
_SCRATCH: Final = 0x4F00_0000
ACCESS_FAULT_ADDRESS: Final = 0xC000_0000
"""Outside RAM; where stage 2 is on, a block without the access flag."""

ONE = {
    "VM": 0, "SWIO": 1, "FMO": 3, "IMO": 4, "AMO": 5, "VF": 6, "VI": 7, "FB": 9, "TWI": 13, "TWE": 14, "TID0": 15,
    "TID1": 16, "TID2": 17, "TID3": 18, "TSC": 19, "TIDCP": 20, "TACR": 21, "TSW": 22, "TPCP": 23, "TPU": 24,
    "TTLB": 25, "TVM": 26, "TGE": 27, "TDZ": 28, "TRVM": 30,
}  # fmt: skip
"""Bits of HCR_EL2 by name, for those that the generator sets. HCD is left out: the harness comes home by HVC."""

_HCR_RW: Final = 1 << 31
_SCTLR_EL1: Final = 0x30D0_0800
_SCTLR_EL2: Final = 0x30C5_0830
_CPTR_EL2: Final = 0x33FF


@dataclass(frozen=True)
class Controls:
    """What the harness loads before a case, in the order of its table."""

    cptr_el2: int = _CPTR_EL2
    cpacr_el1: int = 3 << 20
    mdcr_el2: int = 0
    hstr_el2: int = 0
    cnthctl_el2: int = 3
    cntkctl_el1: int = 0x303
    sctlr_el1: int = _SCTLR_EL1 | 1 << 4 | 1 << 9 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 26
    sctlr_el2: int = _SCTLR_EL2
    pmuserenr_el0: int = 0
    spsr: int = 0x3C5
    sp: int = _SCRATCH
    x0: int = _SCRATCH
    x1: int = 0
    hcr_el2: int = _HCR_RW
    stage_2: int = MAPS_MOST


CONTROLS: Final = Controls()
"""Controls that trap nothing."""


@dataclass(frozen=True)
class Case:
    """One instruction word, where it runs, and why it was made (`kind` names the maker)."""

    kind: str
    word: int
    el: int
    controls: Controls = CONTROLS

    def __str__(self) -> str:
        values = " ".join(f"{name}={value:#x}" for name, value in vars(self.controls).items())
        return f"{self.kind}: {self.word:#010x} at EL{self.el}, {values}"


# --- instructions ---


def move(encoding: Encoding, is_read: bool) -> int:
    """Encode MRS X0, or MSR from XZR: no case writes a register with anything but zero."""
    op0, op1, crn, crm, op2 = encoding
    rt = 0 if is_read else 31
    return 0xD500_0000 | is_read << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | rt


_NEVER_WRITTEN_AT_EL2 = frozenset({"VBAR_EL2", "RMR_EL2", "RMR_EL1", "RMR_EL3", "HCR_EL2"})
_NOT_COMPARED_GROUPS = frozenset({"impdef"})


@cache
def _registers() -> tuple[tuple[str, Encoding], ...]:
    return tuple((row.name, row.encoding) for row in TABLE if row.group not in _NOT_COMPARED_GROUPS)


_OFTEN = (
    "CTR_EL0", "DAIF", "CNT?CT_EL0", "CNTFRQ_EL0", "PMCCNTR_EL0", "PMSWINC_EL0", "*TBR*_EL1", "A[IC]*R_EL1",
    "REVIDR_EL1", "MDRAR_EL1", "DC ZVA", "DC [!G]VA?", "IC IVAU",
)  # fmt: skip
"""What many rules are about: picked for half of the cases, first a pattern, then a name."""


@cache
def _matching(pattern: str, names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(index for index, name in enumerate(names) if fnmatchcase(name, pattern))


_OPERATIONS = tuple(row for row in OPERATIONS if not row.name.endswith("NXS"))
"""Those with nXS would be two of five, and the A72 has none: `test_fine_grained_verdicts.py` makes its own."""


@cache
def _names(of_operations: bool) -> tuple[str, ...]:
    return tuple(row.name for row in _OPERATIONS) if of_operations else tuple(name for name, _ in _registers())


def _pick(rng: random.Random, of_operations: bool) -> int:
    names = _names(of_operations)
    found = _matching(rng.choice(_OFTEN), names) if rng.random() < 0.5 else ()
    return rng.choice(found or range(len(names)))


def _mrs(rng: random.Random, el: int) -> int:
    return move(_registers()[_pick(rng, False)][1], True)


def _msr(rng: random.Random, el: int) -> int:
    while True:
        name, encoding = _registers()[_pick(rng, False)]
        if el < 2 or name not in _NEVER_WRITTEN_AT_EL2:
            return move(encoding, False)


def _unnamed(rng: random.Random, el: int) -> int:
    crn = rng.choice([n for n in range(16) if n not in (11, 15)])
    return move(Encoding(3, rng.randrange(8), crn, rng.randrange(16), rng.randrange(8)), True)


def _operation(rng: random.Random, el: int) -> int:
    row = _OPERATIONS[_pick(rng, True)]
    _, op1, crn, crm, op2 = row.encoding
    return 0xD508_0000 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | (0 if row.takes_register else 31)


def _exception(rng: random.Random, el: int) -> int:
    base = rng.choice((0xD400_0001, 0xD400_0002, 0xD400_0003, 0xD420_0000, 0xD440_0000, 0xD4A0_0001, 0x0000_0000))
    return base if base == 0 else base | rng.randrange(0x700) << 5


def _fp(rng: random.Random, el: int) -> int:
    return rng.choice((0x1E60_4000, 0x4E21_1C00, 0x9E66_0000, 0x3D80_0000, 0xFD40_0000, 0x6F00_E400, 0x1E22_0000))


def _pstate(rng: random.Random, el: int) -> int:
    op1, op2 = rng.choice(((0, 5), (3, 6), (3, 7), (0, 3), (0, 4), (3, 1), (3, 2), (3, 4)))
    crm = rng.randrange(16) if (op1, op2) != (3, 7) else 0
    return 0xD500_401F | op1 << 16 | crm << 8 | op2 << 5


def _hint(rng: random.Random, el: int) -> int:
    hints = [n for n in range(48) if n not in (2, 3)]
    return rng.choice((0xD503_201F | rng.choice(hints) << 5, 0xD503_3F9F, 0xD503_3FDF, 0xD503_3F5F, 0xD503_3BBF))


def _wait(rng: random.Random, el: int) -> int:
    return 0xD503_207F if el < 2 else 0xD503_201F


def _return(rng: random.Random, el: int) -> int:
    return 0xD69F_03E0 if el < 2 else 0xD503_201F


_ACCESSES = (
    0xF940_0001, 0xF900_0001, 0xB940_0001, 0xB900_0001, 0x7940_0001, 0x7900_0001, 0x3940_0001, 0x3900_0001,  # plain
    0xB980_0001, 0x7980_0001, 0x7880_0001, 0x39C0_0001, 0x3980_0001, 0xF840_0001, 0xF800_0001, 0x7861_6801,  # signed
    0xF840_8401, 0xF800_8401, 0xF840_8C01, 0xB800_4C01,  # writeback
    0xA940_0801, 0xA900_0801, 0xA8C1_0801, 0x6940_0801, 0xA9BF_0801,  # pairs
    0xC85F_7C01, 0xC8DF_FC01, 0xC89F_FC01, 0x885F_7C01, 0x485F_7C01, 0xC87F_0801,  # exclusive and ordered
    0xF940_03E1, 0xF900_03E1, 0xA940_0BE1,  # from SP
    0xF980_0000, 0xF940_001F, 0xB900_001F,  # PRFM, XZR
)  # fmt: skip


def _access(rng: random.Random, el: int) -> int:
    return rng.choice(_ACCESSES)


_MAKERS: tuple[tuple[int, str, Callable[[random.Random, int], int]], ...] = (
    (40, "mrs", _mrs),
    (18, "msr", _msr),
    (4, "unnamed", _unnamed),
    (12, "operation", _operation),
    (7, "exception", _exception),
    (8, "fp", _fp),
    (12, "access", _access),
    (4, "pstate", _pstate),
    (2, "hint", _hint),
    (3, "wait", _wait),
    (1, "return", _return),
)

# --- control registers ---


def _some(rng: random.Random, bits: tuple[int, ...], chance: float) -> int:
    return sum(1 << bit for bit in bits if rng.random() < chance)


def _address(rng: random.Random) -> int:
    """Pick an aligned address: RAM, or one of the regions that stage 2 treats in its own way."""
    if rng.random() < 0.4:
        return _SCRATCH + 16 * rng.randrange(64)
    return rng.choice((0x8000_1000, ACCESS_FAULT_ADDRESS, 0xC020_0010, 0xC040_0000, 0xC060_0080))


def _controls(rng: random.Random, kind: str, el: int) -> Controls:
    chance = rng.choice((0.0, 0.08, 0.25, 0.5))
    hcr = _HCR_RW | _some(rng, tuple(ONE.values()), chance)
    address = _address(rng) if kind == "access" else _SCRATCH
    if address != _SCRATCH and address >= 0x8000_0000:
        hcr |= 1 << ONE["VM"]
    if kind == "wait":  # an untrapped WFI would wait for ever; QEMU sees VF and VI without FMO and IMO too
        hcr = hcr & ~(1 << ONE["VF"] | 1 << ONE["VI"]) | 1 << ONE["TWI"]
    sctlr_bits = _some(rng, (9, 14, 15, 16, 18, 26), 1 - chance) | _some(rng, (3, 4), 0.3)
    aligned, strict = rng.random() < 0.9, rng.random() < 0.2
    skew = rng.randrange(8) if strict and el < 2 else 0  # without SCTLR_EL1.A QEMU 7.2 forgives, even on Device memory
    mode = (0b0000, rng.choice((0b0100, 0b0101)), rng.choice((0b1000, 0b1001)))[el]
    return Controls(
        cptr_el2=_CPTR_EL2 & ~(1 << 10) | _some(rng, (10, 31), chance),
        cpacr_el1=rng.randrange(4) << 20,
        mdcr_el2=_some(rng, (5, 6, 8, 9, 10, 11), chance) | 6,
        hstr_el2=0,
        cnthctl_el2=_some(rng, (0, 1), 1 - chance),
        cntkctl_el1=_some(rng, (0, 1, 8, 9), 1 - chance),
        sctlr_el1=_SCTLR_EL1 | sctlr_bits | strict << 1,
        sctlr_el2=_SCTLR_EL2 & ~8 | _some(rng, (3,), 0.5),
        pmuserenr_el0=_some(rng, (0, 1, 2, 3), 0.5),
        spsr=0x3C0 | mode | _some(rng, (28, 29, 30, 31), 0.3) | (rng.random() < 0.02) << 20,
        sp=address if aligned else address + 8,
        x0=0x1234 if kind == "exception" else address + skew,
        hcr_el2=hcr,
        stage_2=MAPS_NOTHING if rng.random() < 0.03 else MAPS_MOST,
    )


def make_case(rng: random.Random) -> Case:
    """Make one random case."""
    el = rng.choice((0, 0, 1, 1, 1, 1, 2))
    _, kind, maker = rng.choices(_MAKERS, [weight for weight, _, _ in _MAKERS])[0]
    word = maker(rng, el)
    return Case(kind, word, el, _controls(rng, kind, el))


def make_cases(seed: int, count: int) -> list[Case]:
    """Make `count` cases from a seed."""
    rng = random.Random(seed)
    return [make_case(rng) for _ in range(count)]


def with_hcr(case: Case, *names: str) -> Case:
    """Return the case with bits of HCR_EL2 set by name."""
    bits = sum(1 << ONE[name] for name in names)
    return replace(case, controls=replace(case.controls, hcr_el2=case.controls.hcr_el2 | bits))


# --- the image ---


@cache
def _harness() -> bytes:
    path = Path(__file__).with_name("harness.s")
    code = assemble(path.read_text(), filename=path.name, base=BASE).code
    assert len(code) <= HEADER - BASE
    return code.ljust(HEADER - BASE, b"\0")


def _stage_2(table: int) -> bytes:
    """Build the tables: 0-1 GiB and 2-3 GiB special, 1-2 GiB all of RAM; at 3 GiB one block for each kind of fault."""
    block = 1 << 10 | 3 << 8 | 0xF << 2 | 1  # AF, inner shareable, Normal write-back
    both, read_only, write_only = 3 << 6, 1 << 6, 2 << 6
    level_1 = (0, 0x4000_0000 | block | both, 0x4000_0000 | block | read_only, (table + _PAGE) | 3)
    ram = 0x4F00_0000 & ~0x1F_FFFF
    no_flag = (ram | block | both) & ~(1 << 10)
    level_2 = (no_flag, 0, ram | block | write_only, ram | block | read_only)
    pages = struct.pack("<4Q", *level_1).ljust(_PAGE, b"\0") + struct.pack("<4Q", *level_2).ljust(_PAGE, b"\0")
    return pages + bytes(_PAGE)


def _padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // _PAGE) * _PAGE, b"\0")


def build_image(cases: list[Case]) -> bytes:
    """Build the binary for address BASE that runs these cases and prints their results on the PL011."""
    rows = _padded(b"".join(struct.pack("<15Q", *astuple(case.controls)) for case in cases))
    slots = _padded(b"".join(struct.pack("<4I", case.word, MARKER, MARKER, MARKER) for case in cases))
    table = CASES + len(rows) + len(slots)
    tables = _stage_2(table)
    results = table + len(tables)
    header = struct.pack("<5Q", len(cases), CASES, CASES + len(rows), results, table)
    return _harness() + _padded(header) + rows + slots + tables
