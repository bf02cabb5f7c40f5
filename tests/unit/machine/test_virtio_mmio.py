"""The virtio-mmio transport: every register, bad widths, the configuration space, feature negotiation."""

import copy

import pytest
from test_virtio_driver import Echo, Rig

from arm_hyp.machine.virtio.empty_slot import EmptySlot
from arm_hyp.machine.virtio.mmio import F_VERSION_1, Reg, Status
from arm_hyp.machine.virtio.ring import F_EVENT_IDX, F_INDIRECT_DESC

ALL_ONES = 0xFFFF_FFFF
BASICS = Status.ACKNOWLEDGE | Status.DRIVER
RESET_VALUES = {
    0x000: 0x7472_6976,
    0x004: 2,
    0x008: 42,
    0x00C: 0x554D_4551,
    0x010: 1 << 3 | 1 << 28 | 1 << 29,
    0x034: 64,
    0x0B0: ALL_ONES,
    0x0B4: ALL_ONES,
    0x0B8: ALL_ONES,
    0x0BC: ALL_ONES,
}
"""All other offsets below 0x100 read as zero after reset."""

WRITE_ONLY = (0x14, 0x20, 0x24, 0x30, 0x38, 0x50, 0x64, 0x80, 0x84, 0x90, 0x94, 0xA0, 0xA4, 0xAC)
READ_ONLY = (0x00, 0x04, 0x08, 0x0C, 0x10, 0x34, 0x60, 0xB0, 0xB4, 0xB8, 0xBC, 0xC0, 0xFC)
RESERVED = sorted(set(range(0, 0x100, 4)) - set(Reg))


@pytest.fixture
def rig() -> Rig:
    return Rig(Echo())


def full_state(rig: Rig) -> dict:
    return copy.deepcopy(rig.transport.snapshot())


# Registers


@pytest.mark.parametrize("offset", range(0, 0x100, 4))
def test_reset_value(rig: Rig, offset: int) -> None:
    assert rig.get(offset) == RESET_VALUES.get(offset, 0)


def test_the_registers_are_those_of_the_specification() -> None:
    assert len(Reg) == 29
    assert RESERVED[:4] == [0x18, 0x1C, 0x28, 0x2C]


@pytest.mark.parametrize("offset", WRITE_ONLY)
def test_write_only_registers_read_as_zero(rig: Rig, offset: int) -> None:
    rig.set(offset, 1)
    assert rig.get(offset) == 0


@pytest.mark.parametrize("offset", [*READ_ONLY, *RESERVED])
def test_writes_to_read_only_and_reserved_registers_change_nothing(rig: Rig, offset: int) -> None:
    rig.bring_up()
    before = full_state(rig), [rig.get(register) for register in range(0, 0x100, 4)]
    rig.set(offset, ALL_ONES)
    assert (full_state(rig), [rig.get(register) for register in range(0, 0x100, 4)]) == before


@pytest.mark.parametrize("size_bytes", [1, 2])
@pytest.mark.parametrize("offset", range(0, 0x100, 4))
def test_registers_take_32_bit_accesses_only(rig: Rig, offset: int, size_bytes: int) -> None:
    rig.bring_up()
    before = full_state(rig)
    assert rig.transport.read(offset, size_bytes) == 0
    rig.transport.write(offset, size_bytes, 0)
    rig.transport.write(offset, size_bytes, (1 << 8 * size_bytes) - 1)
    assert full_state(rig) == before


@pytest.mark.parametrize("offset", [0x001, 0x002, 0x06E, 0x071])
def test_registers_take_aligned_accesses_only(rig: Rig, offset: int) -> None:
    rig.bring_up()
    before = full_state(rig)
    assert rig.get(offset) == 0
    rig.set(offset, 0)
    assert full_state(rig) == before


def test_an_empty_slot_says_that_nothing_is_there() -> None:
    slot = EmptySlot()
    values = {offset: slot.read(offset, 4) for offset in range(0, 0x200, 4)}
    assert {offset: value for offset, value in values.items() if value} == {
        0x000: 0x7472_6976,
        0x004: 2,
        0x00C: 0x554D_4551,
    }
    slot.write(Reg.Status, 4, 1)
    assert slot.read(Reg.Status, 4) == 0
    assert slot.read(Reg.MagicValue, 1) == slot.read(Reg.MagicValue, 2) == 0
    slot.restore(slot.snapshot())
    with pytest.raises(ValueError, match="slot is empty"):
        slot.restore({"status": 1})


# The configuration space


@pytest.mark.parametrize("size_bytes", [1, 2, 4])
def test_configuration_reads_at_any_width(rig: Rig, size_bytes: int) -> None:
    for offset in range(11 - size_bytes):
        expected = int.from_bytes(bytes(range(0x10 + offset, 0x10 + offset + size_bytes)), "little")
        assert rig.transport.read(0x100 + offset, size_bytes) == expected


@pytest.mark.parametrize(("offset", "size_bytes"), [(0x10A, 1), (0x109, 2), (0x108, 4), (0x1FC, 4), (0x1FF, 1)])
def test_configuration_ends_in_ones(rig: Rig, offset: int, size_bytes: int) -> None:
    before = rig.device.config()
    assert rig.transport.read(offset, size_bytes) == (1 << 8 * size_bytes) - 1
    rig.transport.write(offset, size_bytes, 0)
    assert rig.device.config() == before


@pytest.mark.parametrize("size_bytes", [1, 2, 4])
def test_configuration_writes_reach_the_device_at_any_width(rig: Rig, size_bytes: int) -> None:
    value = int.from_bytes(b"\xa1\xb2\xc3\xd4"[:size_bytes], "little")
    rig.transport.write(0x101, size_bytes, value)
    assert rig.transport.read(0x101, size_bytes) == value
    assert rig.transport.read(0x100, 1) == 0x10
    assert rig.transport.read(0x101 + size_bytes, 1) == 0x11 + size_bytes


def test_a_configuration_change_counts_and_interrupts_only_a_running_driver(rig: Rig) -> None:
    rig.transport.config_changed()
    assert (rig.get(Reg.ConfigGeneration), rig.get(Reg.InterruptStatus), rig.line) == (1, 0, False)
    rig.bring_up()
    rig.transport.config_changed()
    assert (rig.get(Reg.ConfigGeneration), rig.get(Reg.InterruptStatus), rig.line) == (2, 2, True)
    rig.set(Reg.InterruptACK, 2)
    assert (rig.get(Reg.InterruptStatus), rig.line) == (0, False)


# Features


def test_device_features_are_shown_by_halves_and_there_are_none_beyond(rig: Rig) -> None:
    halves = []
    for sel in (0, 1, 2, 3, ALL_ONES):
        rig.set(Reg.DeviceFeaturesSel, sel)
        halves.append(rig.get(Reg.DeviceFeatures))
    assert halves == [1 << 3 | 1 << 28 | 1 << 29, 1, 0, 0, 0]


@pytest.mark.parametrize("features", [F_VERSION_1, F_VERSION_1 | 1 << 3, F_VERSION_1 | F_EVENT_IDX | F_INDIRECT_DESC])
def test_a_subset_of_the_features_is_accepted(rig: Rig, features: int) -> None:
    assert rig.negotiate(features)
    assert rig.transport.driver_features == features
    assert not rig.reports


@pytest.mark.parametrize("features", [0, 1 << 3, F_VERSION_1 | 1, F_VERSION_1 | 1 << 33, F_VERSION_1 | 1 << 40])
def test_features_that_cannot_be_are_refused(rig: Rig, features: int) -> None:
    assert not rig.negotiate(features)
    assert rig.get(Reg.Status) == BASICS
    assert len(rig.reports) == 1 and "FEATURES_OK refused" in rig.reports[0]
    assert rig.negotiate(F_VERSION_1), "a driver may try again"


def test_the_refused_driver_may_correct_its_features_without_a_reset(rig: Rig) -> None:
    assert not rig.negotiate(1)
    rig.set(Reg.DriverFeaturesSel, 0)
    rig.set(Reg.DriverFeatures, 0)
    rig.set(Reg.DriverFeaturesSel, 1)
    rig.set(Reg.DriverFeatures, 1)
    rig.set(Reg.Status, BASICS | Status.FEATURES_OK)
    assert rig.get(Reg.Status) == BASICS | Status.FEATURES_OK


@pytest.mark.parametrize("sel", [0, 1])
def test_features_are_settled_by_features_ok(rig: Rig, sel: int) -> None:
    assert rig.negotiate(F_VERSION_1 | 1 << 3)
    rig.set(Reg.DriverFeaturesSel, sel)
    rig.set(Reg.DriverFeatures, ALL_ONES)
    assert rig.transport.driver_features == F_VERSION_1 | 1 << 3


@pytest.mark.parametrize("sel", [2, 3, ALL_ONES])
def test_features_beyond_bit_63_are_ignored(rig: Rig, sel: int) -> None:
    rig.set(Reg.DriverFeaturesSel, sel)
    rig.set(Reg.DriverFeatures, ALL_ONES)
    assert rig.transport.driver_features == 0
