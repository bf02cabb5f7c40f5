"""RAM: its bounds, what a device may read and write, and code that DMA changes."""

from __future__ import annotations

import pytest
from board_support import BASE, machine
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.machine.memory import Ram
from arm_hyp.machine.seams import BusError

START, SIZE = 0x4000_0000, 0x4000


@given(st.integers(START - 16, START + SIZE + 16), st.integers(0, SIZE + 16))
def test_what_is_not_all_ram_is_refused_and_nothing_is_written(address: int, size_bytes: int) -> None:
    ram = Ram(START, SIZE)
    inside = address >= START and address + size_bytes <= START + SIZE
    assert ram.contains(address, size_bytes) is inside
    if inside:
        ram.write(address, b"\xa5" * size_bytes)
        assert ram.read(address, size_bytes) == b"\xa5" * size_bytes
        assert bytes(ram.view).count(b"\xa5") == size_bytes
    else:
        with pytest.raises(BusError, match="is not RAM"):
            ram.write(address, b"\xa5" * size_bytes)
        with pytest.raises(BusError, match="is not RAM"):
            ram.read(address, size_bytes)
        assert not any(ram.view)


def test_snapshot_and_restore() -> None:
    first, second = Ram(START, SIZE), Ram(START, SIZE)
    first.write(START + 5, b"some bytes")
    second.write(START, b"others, which go away")
    second.restore(first.snapshot())
    assert bytes(second.view) == bytes(first.view)


def test_code_that_is_written_past_the_cpu_is_translated_anew() -> None:
    made = machine("again:\n mov w0, #7\n b again")
    made.run(10)
    assert made.core.x(0) == 7
    made.ram_device.write(BASE, (0x5280_0540).to_bytes(4, "little"))  # mov w0, #42
    made.run(14)
    assert made.core.x(0) == 42


def test_the_machine_says_what_is_not_ram() -> None:
    made = machine("b .")
    with pytest.raises(ValueError, match="is not RAM"):
        made.write_memory(0, b"1234")
    with pytest.raises(ValueError, match="is not RAM"):
        made.read_memory(START + made.memory_bytes - 1, 2)
