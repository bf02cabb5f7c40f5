"""The exception model against tables written out from the Arm ARM, with bit numbers of their own."""

from __future__ import annotations

from itertools import product

import pytest

from arm_hyp.arch import control_bits, pstate
from arm_hyp.arch.exceptions import (
    BEFORE_EXECUTION_PRIORITY,
    ROUTES,
    Cause,
    Kind,
    enter,
    first_before_execution,
    route_sync,
)
from arm_hyp.arch.pstate import StateFeatures
from arm_hyp.arch.registers import REGISTERS

A72 = StateFeatures.of(())
FULL = StateFeatures.of({"PAN", "UAO", "SSBS", "DIT", "BTI", "MTE", "PAuth", "LSE"})
TGE, RW, E2H, TEA = 1 << 27, 1 << 31, 1 << 34, 1 << 37
SECURE, PAN = 0x530, 1 << 22

# --- masks --------------------------------------------------------------------------------------------------------

REGISTER_OF = {"HCR": "HCR_EL2", "SCR": "SCR_EL3", "SCTLR": "SCTLR_EL1", "MDCR": "MDCR_EL2", "MDSCR": "MDSCR_EL1"}
CONTROL_MASKS = [
    (REGISTER_OF[name.split("_")[0]], name.split("_", 1)[1], value)
    for name, value in vars(control_bits).items()
    if name.split("_")[0] in REGISTER_OF and name not in ("HCR_E2H_TGE", "SCR_WITHOUT_EL3")
]


@pytest.mark.parametrize(("register", "field", "mask"), CONTROL_MASKS)
def test_control_masks_are_those_of_the_register_diagrams(register: str, field: str, mask: int) -> None:
    assert REGISTERS[register].field(field).mask == mask


def test_pstate_masks_are_those_of_the_register_diagram() -> None:
    fields = {field.name: field.mask for field in REGISTERS["SPSR_EL2"].FIELDS}
    parts = {"EL": 0b1100, "SP": 1, "NZCV": 0xF << 28, "DAIF": 0xF << 6}
    masks = {name[7:]: value for name, value in vars(pstate).items() if name.startswith("PSTATE_")}
    assert masks == {name: (fields | parts)[name] for name in masks}
    assert set(fields) - set(masks) == {"ALLINT"}


# --- routing of synchronous exceptions ----------------------------------------------------------------------------
# Columns: EL2 enabled, HCR_EL2.TGE, HCR_EL2.TEA, MDCR_EL2.TDE, SCR_EL3.EA | target from EL0, EL1, EL2, EL3.
# "-": cannot happen (EL2 or EL1 is not in use, the instruction is UNDEFINED there, nothing is taken there).

ROUTING = """
SVC UNDEFINED STAGE1_ABORT PC_ALIGNMENT SP_ALIGNMENT ILLEGAL_STATE BTI PAC_FAIL
  0 x x x x | 1 1 - 3
  1 0 x x x | 1 1 2 3
  1 1 x x x | 2 - 2 3
FP_ACCESS_EL1 TRAP_EL1
  0 x x x x | 1 1 - -
  1 0 x x x | 1 1 - -
  1 1 x x x | 2 - - -
HVC
  0 x x x x | - - - 3
  1 x x x x | - 2 2 3
SMC
  0 x x x x | - 3 - 3
  1 x x x x | - 3 3 3
TRAP_EL2
  0 x x x x | - - - -
  1 x x x x | 2 2 2 -
TRAP_EL3
  0 x x x x | 3 3 - 3
  1 x x x x | 3 3 3 3
STAGE2_ABORT
  0 x x x x | - - - -
  1 x x x x | 2 2 - -
STAGE2_WALK_EXTERNAL_ABORT
  0 x x x x | - - - -
  1 x x x 0 | 2 2 - -
  1 x x x 1 | 3 3 - -
EXTERNAL_ABORT
  0 x x x 0 | 1 1 - 3
  0 x x x 1 | 3 3 - 3
  1 0 0 x 0 | 1 1 2 3
  1 0 1 x 0 | 2 2 2 3
  1 1 x x 0 | 2 - 2 3
  1 x x x 1 | 3 3 3 3
BREAKPOINT WATCHPOINT STEP
  0 x x x x | 1 1 - -
  1 0 x 0 x | 1 1 2 -
  1 0 x 1 x | 2 2 2 -
  1 1 x x x | 2 - 2 -
BRK
  0 x x x x | 1 1 - 3
  1 0 x 0 x | 1 1 2 3
  1 0 x 1 x | 2 2 2 3
  1 1 x x x | 2 - 2 3
"""


def routing_rows() -> dict[str, list[tuple[list[str], list[str]]]]:
    rows: dict[str, list[tuple[list[str], list[str]]]] = {}
    names: list[str] = []
    for line in ROUTING.strip().splitlines():
        if line.startswith(" "):
            controls, targets = line.split("|")
            for name in names:
                rows[name].append((controls.split(), targets.split()))
        else:
            names = line.split()
            rows.update({name: [] for name in names})
    return rows


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_is_routed_as_the_table_says_under_every_control(cause: Cause) -> None:
    rows = routing_rows()[cause.name]
    for values in product("01", repeat=5):
        matching = [t for pattern, t in rows if all(p in ("x", v) for p, v in zip(pattern, values, strict=True))]
        assert len(matching) == 1, f"the table is not one row for {values}"
        ns, tge, tea, tde, ea = (int(value) for value in values)
        hcr, scr = RW | tge * TGE | tea * TEA, SECURE | ns | ea << 3
        for from_el, wanted in enumerate(matching[0]):
            if wanted != "-":
                got = route_sync(cause, from_el, hcr, scr, tde << 8)
                assert got == int(wanted), f"{cause.name} from EL{from_el} with {values}"


def test_secure_el2_counts_as_enabled() -> None:
    assert route_sync(Cause.SVC, 0, TGE, SECURE | 1 << 18) == 2


def test_routes_cover_every_cause() -> None:
    assert set(ROUTES) == set(Cause) == {Cause[name] for name in routing_rows()}


def test_what_stops_an_instruction_first() -> None:
    order = [Cause.STEP, Cause.PC_ALIGNMENT, Cause.STAGE1_ABORT, Cause.BREAKPOINT, Cause.ILLEGAL_STATE, Cause.BTI]
    for index, cause in enumerate(order):
        assert first_before_execution(reversed(order[index:])) is cause
    assert first_before_execution([Cause.SVC]) is None
    assert len(set(BEFORE_EXECUTION_PRIORITY)) == len(BEFORE_EXECUTION_PRIORITY)


# --- exception entry ----------------------------------------------------------------------------------------------

VECTORS = """
current, SP_EL0   000 080 100 180
current, SP_ELx   200 280 300 380
lower             400 480 500 580
"""
ORIGINS = {
    "current, SP_EL0": [(0x4, 1), (0x8, 2), (0xC, 3)],
    "current, SP_ELx": [(0x5, 1), (0x9, 2), (0xD, 3)],
    "lower": [(0x0, 1), (0x0, 2), (0x4, 2), (0x5, 2), (0x0, 3), (0x5, 3), (0x8, 3), (0x9, 3)],
}


@pytest.mark.parametrize("line", VECTORS.strip().splitlines())
def test_vector_offsets(line: str) -> None:
    origin, offsets = line[:18].strip(), line[18:].split()
    for (mode, target), (kind, offset) in product(ORIGINS[origin], zip(Kind, offsets, strict=True)):
        entry = enter(kind, target, mode, 0, A72)
        assert (entry.vector_offset, entry.target_el) == (int(offset, 16), target)
        assert entry.pstate & 0x1F == target << 2 | 1
        assert entry.spsr == mode


@pytest.mark.parametrize(("mode", "target"), [(0x0, 0), (0x5, 0), (0x9, 1), (0xD, 2)])
def test_an_exception_is_never_taken_downwards_nor_to_el0(mode: int, target: int) -> None:
    with pytest.raises(ValueError, match=f"to EL{target}"):
        enter(Kind.SYNC, target, mode, 0, A72)


ENTRY_BITS = [
    # bits, name, after entry when it was 0, when it was 1 (SCTLR_ELx = 0 but SPAN = 1)
    ([31, 30, 29, 28], "NZCV", 0, 1),
    ([25], "TCO", 1, 1),
    ([24], "DIT", 0, 1),
    ([23], "UAO", 0, 0),
    ([22], "PAN", 0, 1),
    ([21], "SS", 0, 0),
    ([20], "IL", 0, 0),
    ([12], "SSBS", 0, 0),
    ([11, 10], "BTYPE", 0, 0),
    ([9, 8, 7, 6], "DAIF", 1, 1),
]


@pytest.mark.parametrize(("bits", "name", "from_0", "from_1"), ENTRY_BITS)
def test_every_pstate_bit_on_entry(bits: list[int], name: str, from_0: int, from_1: int) -> None:
    for bit, kind in product(bits, Kind):
        clear, was_set = (enter(kind, 2, 0x5 | v << bit, 1 << 23, FULL) for v in (0, 1))
        assert (clear.pstate >> bit & 1, was_set.pstate >> bit & 1) == (from_0, from_1), name
        assert (clear.spsr, was_set.spsr) == (0x5, 0x5 | 1 << bit)


def test_a_bit_that_is_not_implemented_is_neither_saved_nor_set() -> None:
    assert enter(Kind.SYNC, 1, 0xFFFFFFFF & ~0x1A, 1 << 44, A72)[2:] == (0xF03003C5, 0xF00003C5)


@pytest.mark.parametrize(
    ("target", "span", "hcr", "pan"),
    [
        (1, 0, 0, 1),
        (1, 1, 0, 0),
        (1, 0, TGE | E2H, 1),
        (2, 0, 0, 0),
        (2, 0, E2H, 0),
        (2, 0, TGE, 0),
        (2, 0, E2H | TGE, 1),
        (2, 1, E2H | TGE, 0),
        (3, 0, E2H | TGE, 0),
    ],
)
def test_pan_is_set_on_entry_where_span_is_clear(target: int, span: int, hcr: int, pan: int) -> None:
    assert enter(Kind.SYNC, target, 0, span << 23, FULL, hcr).pstate >> 22 & 1 == pan
    assert not enter(Kind.SYNC, target, 0, span << 23, A72, hcr).pstate & PAN


@pytest.mark.parametrize("target", [1, 2, 3])
def test_ssbs_comes_from_dssbs(target: int) -> None:
    assert enter(Kind.SYNC, target, 0, 1 << 44, FULL).pstate >> 12 & 1 == 1
    assert enter(Kind.SYNC, target, 1 << 12, 0, FULL).pstate >> 12 & 1 == 0


@pytest.mark.parametrize(
    ("nv", "nv1", "nv2", "mode"),
    [(0, 0, 0, 0x5), (1, 0, 0, 0x9), (1, 1, 0, 0x5), (1, 0, 1, 0x9), (1, 1, 1, 0x9), (0, 1, 1, 0x5)],
)
def test_nested_virtualization_shows_el1_as_el2_in_spsr(nv: int, nv1: int, nv2: int, mode: int) -> None:
    hcr = nv << 42 | nv1 << 43 | nv2 << 45
    assert enter(Kind.SYNC, 1, 0x3C5, 0, A72, hcr).spsr == 0x3C0 | mode
    assert enter(Kind.SYNC, 1, 0x0, 0, A72, hcr).spsr == 0x0
    assert enter(Kind.SYNC, 2, 0x5, 0, A72, hcr).spsr == 0x5
