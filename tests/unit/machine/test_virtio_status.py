"""The life of a virtio-mmio device: status, interrupts, queues, errors, snapshots, any sequence of writes."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_virtio_driver import RAM_BASE, READY, DriverQueue, Echo, Ram, Rig

from arm_hyp.machine.seams import no_line
from arm_hyp.machine.virtio.device import VirtioDevice
from arm_hyp.machine.virtio.mmio import F_VERSION_1, MmioTransport, Reg, Status
from arm_hyp.machine.virtio.ring import F_EVENT_IDX, F_INDIRECT_DESC, QueueLimits, RingLayout
from arm_hyp.machine.virtio.rng import VirtioRng

ALL_ONES = 0xFFFF_FFFF
BASICS = Status.ACKNOWLEDGE | Status.DRIVER


@pytest.fixture
def rig() -> Rig:
    return Rig(Echo())


def full_state(rig: Rig) -> dict:
    return copy.deepcopy(rig.transport.snapshot())


# Status


def test_status_bits_add_up_until_reset(rig: Rig) -> None:
    rig.set(Reg.Status, Status.ACKNOWLEDGE)
    rig.set(Reg.Status, Status.DRIVER)
    assert rig.get(Reg.Status) == BASICS
    rig.set(Reg.Status, Status.FAILED)
    assert rig.get(Reg.Status) == BASICS | Status.FAILED
    rig.set(Reg.Status, 0xFFFF_FF00)
    assert rig.get(Reg.Status) == 0, "status is <7:0>"


def test_a_driver_cannot_set_device_needs_reset(rig: Rig) -> None:
    rig.set(Reg.Status, BASICS | Status.DEVICE_NEEDS_RESET)
    assert rig.get(Reg.Status) == BASICS


def test_driver_ok_without_features_ok_needs_a_reset(rig: Rig) -> None:
    rig.set(Reg.Status, BASICS | Status.DRIVER_OK)
    assert rig.needs_reset
    assert (rig.get(Reg.InterruptStatus), rig.line) == (2, True)
    assert "STATUS_ORDER" in rig.reports[0]


def test_reset_forgets_the_driver(rig: Rig) -> None:
    fresh = full_state(rig)
    rig.bring_up()
    rig.queues[0].post([b"abc"], [3])
    rig.kick()
    for register in (Reg.DeviceFeaturesSel, Reg.DriverFeaturesSel, Reg.QueueSel):
        rig.set(register, 1)
    assert rig.line
    rig.set(Reg.Status, 0)
    after = full_state(rig)
    assert after.pop("device") == {"id": 42, "state": {"served": 1}}
    fresh.pop("device")
    assert after == fresh
    assert not rig.line
    assert rig.device.resets == 2, "the driver's first step is a reset too"


# Interrupts


def test_the_line_follows_interrupt_status(rig: Rig) -> None:
    rig.bring_up()
    rig.queues[0].post([b"abc"], [3])
    rig.kick()
    assert (rig.get(Reg.InterruptStatus), rig.line) == (1, True)
    rig.transport.config_changed()
    assert rig.get(Reg.InterruptStatus) == 3
    rig.set(Reg.InterruptACK, 0xFFFF_FFFC)
    assert (rig.get(Reg.InterruptStatus), rig.line) == (3, True)
    rig.set(Reg.InterruptACK, 1)
    assert (rig.get(Reg.InterruptStatus), rig.line) == (2, True)
    rig.set(Reg.InterruptACK, 3)
    assert (rig.get(Reg.InterruptStatus), rig.line) == (0, False)


# Queues


def test_queue_num_max_depends_on_the_queue_selected(rig: Rig) -> None:
    sizes = []
    for index in (0, 1, 2, ALL_ONES):
        rig.set(Reg.QueueSel, index)
        sizes.append(rig.get(Reg.QueueNumMax))
    assert sizes == [64, 8, 0, 0]


def test_a_queue_that_does_not_exist_never_gets_ready(rig: Rig) -> None:
    rig.set_up_queue(2, DriverQueue(Ram(), RAM_BASE, 8).layout)
    assert rig.get(Reg.QueueReady) == 0
    rig.set(Reg.QueueReady, 0)
    rig.kick(2)
    assert not rig.reports


@pytest.mark.parametrize("size", [0, 3, 6, 65, 128, 1 << 16, ALL_ONES])
def test_a_bad_queue_size_needs_a_reset(rig: Rig, size: int) -> None:
    assert rig.negotiate(F_VERSION_1)
    rig.set_up_queue(0, RingLayout(size, RAM_BASE, RAM_BASE + 0x1000, RAM_BASE + 0x2000))
    assert rig.get(Reg.QueueReady) == 0
    assert rig.needs_reset and "QUEUE_SIZE" in rig.reports[0]
    assert not rig.line, "no interrupt before DRIVER_OK"


@pytest.mark.parametrize("offsets", [(8, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 2)])
def test_a_misaligned_queue_needs_a_reset(rig: Rig, offsets: tuple[int, int, int]) -> None:
    assert rig.negotiate(F_VERSION_1)
    desc, driver, device = offsets
    rig.set_up_queue(0, RingLayout(8, RAM_BASE + desc, RAM_BASE + 0x1000 + driver, RAM_BASE + 0x2000 + device))
    assert rig.get(Reg.QueueReady) == 0
    assert rig.needs_reset and "MISALIGNED" in rig.reports[0]


def test_both_halves_of_each_address_are_kept(rig: Rig) -> None:
    rig.set_up_queue(0, RingLayout(8, 0x1234_5678_9ABC_DEF0, 0xFEDC_BA98_7654_3210, 0x0F0E_0D0C_0B0A_0908))
    assert rig.get(Reg.QueueReady) == 1
    assert full_state(rig)["queues"] == [
        {
            "num": 8,
            "desc": 0x1234_5678_9ABC_DEF0,
            "driver": 0xFEDC_BA98_7654_3210,
            "device": 0x0F0E_0D0C_0B0A_0908,
            "ready": True,
        },
        {"num": 0, "desc": 0, "driver": 0, "device": 0, "ready": False},
    ]


def test_a_ready_queue_does_not_move(rig: Rig) -> None:
    rig.bring_up()
    before = full_state(rig)
    rig.set_up_queue(0, RingLayout(4, 0, 0, 0))
    rig.set(Reg.QueueSel, 0)
    assert full_state(rig)["queues"] == before["queues"]


def test_a_stopped_queue_is_not_served_and_starts_afresh(rig: Rig) -> None:
    rig.bring_up()
    rig.queues[0].post([b"abc"], [3])
    rig.kick()
    rig.set(Reg.QueueSel, 0)
    rig.set(Reg.QueueReady, 0)
    assert rig.get(Reg.QueueReady) == 0
    rig.queues[0].post([b"def"], [3])
    rig.kick()
    assert rig.device.served == 1
    fresh = DriverQueue(rig.ram, RAM_BASE + 0x4_0000, 8)
    rig.set_up_queue(0, fresh.layout)
    fresh.post([b"ghi"], [3])
    rig.kick()
    assert [data for _, _, data in fresh.collect()] == [b"ihg"]


def test_nothing_is_served_before_driver_ok_and_then_everything_is(rig: Rig) -> None:
    assert rig.negotiate(F_VERSION_1)
    queue = DriverQueue(rig.ram, RAM_BASE, 8)
    rig.set_up_queue(0, queue.layout)
    queue.post([b"abc"], [3])
    rig.kick()
    assert rig.device.served == 0 and not rig.line
    rig.set(Reg.Status, READY)
    assert [data for _, _, data in queue.collect()] == [b"cba"]
    assert rig.line


@pytest.mark.parametrize("index", [2, 77, ALL_ONES])
def test_a_notification_of_a_queue_that_is_not_there_is_ignored(rig: Rig, index: int) -> None:
    rig.bring_up()
    before = full_state(rig)
    rig.kick(index)
    assert full_state(rig) == before


def test_after_an_error_nothing_is_served_until_reset(rig: Rig) -> None:
    rig.bring_up()
    rig.queues[0].publish(99)
    rig.kick()
    assert rig.needs_reset
    assert (rig.get(Reg.InterruptStatus), rig.line) == (2, True)
    assert rig.reports == ["Echo: HEAD_OUT_OF_RANGE: a chain starts outside the descriptor table (99 of 8)"]
    rig.queues[1].post([b"abc"], [3])
    rig.kick(1)
    rig.set(Reg.Status, READY)
    assert rig.device.served == 0 and rig.needs_reset, "writing the bit as zero does not help"
    rig.ram.data[:] = bytes(len(rig.ram.data))
    rig.bring_up()
    rig.queues[1].post([b"abc"], [3])
    rig.kick(1)
    assert rig.device.served == 1 and not rig.needs_reset


# Snapshots


def plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) in (str, int) and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return value is None or type(value) in (int, str, bytes, bool)


def test_a_restored_transport_goes_on_where_it_was(rig: Rig) -> None:
    rig.bring_up(F_EVENT_IDX | F_INDIRECT_DESC)
    queue = rig.queues[0]
    queue.post([b"abc"], [3])
    rig.kick()
    queue.post([b"def"], [3])
    state = full_state(rig)
    assert plain(state)
    other = Rig(Echo())
    other.ram.data[:] = rig.ram.data
    other.transport.restore(state)
    assert full_state(other) == state
    assert other.line, "restore drives the line"
    queue.set_used_event(1)
    other.ram.data[:] = rig.ram.data
    for each in (rig, other):
        each.set(Reg.InterruptACK, 3)
        each.kick()
    assert other.ram.data == rig.ram.data
    assert full_state(other) == full_state(rig)
    assert other.line == rig.line is True


def test_restoring_an_idle_state_lowers_the_line(rig: Rig) -> None:
    state = full_state(rig)
    rig.bring_up()
    rig.transport.config_changed()
    assert rig.line
    rig.transport.restore(state)
    assert not rig.line
    assert full_state(rig) == state


def test_the_state_of_another_device_is_refused(rig: Rig) -> None:
    state = full_state(rig)
    with pytest.raises(ValueError, match="virtio device 42, not of VirtioRng"):
        MmioTransport(VirtioRng(), Ram(), no_line).restore(state)


def test_a_device_that_is_not_attached_serves_nobody() -> None:
    device: VirtioDevice = Echo()
    device.notify(0)
    device.transport.config_changed()
    assert (device.served, device.transport.driver_features) == (0, 0)


# Anything


class SmallEcho(Echo):
    queues = (QueueLimits(4, 64),)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*Reg, 0x18, 0x100, 0x108, 0x1FC]),
            st.sampled_from([1, 2, 4]),
            st.one_of(st.integers(0, 15), st.integers(0, ALL_ONES), st.just(RAM_BASE)),
        ),
        max_size=40,
    )
)
@settings(deadline=None)
def test_no_sequence_of_writes_breaks_the_transport(writes: list[tuple[int, int, int]]) -> None:
    rig = Rig(SmallEcho())
    for offset, size_bytes, value in writes:
        rig.transport.write(offset, size_bytes, value & (1 << 8 * size_bytes) - 1)
        for register in Reg:
            assert 0 <= rig.get(register) <= ALL_ONES
        assert rig.line == bool(rig.get(Reg.InterruptStatus))
    twin = Rig(SmallEcho())
    twin.transport.restore(full_state(rig))
    assert full_state(twin) == full_state(rig)
