"""The debug registers that no debugger uses: what they keep, claim tags, and the channel to nobody.

Ref: Arm ARM D17.3, DBGCLAIMSET_EL1, DBGCLAIMCLR_EL1, DBGDTRTX_EL0.
"""

from __future__ import annotations

import pytest

from arm_hyp.arch.sysregs import by_name
from arm_hyp.machine.debug_registers import CLAIM_TAGS, DebugRegisters

ONES = (1 << 64) - 1
KEPT = {
    "OSDLR_EL1": 1,
    "DBGPRCR_EL1": 1,
    "MDCCINT_EL1": 3 << 29,
    "OSDTRRX_EL1": 0xFFFF_FFFF,
    "OSDTRTX_EL1": 0xFFFF_FFFF,
    "OSECCR_EL1": 0xFFFF_FFFF,
}


def read(registers: DebugRegisters, name: str) -> int:
    port = registers.ports()[by_name(name).encoding]
    assert port.read is not None
    return port.read()


def write(registers: DebugRegisters, name: str, value: int) -> None:
    port = registers.ports()[by_name(name).encoding]
    assert port.write is not None
    port.write(value)


@pytest.mark.parametrize(("name", "bits"), KEPT.items())
def test_kept_registers(name: str, bits: int) -> None:
    registers = DebugRegisters()
    assert read(registers, name) == 0
    write(registers, name, ONES)
    assert read(registers, name) == bits
    assert [read(registers, other) for other in KEPT if other != name] == [0] * (len(KEPT) - 1)
    write(registers, name, 0)
    assert read(registers, name) == 0


def test_claim_tags_are_set_and_cleared_bit_by_bit() -> None:
    registers = DebugRegisters()
    assert (read(registers, "DBGCLAIMSET_EL1"), read(registers, "DBGCLAIMCLR_EL1")) == (CLAIM_TAGS, 0)
    write(registers, "DBGCLAIMSET_EL1", ONES & ~0x10)
    assert read(registers, "DBGCLAIMCLR_EL1") == 0xEF
    write(registers, "DBGCLAIMCLR_EL1", 0x0F)
    assert read(registers, "DBGCLAIMCLR_EL1") == 0xE0
    assert read(registers, "DBGCLAIMSET_EL1") == CLAIM_TAGS


@pytest.mark.parametrize("name", ["DBGDTR_EL0", "DBGDTRTX_EL0"])
def test_nobody_is_at_the_other_end_of_the_channel(name: str) -> None:
    registers = DebugRegisters()
    write(registers, name, ONES)
    assert read(registers, name) == 0
    assert registers.snapshot() == DebugRegisters().snapshot()


def test_snapshot_and_restore() -> None:
    first, second = DebugRegisters(), DebugRegisters()
    for name in KEPT:
        write(first, name, ONES)
    write(first, "DBGCLAIMSET_EL1", 0x5A)
    second.restore(first.snapshot())
    assert second.snapshot() == first.snapshot()
    assert read(second, "DBGCLAIMCLR_EL1") == 0x5A
