"""The PL011: every register, the FIFO, the interrupts. Ref: Arm DDI 0183."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.machine import pl011
from arm_hyp.machine.pl011 import Pl011

DR, RSR, FR, ILPR, IBRD, FBRD, LCR_H, CR = 0x00, 0x04, 0x18, 0x20, 0x24, 0x28, 0x2C, 0x30
IFLS, IMSC, RIS, MIS, ICR, DMACR = 0x34, 0x38, 0x3C, 0x40, 0x44, 0x48
FEN, LBE, BRK = 1 << 4, 1 << 7, 1
RX, TX, RT, OE_INT = 1 << 4, 1 << 5, 1 << 6, 1 << 10
NAMED = {DR, RSR, FR, ILPR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, ICR, DMACR, *range(0xFE0, 0x1000, 4)}


class Bench:
    """A PL011, what it sent, and the levels that its line was driven to."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.levels: list[bool] = []
        self.uart = Pl011(self.sent.append, self.levels.append)

    def read(self, offset: int, size_bytes: int = 4) -> int:
        return self.uart.read(offset, size_bytes)

    def write(self, offset: int, value: int, size_bytes: int = 4) -> None:
        self.uart.write(offset, size_bytes, value)

    @property
    def level(self) -> bool:
        return bool(self.levels) and self.levels[-1]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- registers that only keep ----------------------------------------------------------------------------------------

RESET = {DR: 0, RSR: 0, FR: 0x90, ILPR: 0, IBRD: 0, FBRD: 0, LCR_H: 0, CR: 0x300, IFLS: 0x12, IMSC: 0, RIS: 0, MIS: 0}


@pytest.mark.parametrize(("offset", "value"), [*RESET.items(), (ICR, 0), (DMACR, 0)])
def test_reset_value(bench: Bench, offset: int, value: int) -> None:
    assert bench.read(offset) == value


@pytest.mark.parametrize(
    ("offset", "bits"),
    [(ILPR, 0xFF), (IBRD, 0xFFFF), (FBRD, 0x3F), (LCR_H, 0xFF), (CR, 0xFF87), (IFLS, 0x3F), (IMSC, 0x7FF), (DMACR, 7)],
)
def test_only_implemented_bits_are_kept(bench: Bench, offset: int, bits: int) -> None:
    bench.write(offset, 0xFFFF_FFFF)
    assert bench.read(offset) == bits
    bench.write(offset, 0)
    assert bench.read(offset) == 0


@pytest.mark.parametrize("offset", [FR, RIS, MIS, *range(0xFE0, 0x1000, 4)])
def test_read_only_registers_ignore_writes(bench: Bench, offset: int) -> None:
    before = bench.read(offset)
    bench.write(offset, ~before & 0xFFFF_FFFF)
    assert bench.read(offset) == before
    assert bench.sent == []


def test_identification() -> None:
    """Ref: TRM, UARTPeriphID and UARTPCellID; the revision is that of QEMU's."""
    assert [Pl011(print).read(offset, 4) for offset in range(0xFE0, 0x1000, 4)] == [
        0x11, 0x10, 0x14, 0x00, 0x0D, 0xF0, 0x05, 0xB1,
    ]  # fmt: skip


@given(
    st.integers(0, 0xFFF).filter(lambda offset: offset not in NAMED), st.sampled_from((1, 2, 4)), st.integers(0, 255)
)
def test_reserved_and_unaligned_offsets_are_raz_wi(offset: int, size_bytes: int, value: int) -> None:
    bench = Bench()
    before = bench.uart.snapshot()
    bench.write(offset, value, size_bytes)
    assert bench.read(offset, size_bytes) == 0
    assert (bench.uart.snapshot(), bench.sent, bench.levels) == (before, [], [])


def test_narrow_accesses_reach_the_low_bits(bench: Bench) -> None:
    assert bench.read(CR, 1) == 0x00
    assert bench.read(CR, 2) == 0x300
    bench.write(CR, 0x81, 1)
    assert bench.read(CR) == 0x81
    bench.write(DR, 0x41, 1)
    assert bench.sent == [0x41]


# --- sending ---------------------------------------------------------------------------------------------------------


def test_a_byte_written_is_sent_at_once(bench: Bench) -> None:
    bench.write(DR, 0xF41)
    bench.write(DR, 0x42)
    assert bytes(bench.sent) == b"AB"
    assert bench.read(FR) == 0x90


def test_sending_raises_the_transmit_interrupt_until_it_is_cleared(bench: Bench) -> None:
    bench.write(IMSC, TX)
    assert not bench.level
    bench.write(DR, 0x41)
    assert (bench.read(RIS), bench.read(MIS), bench.level) == (TX, TX, True)
    bench.write(ICR, TX)
    assert (bench.read(RIS), bench.level) == (0, False)


# --- receiving -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line_control", "depth"), [(0, 1), (FEN, 16)])
def test_the_fifo_has_its_depth(bench: Bench, line_control: int, depth: int) -> None:
    bench.write(LCR_H, line_control)
    assert bench.uart.room == depth
    for byte in range(depth):
        assert not bench.read(FR) & pl011.FR_RXFF
        assert bench.uart.receive(byte)
        assert not bench.read(FR) & pl011.FR_RXFE
    assert bench.read(FR) & pl011.FR_RXFF
    before = bench.uart.snapshot()
    assert (bench.uart.room, bench.uart.receive(0xAA)) == (0, False)
    assert bench.uart.snapshot() == before
    assert [bench.read(DR) for _ in range(depth)] == list(range(depth))
    assert (bench.read(FR), bench.read(DR)) == (0x90, 0)


def test_receive_interrupts_last_until_the_fifo_is_empty(bench: Bench) -> None:
    bench.write(LCR_H, FEN)
    bench.write(IMSC, RX)
    bench.uart.receive(1)
    bench.uart.receive(2)
    assert (bench.read(RIS), bench.read(MIS), bench.level) == (RX | RT, RX, True)
    bench.read(DR)
    assert bench.level
    bench.read(DR)
    assert (bench.read(RIS), bench.level) == (0, False)
    assert bench.levels == [True, False]


def test_the_timeout_interrupt_alone_wakes_too(bench: Bench) -> None:
    bench.write(IMSC, RT)
    bench.uart.receive(1)
    assert bench.level
    bench.write(ICR, RT)
    assert (bench.read(RIS), bench.level) == (RX, False)


@given(st.integers(0, 0xFFFF_FFFF))
def test_clearing_clears_exactly_the_bits_written(value: int) -> None:
    bench = Bench()
    bench.write(LCR_H, FEN)
    bench.uart.receive(0, pl011.FE | pl011.PE | pl011.BE)
    bench.uart.overrun()
    bench.write(DR, 0)
    assert bench.read(RIS) == 0x7F0
    bench.write(ICR, value)
    assert bench.read(RIS) == 0x7F0 & ~value


@given(st.integers(0, 0x7FF), st.integers(0, 0x7FF))
def test_the_line_is_the_or_of_unmasked_interrupts(mask: int, cleared: int) -> None:
    bench = Bench()
    bench.uart.receive(0, pl011.BE)
    bench.write(IMSC, mask)
    bench.write(ICR, cleared)
    assert bench.read(MIS) == bench.read(RIS) & mask
    assert bench.level == bool(bench.read(MIS))


@pytest.mark.parametrize("first", [0, FEN])
def test_changing_fen_empties_the_fifo(bench: Bench, first: int) -> None:
    bench.write(LCR_H, first)
    bench.write(IMSC, RX | RT)
    bench.uart.receive(1)
    bench.write(LCR_H, first | 0x60)
    assert bench.level
    bench.write(LCR_H, first ^ FEN)
    assert (bench.read(FR), bench.read(RIS), bench.level) == (0x90, 0, False)


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "interrupt"), [(pl011.FE, 1 << 7), (pl011.PE, 1 << 8), (pl011.BE, 1 << 9)])
def test_an_error_comes_with_its_byte(bench: Bench, error: int, interrupt: int) -> None:
    bench.uart.receive(0x55, error)
    assert bench.read(RIS) == RX | RT | interrupt
    assert bench.read(RSR) == 0
    assert bench.read(DR) == error << 8 | 0x55
    assert bench.read(RSR) == error
    bench.write(RSR, 0xFF)
    assert bench.read(RSR) == 0


def test_the_status_is_that_of_the_byte_read_last(bench: Bench) -> None:
    bench.write(LCR_H, FEN)
    bench.uart.receive(1, pl011.PE)
    bench.uart.receive(2)
    bench.read(DR)
    assert bench.read(RSR) == pl011.PE
    bench.read(DR)
    assert bench.read(RSR) == 0


def test_an_overrun_marks_the_next_byte(bench: Bench) -> None:
    bench.uart.receive(1)
    bench.uart.overrun()
    assert (bench.read(RSR), bench.read(RIS) & OE_INT) == (pl011.OE, OE_INT)
    assert bench.read(DR) == 1
    bench.uart.receive(2)
    assert bench.read(DR) == pl011.OE << 8 | 2
    bench.uart.receive(3)
    assert bench.read(DR) == 3
    assert bench.read(RSR) == pl011.OE
    bench.write(RSR, 0)
    assert bench.read(RSR) == 0


# --- loopback --------------------------------------------------------------------------------------------------------


def test_loopback_receives_what_is_sent(bench: Bench) -> None:
    bench.write(CR, LBE)
    bench.write(DR, 0x31)
    assert bench.read(DR) == 0x31
    bench.write(DR, 0x32)
    bench.write(DR, 0x33)
    assert bench.read(RSR) == pl011.OE
    assert (bench.read(DR), bytes(bench.sent)) == (0x32, b"123")


@pytest.mark.parametrize(
    ("output", "flag", "interrupt"), [(1 << 10, 1 << 1, 8), (1 << 11, 1, 2), (1 << 12, 1 << 2, 4), (1 << 13, 1 << 8, 1)]
)
def test_loopback_joins_the_modem_lines(bench: Bench, output: int, flag: int, interrupt: int) -> None:
    """DTR to DSR, RTS to CTS, Out1 to DCD, Out2 to RI. Ref: TRM, "System and diagnostic loopback testing"."""
    bench.write(CR, output)
    assert (bench.read(FR), bench.read(RIS)) == (0x90, 0)
    bench.write(CR, output | LBE)
    assert (bench.read(FR), bench.read(RIS)) == (0x90 | flag, interrupt)
    bench.write(ICR, interrupt)
    bench.write(CR, LBE)
    assert (bench.read(FR), bench.read(RIS)) == (0x90, interrupt)


def test_a_break_in_loopback_comes_back(bench: Bench) -> None:
    bench.write(LCR_H, BRK)
    assert bench.read(FR) & pl011.FR_RXFE
    bench.write(LCR_H, 0)
    bench.write(CR, LBE)
    bench.write(LCR_H, BRK)
    assert bench.read(DR) == pl011.BE << 8
    assert bench.sent == []


# --- state -----------------------------------------------------------------------------------------------------------

steps = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(sorted(NAMED)), st.integers(0, 0xFFFF)),
    st.tuples(st.just("read"), st.sampled_from(sorted(NAMED)), st.just(0)),
    st.tuples(st.just("receive"), st.integers(0, 255), st.integers(0, 7)),
    st.tuples(st.just("overrun"), st.just(0), st.just(0)),
)


def run(bench: Bench, step: tuple[str, int, int]) -> Any:
    kind, first, second = step
    if kind == "write":
        return bench.write(first, second)
    if kind == "read":
        return bench.read(first)
    return bench.uart.receive(first, second) if kind == "receive" else bench.uart.overrun()


@given(st.lists(steps, max_size=12), st.lists(steps, max_size=12))
def test_a_restored_uart_goes_on_as_the_first(
    before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]
) -> None:
    first, second = Bench(), Bench()
    for step in before:
        run(first, step)
    second.uart.restore(first.uart.snapshot())
    assert second.levels == [first.level]
    assert [run(first, step) for step in after] == [run(second, step) for step in after]
    assert (first.uart.snapshot(), first.level) == (second.uart.snapshot(), second.level)
