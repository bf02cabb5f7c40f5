"""The PL061 GPIO: every register, address masking, edges and levels. Ref: Arm DDI 0190."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.machine.pl061 import Pl061

DATA, DIR, IS, IBE, IEV, IE, RIS, MIS, IC, AFSEL = 0x3FC, *range(0x400, 0x424, 4)
octets = st.integers(0, 255)


class Bench:
    def __init__(self) -> None:
        self.levels: list[bool] = []
        self.gpio = Pl061(self.levels.append)

    def read(self, offset: int, size_bytes: int = 4) -> int:
        return self.gpio.read(offset, size_bytes)

    def write(self, offset: int, value: int) -> None:
        self.gpio.write(offset, 4, value)

    def drive(self, value: int) -> None:
        for line in range(8):
            self.gpio.set_input(line, bool(value >> line & 1))

    @property
    def level(self) -> bool:
        return bool(self.levels) and self.levels[-1]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("offset", [DATA, DIR, IS, IBE, IEV, IE, RIS, MIS, IC, AFSEL])
def test_reset_value(bench: Bench, offset: int) -> None:
    assert bench.read(offset) == 0


@pytest.mark.parametrize("offset", [DIR, IS, IBE, IEV, IE, AFSEL])
def test_eight_bits_are_kept(bench: Bench, offset: int) -> None:
    bench.write(offset, 0xFFFF_FFA5)
    assert bench.read(offset) == 0xA5


@pytest.mark.parametrize("offset", [RIS, MIS, *range(0xFE0, 0x1000, 4)])
def test_read_only_registers_ignore_writes(bench: Bench, offset: int) -> None:
    before = bench.read(offset)
    bench.write(offset, ~before & 0xFF)
    assert bench.read(offset) == before


def test_identification(bench: Bench) -> None:
    assert bytes(bench.read(offset) for offset in range(0xFE0, 0x1000, 4)).hex() == "611004000df005b1"


@given(st.integers(0x424, 0xFDF) | st.integers(0, 0x423).filter(lambda offset: offset % 4), st.sampled_from((1, 2, 4)))
def test_reserved_and_unaligned_offsets_are_raz_wi(offset: int, size_bytes: int) -> None:
    bench = Bench()
    bench.write(DIR, 0xF0)
    before = bench.gpio.snapshot()
    bench.gpio.write(offset, size_bytes, 0xFF)
    assert (bench.read(offset, size_bytes), bench.gpio.snapshot()) == (0, before)


@given(octets, octets, octets, octets, octets)
def test_the_address_masks_the_data(direction: int, inputs: int, mask: int, value: int, shown: int) -> None:
    """Ref: TRM, GPIODATA: address bits <9:2> choose which bits an access reaches."""
    bench = Bench()
    bench.write(DIR, direction)
    bench.drive(inputs)
    bench.write(mask << 2, value)
    pins = value & mask & direction | inputs & ~direction
    assert bench.read(shown << 2) == pins & shown


@pytest.mark.parametrize("line", [-1, 8])
def test_there_are_eight_lines(bench: Bench, line: int) -> None:
    with pytest.raises(ValueError, match="no line"):
        bench.gpio.set_input(line, True)


@pytest.mark.parametrize(
    ("both", "event", "rising", "falling"),
    [(0, 1, True, False), (0, 0, False, True), (1, 0, True, True), (1, 1, True, True)],
)
def test_edges(bench: Bench, both: int, event: int, rising: bool, falling: bool) -> None:
    bench.write(IBE, both << 3)
    bench.write(IEV, event << 3)
    bench.write(IE, 1 << 3)
    bench.gpio.set_input(3, True)
    assert bench.level is rising
    bench.write(IC, 1 << 3)
    assert not bench.level
    bench.gpio.set_input(3, True)
    assert not bench.level
    bench.gpio.set_input(3, False)
    assert bench.level is falling


def test_the_power_key_is_remembered_after_its_release(bench: Bench) -> None:
    bench.write(IEV, 8)
    bench.gpio.set_input(3, True)
    bench.gpio.set_input(3, False)
    assert (bench.read(RIS), bench.read(MIS), bench.level) == (8, 0, False)
    bench.write(IE, 8)
    assert (bench.read(MIS), bench.level) == (8, True)
    bench.write(IC, 0xF7)
    assert bench.level
    bench.write(IC, 8)
    assert (bench.read(RIS), bench.level) == (0, False)


@pytest.mark.parametrize("event", [0, 1])
def test_a_level_interrupts_as_long_as_it_lasts(bench: Bench, event: int) -> None:
    bench.gpio.set_input(2, not event)
    bench.write(IS, 4)
    bench.write(IEV, event << 2)
    bench.write(IE, 4)
    assert not bench.level
    bench.gpio.set_input(2, bool(event))
    assert bench.level
    bench.write(IC, 4)
    assert (bench.read(RIS), bench.level) == (4, True)
    bench.gpio.set_input(2, not event)
    assert (bench.read(RIS), bench.level) == (0, False)


def test_an_output_pin_has_no_edges(bench: Bench) -> None:
    bench.write(DIR, 1)
    bench.write(IBE, 1)
    bench.write(DATA, 1)
    bench.gpio.set_input(0, True)
    assert bench.read(RIS) == 0


@given(st.lists(st.tuples(st.sampled_from([DATA, DIR, IS, IBE, IEV, IE, IC, AFSEL, -1]), octets), max_size=12), octets)
def test_a_restored_gpio_goes_on_as_the_first(steps: list[tuple[int, int]], last: int) -> None:
    first, second = Bench(), Bench()
    for offset, value in steps:
        first.drive(value) if offset < 0 else first.write(offset, value)
    second.gpio.restore(first.gpio.snapshot())
    assert second.levels == [first.level]
    for bench in (first, second):
        bench.drive(last)
    assert (first.gpio.snapshot(), first.level) == (second.gpio.snapshot(), second.level)
