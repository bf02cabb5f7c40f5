"""Routing and masking of interrupts, WFI and WFE, against tables written out from the Arm ARM."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from arm_hyp.arch.event_register import EventSource, send_event, wait_for_event
from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.interrupts import (
    LINE_FIQ,
    LINE_IRQ,
    LINE_SERROR,
    LINE_VFIQ,
    LINE_VIRQ,
    interrupt_target,
    is_masked,
    is_virtual_enabled,
    next_interrupt,
    wfe_wakes,
    wfi_wakes,
)

TGE, RW, E2H = 1 << 27, 1 << 31, 1 << 34
NON_SECURE, SECURE = 0x531, 0x530
# kind: PSTATE mask bit, HCR_EL2 routing bit, SCR_EL3 routing bit, physical line
BITS = {
    Kind.IRQ: (7, 4, 1, LINE_IRQ),
    Kind.FIQ: (6, 3, 2, LINE_FIQ),
    Kind.SERROR: (8, 5, 3, LINE_SERROR),
}
KINDS = list(BITS)

# Physical. Columns: EL2 enabled, SCR_EL3.{IRQ, FIQ, EA}, HCR_EL2.TGE, {IMO, FMO, AMO}, E2H | from EL0, EL1, EL2, EL3:
# the target and A (PSTATE does not mask), B (PSTATE masks), or C (not taken, whatever PSTATE says); "--": cannot be.
PHYSICAL = """
  0 0 x x x | 1B 1B -- C
  0 1 x x x | 3A 3A -- 3B
  1 0 0 0 x | 1B 1B C  C
  1 0 0 1 x | 2A 2A 2B C
  1 0 1 x 0 | 2A -- 2B C
  1 0 1 x 1 | 2B -- 2B C
  1 1 x x x | 3A 3A 3A 3B
"""

# Virtual, to EL1. Columns: EL2 enabled, HCR_EL2.TGE, {IMO, FMO, AMO} | from EL0, EL1, EL2, EL3.
VIRTUAL = """
  0 x x | C  C  -- C
  1 0 0 | C  C  C  C
  1 0 1 | 1B 1B C  C
  1 1 x | C  -- C  C
"""


def matching_row(table: str, values: tuple[int, ...]) -> list[str]:
    found = []
    for line in table.strip().splitlines():
        pattern, answers = (part.split() for part in line.split("|"))
        if all(p in ("x", str(v)) for p, v in zip(pattern, values, strict=True)):
            found.append(answers)
    assert len(found) == 1, f"the table is not one row for {values}"
    return found[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", list(product((0, 1), repeat=5)))
def test_physical_interrupts(kind: Kind, values: tuple[int, ...]) -> None:
    mask, route, scr_bit, line = BITS[kind]
    ns, to_el3, tge, routed, e2h = values
    scr = SECURE | ns | to_el3 << scr_bit
    hcr = RW | tge * TGE | routed << route | e2h * E2H
    for from_el, answer in enumerate(matching_row(PHYSICAL, values)):
        if answer == "--":
            continue
        for masked in (0, 1):
            state = masked << mask | (0x1C0 & ~(1 << mask)) | from_el << 2
            taken = answer != "C" and not (answer[1] == "B" and masked)
            got = next_interrupt(line, from_el, state, hcr, scr)
            assert got == ((kind, int(answer[0]), False) if taken else None)
            target = interrupt_target(kind, from_el, hcr, scr)
            assert is_masked(kind, False, from_el, target, state, hcr, scr) == (not taken)
            assert answer == "C" or target == int(answer[0])
            assert wfi_wakes(line, from_el, state, hcr, scr) == (answer != "C")
            assert wfe_wakes(False, line, from_el, state, hcr, scr) == taken
            assert wfe_wakes(True, line, from_el, state, hcr, scr)


VIRTUAL_SOURCES = [
    # kind, lines of the virtual GIC (which raises no SError), HCR_EL2 bits
    (Kind.IRQ, LINE_VIRQ, 0),
    (Kind.FIQ, LINE_VFIQ, 0),
    (Kind.IRQ, 0, 1 << 7),
    (Kind.FIQ, 0, 1 << 6),
    (Kind.SERROR, 0, 1 << 8),
]


@pytest.mark.parametrize(("kind", "lines", "pending"), VIRTUAL_SOURCES)
@pytest.mark.parametrize("values", list(product((0, 1), repeat=3)))
def test_virtual_interrupts(kind: Kind, lines: int, pending: int, values: tuple[int, ...]) -> None:
    mask, route, _, _ = BITS[kind]
    ns, tge, routed = values
    scr, hcr = SECURE | ns, RW | tge * TGE | routed << route | pending
    for from_el, answer in enumerate(matching_row(VIRTUAL, values)):
        if answer == "--":
            continue
        assert is_virtual_enabled(kind, from_el, hcr, scr) == (answer == "1B")
        for masked in (0, 1):
            state = masked << mask | (0x1C0 & ~(1 << mask)) | from_el << 2
            taken = answer == "1B" and not masked
            assert next_interrupt(lines, from_el, state, hcr, scr) == ((kind, 1, True) if taken else None)
            assert is_masked(kind, True, from_el, 1, state, hcr, scr) == (not taken)
            assert wfi_wakes(lines, from_el, state, hcr, scr) == (answer == "1B")
            assert wfe_wakes(False, lines, from_el, state, hcr, scr) == taken


@pytest.mark.parametrize("kind", KINDS)
def test_the_routing_bit_of_one_kind_routes_no_other(kind: Kind) -> None:
    others = [other for other in KINDS if other is not kind]
    hcr, scr = RW | sum(1 << BITS[other][1] for other in others), NON_SECURE
    assert interrupt_target(kind, 0, hcr, scr) == 1
    assert not is_virtual_enabled(kind, 0, hcr, scr)
    assert interrupt_target(kind, 0, 0, scr | sum(1 << BITS[other][2] for other in others)) == 1


def test_secure_el2_counts_as_enabled() -> None:
    assert interrupt_target(Kind.IRQ, 1, 1 << 4, SECURE | 1 << 18) == 2


PRIORITY = [
    # taken first to last, all for EL1 with AMO, IMO, FMO set: (lines, HCR_EL2 bits), what is taken
    ((LINE_SERROR, 0), (Kind.SERROR, 2, False)),
    ((LINE_FIQ, 0), (Kind.FIQ, 2, False)),
    ((LINE_IRQ, 0), (Kind.IRQ, 2, False)),
    ((LINE_VIRQ, 1 << 7), (Kind.IRQ, 1, True)),
    ((LINE_VFIQ, 1 << 6), (Kind.FIQ, 1, True)),
    ((0, 1 << 8), (Kind.SERROR, 1, True)),
]


@pytest.mark.parametrize(("first", "second"), list(permutations(range(6), 2)))
def test_priority_of_any_two(first: int, second: int) -> None:
    (lines_1, hcr_1), _ = PRIORITY[first]
    (lines_2, hcr_2), _ = PRIORITY[second]
    wanted = PRIORITY[min(first, second)][1]
    assert next_interrupt(lines_1 | lines_2, 1, 0x5, RW | 0x38 | hcr_1 | hcr_2, NON_SECURE) == wanted


def test_a_masked_interrupt_gives_way_to_one_that_is_not() -> None:
    assert next_interrupt(LINE_FIQ | LINE_IRQ, 2, 0x49, RW | 0x18, NON_SECURE) == (Kind.IRQ, 2, False)


def test_no_interrupt_without_a_line() -> None:
    assert next_interrupt(0, 1, 0x5, RW | 0x38, NON_SECURE) is None
    assert not wfi_wakes(0, 1, 0x5, RW | 0x38, NON_SECURE)
    assert not wfe_wakes(False, 0, 1, 0x5, RW | 0x38, NON_SECURE)


def test_sync_is_not_an_interrupt() -> None:
    with pytest.raises(KeyError):
        interrupt_target(Kind.SYNC, 1, 0, NON_SECURE)


# --- the Event Register -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("SEV", (True, True, True)),
        ("SEVL", (False, True, False)),
        ("EXCEPTION_RETURN", (False, True, False)),
        ("GLOBAL_MONITOR_CLEARED", (False, True, False)),
        ("TIMER_EVENT_STREAM", (False, True, False)),
    ],
)
def test_what_sets_the_event_register(source: str, after: tuple[bool, ...]) -> None:
    assert send_event(EventSource[source], 1, (False, False, False)) == after
    assert send_event(EventSource[source], 1, (True, True, True)) == (True, True, True)
    assert EventSource[source].text


def test_every_event_source_is_tested() -> None:
    names = {"SEV", "SEVL", "EXCEPTION_RETURN", "GLOBAL_MONITOR_CLEARED", "TIMER_EVENT_STREAM"}
    assert {source.name for source in EventSource} == names


def test_the_first_wfe_after_an_event_completes_and_the_second_does_not() -> None:
    first = wait_for_event(True)
    assert (first.completes, first.event_register) == (True, False)
    second = wait_for_event(first.event_register)
    assert (second.completes, second.event_register) == (False, False)
