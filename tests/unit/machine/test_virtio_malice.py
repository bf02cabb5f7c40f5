"""The split virtqueue with a malicious driver: every rule broken, each by its name, and noise."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_virtio_driver import INDIRECT, NEXT, RAM_BASE, RAM_BYTES, WRITE, DriverQueue, Echo, Ram, Rig
from test_virtio_ring import BOTH, LIMITS, queue_pair

from arm_hyp.machine.virtio.chain import DriverError, Fault
from arm_hyp.machine.virtio.mmio import Reg
from arm_hyp.machine.virtio.ring import F_EVENT_IDX, QueueLimits, RingLayout, Virtqueue

WILD = (0, RAM_BASE - 1, RAM_BASE + RAM_BYTES - 1, RAM_BASE + RAM_BYTES, 1 << 63, (1 << 64) - 1)


def fault_of(ring: Virtqueue) -> Fault:
    """Take a chain and touch all of it; return the rule broken."""
    with pytest.raises(DriverError) as caught:
        chain = ring.pop()
        assert chain is not None
        chain.readable.read(0, chain.readable.size_bytes)
        chain.writable.write(0, bytes(chain.writable.size_bytes))
    assert str(caught.value).startswith(f"{caught.value.fault.name}: {caught.value.fault.value}")
    return caught.value.fault


def test_a_loop_of_descriptors() -> None:
    driver, ring = queue_pair()
    for index in range(3):
        driver.descriptor(index, RAM_BASE, 1, NEXT, (index + 1) % 3)
    driver.publish(0)
    assert fault_of(ring) is Fault.LOOP


def test_a_descriptor_that_follows_itself() -> None:
    driver, ring = queue_pair()
    driver.descriptor(5, RAM_BASE, 1, NEXT | WRITE, 5)
    driver.publish(5)
    assert fault_of(ring) is Fault.LOOP


def test_a_loop_in_an_indirect_table() -> None:
    driver, ring = queue_pair()
    table = driver.buffer(64)
    driver.describe(table, 0, RAM_BASE, 1, NEXT, 1)
    driver.describe(table, 1, RAM_BASE, 1, NEXT, 0)
    driver.descriptor(0, table, 64, INDIRECT)
    driver.publish(0)
    assert fault_of(ring) is Fault.LOOP


@pytest.mark.parametrize("following", [8, 9, 0xFFFF])
def test_a_successor_out_of_range(following: int) -> None:
    driver, ring = queue_pair()
    driver.descriptor(0, RAM_BASE, 1, NEXT, following)
    driver.publish(0)
    assert fault_of(ring) is Fault.NEXT_OUT_OF_RANGE


def test_a_successor_outside_an_indirect_table() -> None:
    driver, ring = queue_pair()
    table = driver.buffer(32)
    driver.describe(table, 0, RAM_BASE, 1, NEXT, 2)
    driver.descriptor(0, table, 32, INDIRECT)
    driver.publish(0)
    assert fault_of(ring) is Fault.NEXT_OUT_OF_RANGE


@pytest.mark.parametrize("head", [8, 0x100, 0xFFFF])
def test_a_head_out_of_range(head: int) -> None:
    driver, ring = queue_pair()
    driver.publish(head)
    assert fault_of(ring) is Fault.HEAD_OUT_OF_RANGE


@pytest.mark.parametrize("flags", [0, WRITE])
@pytest.mark.parametrize("address", WILD)
def test_a_buffer_outside_ram(address: int, flags: int) -> None:
    driver, ring = queue_pair()
    driver.descriptor(0, address, 2, flags)
    driver.publish(0)
    before = bytes(driver.ram.data)
    assert fault_of(ring) is Fault.WILD_ADDRESS
    assert driver.ram.data == before


@pytest.mark.parametrize("address", WILD)
def test_an_indirect_table_outside_ram(address: int) -> None:
    driver, ring = queue_pair()
    driver.descriptor(0, address, 16, INDIRECT)
    driver.publish(0)
    assert fault_of(ring) is Fault.WILD_ADDRESS


@pytest.mark.parametrize("area", ["descriptors", "driver_area", "device_area"])
@pytest.mark.parametrize("address", [0, RAM_BASE - 0x1000, RAM_BASE + RAM_BYTES, 1 << 63, (1 << 64) - 16])
def test_a_queue_outside_ram(area: str, address: int) -> None:
    driver = DriverQueue(Ram(), RAM_BASE, 8)
    driver.post([b"x"])
    layout = driver.layout
    fields = {name: getattr(layout, name) for name in ("descriptors", "driver_area", "device_area")} | {area: address}
    ring = Virtqueue(driver.ram, RingLayout(8, **fields), BOTH, LIMITS)
    with pytest.raises(DriverError) as caught:
        chain = ring.pop()
        assert chain is not None
        ring.push(chain, 0)
    assert caught.value.fault is Fault.WILD_ADDRESS


@pytest.mark.parametrize("ahead", [9, 0x100, 0x8000, 0xFFFF])
def test_an_available_index_that_jumps_by_more_than_the_queue(ahead: int) -> None:
    driver, ring = queue_pair()
    driver.ram.set_u16(driver.layout.driver_area + 2, ahead)
    assert fault_of(ring) is Fault.AVAILABLE_INDEX
    with pytest.raises(DriverError):
        list(ring.chains())


def test_an_available_index_that_goes_back() -> None:
    driver, ring = queue_pair()
    driver.post([b"x"])
    assert ring.pop() is not None
    driver.ram.set_u16(driver.layout.driver_area + 2, 0)
    assert fault_of(ring) is Fault.AVAILABLE_INDEX


def test_an_indirect_table_within_an_indirect_table() -> None:
    driver, ring = queue_pair()
    table = driver.buffer(16)
    driver.describe(table, 0, table, 16, INDIRECT)
    driver.descriptor(0, table, 16, INDIRECT)
    driver.publish(0)
    assert fault_of(ring) is Fault.INDIRECT_NESTED


def test_an_indirect_table_that_was_not_negotiated() -> None:
    driver, ring = queue_pair(features=F_EVENT_IDX)
    driver.post([b"x"], direct=0)
    assert fault_of(ring) is Fault.INDIRECT_NOT_NEGOTIATED


def test_an_indirect_descriptor_with_a_successor() -> None:
    driver, ring = queue_pair()
    driver.descriptor(0, driver.buffer(16), 16, INDIRECT | NEXT, 1)
    driver.publish(0)
    assert fault_of(ring) is Fault.INDIRECT_WITH_NEXT


@pytest.mark.parametrize("size_bytes", [0, 1, 15, 17, 0xFFFF_FFFF])
def test_an_indirect_table_of_a_bad_length(size_bytes: int) -> None:
    driver, ring = queue_pair()
    driver.descriptor(0, driver.buffer(16), size_bytes, INDIRECT)
    driver.publish(0)
    assert fault_of(ring) is Fault.INDIRECT_LENGTH


@pytest.mark.parametrize(("pieces", "allowed"), [(8, True), (9, False)])
def test_a_chain_longer_than_the_queue(pieces: int, allowed: bool) -> None:
    driver, ring = queue_pair()
    driver.post([b"x"] * pieces, direct=0)
    if allowed:
        chain = ring.pop()
        assert chain is not None and chain.readable.size_bytes == pieces
    else:
        assert fault_of(ring) is Fault.CHAIN_TOO_LONG


@pytest.mark.parametrize(("size_bytes", "allowed"), [(100, True), (101, False), (0xFFFF_FFFF, False)])
def test_a_chain_of_more_bytes_than_the_queue_takes(size_bytes: int, allowed: bool) -> None:
    driver, ring = queue_pair(limits=QueueLimits(8, 200))
    driver.descriptor(0, RAM_BASE, 100, NEXT, 1)
    driver.descriptor(1, RAM_BASE, size_bytes, WRITE)
    driver.publish(0)
    if allowed:
        assert ring.pop() is not None
    else:
        assert fault_of(ring) is Fault.CHAIN_TOO_BIG


def test_a_readable_descriptor_after_a_writable_one() -> None:
    driver, ring = queue_pair()
    driver.descriptor(0, RAM_BASE, 1, NEXT | WRITE, 1)
    driver.descriptor(1, RAM_BASE, 1, 0)
    driver.publish(0)
    assert fault_of(ring) is Fault.READ_AFTER_WRITE


@pytest.mark.parametrize("size", [0, 3, 512, 1 << 16])
def test_a_queue_of_a_bad_size_is_not_made(size: int) -> None:
    layout = RingLayout(size, RAM_BASE, RAM_BASE + 0x4000, RAM_BASE + 0x8000)
    with pytest.raises(DriverError) as caught:
        Virtqueue(Ram(), layout, 0, LIMITS)
    assert caught.value.fault is Fault.QUEUE_SIZE


def test_no_split_queue_has_more_than_32768_entries() -> None:
    with pytest.raises(DriverError, match="QUEUE_SIZE"):
        RingLayout(1 << 16, 0, 0, 0).check(QueueLimits(1 << 20))
    RingLayout(1 << 15, 0, 0, 0).check(QueueLimits(1 << 20))


def test_a_device_made_to_write_its_own_available_ring_still_comes_to_an_end() -> None:
    driver, ring = queue_pair(4, 0)
    index = driver.layout.driver_area + 2
    driver.descriptor(0, index, 2, WRITE)
    for _ in range(4):
        driver.publish(0)
    served = 0
    for chain in ring.chains():
        served += 1
        chain.writable.write(0, (served + 4).to_bytes(2, "little"))
        ring.push(chain, 2)
    assert served == 4
    assert ring.pending() == 4


@given(st.binary(min_size=0, max_size=400), st.integers(0, 8), st.sampled_from([0, BOTH]))
@settings(max_examples=200, deadline=None)
def test_no_contents_of_the_queue_break_the_device(noise: bytes, ahead: int, features: int) -> None:
    rig = Rig(Echo()).bring_up(features)
    queue = rig.queues[0]
    rig.ram.data[: len(noise)] = noise
    rig.ram.set_u16(queue.layout.driver_area + 2, ahead)
    rig.kick()
    assert rig.needs_reset == bool(rig.reports)
    assert rig.needs_reset or rig.device.served == ahead
    assert rig.line == bool(rig.get(Reg.InterruptStatus))


LIKELY = st.builds(
    lambda address, size_bytes, flags, following: struct.pack("<QIHH", address, size_bytes, flags, following),
    st.integers(0, 40).map(lambda number: RAM_BASE + 16 * number),
    st.sampled_from([0, 1, 16, 32, 64]),
    st.integers(0, 7),
    st.integers(0, 8),
)


@given(st.lists(LIKELY, min_size=8, max_size=8), st.lists(st.integers(0, 8), min_size=8, max_size=8))
@settings(max_examples=200, deadline=None)
def test_no_likely_chain_breaks_the_device(descriptors: list[bytes], heads: list[int]) -> None:
    rig = Rig(Echo()).bring_up(BOTH)
    rig.ram.data[: 16 * 8] = b"".join(descriptors)
    for head in heads:
        rig.queues[0].publish(head)
    rig.kick()
    assert rig.needs_reset == bool(rig.reports)
    assert rig.needs_reset or rig.device.served == 8
