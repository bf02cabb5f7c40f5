"""Interrupts of a VM from their input to the guest and back."""

from __future__ import annotations

import pytest
from vgic_support import Board

VERSIONS = pytest.mark.parametrize("version", [2, 3])


@VERSIONS
def test_a_level_interrupt_reaches_the_guest_and_comes_again_while_its_line_is_high(version: int) -> None:
    board = Board(version)
    cpu = board.load()
    cpu.open()
    board.enable(33)
    line = board.vgic.spi(33)
    line(True)
    assert board.kicks == [0] and board.vgic.has_pending(0)
    board.serve()
    assert cpu.signals and cpu.acknowledge() == 33 and not cpu.signals
    cpu.end(33)
    board.serve()
    assert cpu.signals, "the line is still high"
    assert cpu.acknowledge() == 33
    line(False)
    cpu.end(33)
    board.serve()
    assert not cpu.signals and cpu.acknowledge() is None and not board.vgic.has_pending(0)
