"""The bus: what may be where, widths, and what a refused access does to the CPU.

Ref: Arm ARM D1.3 (synchronous external aborts), ESR_ELx.ISS of Data Aborts: DFSC 0b010000.
"""

from __future__ import annotations

from typing import Any

import pytest
from board_support import BASE, POWER_OFF, events, machine, with_vectors

from arm_hyp.events import DeviceAccess, ExceptionTaken
from arm_hyp.machine.bus import Bus
from arm_hyp.machine.machine import Machine
from arm_hyp.machine.seams import BusError

SPARE = 0x0B00_0000


class Probe:
    """A device that remembers its accesses and refuses some offsets."""

    def __init__(self, refused: frozenset[int] = frozenset()) -> None:
        self.accesses: list[tuple[Any, ...]] = []
        self._refused = refused

    def read(self, offset: int, size_bytes: int) -> int:
        self.accesses.append(("read", offset, size_bytes))
        self._check(offset)
        return int.from_bytes(bytes((offset + index) & 0xFF for index in range(size_bytes)), "little")

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        self.accesses.append(("write", offset, size_bytes, value))
        self._check(offset)

    def _check(self, offset: int) -> None:
        if offset in self._refused:
            raise BusError("refused")

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...


def run(body: str, probe: Probe | None = None, size_bytes: int = 0x1000) -> Machine:
    """Run with a probe on a second bus of its own, x10 at its base."""
    made = machine(with_vectors(f"ldr x10, ={SPARE:#x}\n{body}\n{POWER_OFF}", sync_same=POWER_OFF))
    if probe is not None:
        bus = Bus()
        bus.add("probe", SPARE, size_bytes, probe)
        bus.attach(made.cpus.cores)
    outcome = made.run(1000)
    assert outcome.reason == "guest", outcome
    return made


@pytest.mark.parametrize(("base", "size_bytes"), [(0x1000, 0), (0x1000, -1), (-0x1000, 0x1000)])
def test_an_empty_region_is_refused(base: int, size_bytes: int) -> None:
    with pytest.raises(ValueError, match="no region"):
        Bus().add("a", base, size_bytes, Probe())


@pytest.mark.parametrize(("base", "overlaps"), [(0xFFF, True), (0x1FFF, True), (0xE00, False), (0x2000, False)])
def test_regions_do_not_overlap(base: int, overlaps: bool) -> None:
    bus = Bus()
    bus.add("first", 0x1000, 0x1000, Probe())
    if overlaps:
        with pytest.raises(ValueError, match="overlaps first"):
            bus.add("second", base, 0x200, Probe())
    else:
        bus.add("second", base, 0x200, Probe())


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        ("ldrb w1, [x10, #3]", [("read", 3, 1)]),
        ("ldrh w1, [x10, #2]", [("read", 2, 2)]),
        ("ldr w1, [x10, #4]", [("read", 4, 4)]),
        ("ldr x1, [x10, #8]", [("read", 8, 4), ("read", 12, 4)]),
        ("ldp x1, x2, [x10]", [("read", offset, 4) for offset in (0, 4, 8, 12)]),
        ("ldp w1, w2, [x10]", [("read", 0, 4), ("read", 4, 4)]),
        ("ldr q1, [x10]", [("read", offset, 4) for offset in (0, 4, 8, 12)]),
        ("strb w3, [x10]", [("write", 0, 1, 0x88)]),
        ("strh w3, [x10]", [("write", 0, 2, 0x7788)]),
        ("str w3, [x10]", [("write", 0, 4, 0x5566_7788)]),
        ("str x3, [x10]", [("write", 0, 4, 0x5566_7788), ("write", 4, 4, 0x1122_3344)]),
        ("stp w3, wzr, [x10]", [("write", 0, 4, 0x5566_7788), ("write", 4, 4, 0)]),
    ],
)
def test_widths(access: str, expected: list[tuple[Any, ...]]) -> None:
    probe = Probe()
    run(f"ldr x3, =0x1122334455667788\n {access}", probe)
    assert probe.accesses == expected


def test_a_wide_load_puts_the_halves_together() -> None:
    assert run("ldr x19, [x10, #8]", Probe()).core.x(19) == 0x0F0E_0D0C_0B0A_0908


@pytest.mark.parametrize(
    ("access", "is_write"),
    [
        ("ldr x19, [x10], #8", False),
        ("ldr x19, [x10, #0]!", False),
        ("ldp x19, x20, [x10], #16", False),
        ("str x3, [x10], #8", True),
        ("stp x3, x3, [x10], #16", True),
        ("ldr w19, [x10]", False),
        ("strb w3, [x10], #1", True),
    ],
)
@pytest.mark.parametrize("is_mapped", [True, False])
def test_a_refused_access_is_an_external_abort_with_the_state_before_it(
    access: str, is_write: bool, is_mapped: bool
) -> None:
    probe = Probe(frozenset({0})) if is_mapped else None
    made = run(f"mov x3, #7\n mov x19, #55\n mov x20, #66\n here: {access}\n mov x21, #1", probe)
    (taken,) = events(made, ExceptionTaken)
    assert taken.esr == 0x25 << 26 | 1 << 25 | is_write << 6 | 0x10
    assert taken.far == SPARE
    assert taken.elr == BASE + 4 * 7
    core = made.core
    assert [core.x(index) for index in (3, 10, 19, 20, 21)] == [7, SPARE, 55, 66, 0]
    if probe is not None:
        assert len(probe.accesses) == 1, "the instruction is abandoned at its first refused access"
        assert [event.is_write for event in events(made, DeviceAccess)] == ([True] if is_write else [])


def test_the_second_half_is_refused() -> None:
    probe = Probe(frozenset({8}))
    made = run("mov x19, #55\n ldp x19, x20, [x10], #16", probe)
    assert [access[1] for access in probe.accesses] == [0, 4, 8]
    assert (made.core.x(19), made.core.x(20), made.core.x(10)) == (55, 0, SPARE)


def test_regions_that_share_a_page_and_the_gap_between_them() -> None:
    first, second = Probe(), Probe()
    body = f"ldr x10, ={SPARE:#x}\n ldr w1, [x10, #0x1fc]\n ldr w1, [x10, #0x204]\n ldr w19, [x10, #0x400]"
    made = machine(with_vectors(body, sync_same=POWER_OFF))
    bus = Bus()
    bus.add("first", SPARE, 0x200, first)
    bus.add("second", SPARE + 0x200, 0x200, second)
    bus.attach(made.cpus.cores)
    assert made.run(1000).reason == "guest"
    assert (first.accesses, second.accesses) == ([("read", 0x1FC, 4)], [("read", 4, 4)])
    (taken,) = events(made, ExceptionTaken)
    assert (taken.far, taken.esr & 0x3F) == (SPARE + 0x400, 0x10)


def test_every_slot_of_virtio_answers() -> None:
    """32 slots of 0x200 bytes share 4 pages; each shows the magic value; behind them is nothing."""
    body = "ldr x10, =0x0a000000\n mov x2, #0\nnext: ldr w1, [x10], #0x200\n add x19, x19, x1\n add x2, x2, #1\n"
    made = machine(with_vectors(body.replace("#0x200", "#0") + "add x10, x10, #0x200\n b next", sync_same=POWER_OFF))
    assert made.run(1000).reason == "guest"
    assert made.core.x(2) == 32
    assert made.core.x(19) == 32 * 0x7472_6976
    assert events(made, ExceptionTaken)[0].far == 0x0A00_4000


@pytest.mark.parametrize("target", [0x0900_0000, 0x2000_0000])
def test_a_fetch_from_a_device_or_from_nothing_aborts(target: int) -> None:
    made = machine(with_vectors(f"ldr x1, ={target:#x}\n br x1", sync_same=POWER_OFF))
    assert made.run(1000).reason == "guest"
    (taken,) = events(made, ExceptionTaken)
    assert (taken.esr, taken.far, taken.elr) == (0x21 << 26 | 1 << 25 | 0x10, target, target)
    assert events(made, DeviceAccess) == []
