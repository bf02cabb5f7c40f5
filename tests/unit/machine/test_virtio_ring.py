"""The split virtqueue with an honest driver: random chains, interrupts, indices that wrap; scattered memory."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_virtio_driver import RAM_BASE, WRITE, DriverQueue, Ram

from arm_hyp.machine.virtio.chain import DriverMemory, Piece, Scatter
from arm_hyp.machine.virtio.ring import F_EVENT_IDX, F_INDIRECT_DESC, QueueLimits, Virtqueue

BOTH = F_EVENT_IDX | F_INDIRECT_DESC
LIMITS = QueueLimits(256, 1 << 16)


def queue_pair(size: int = 8, features: int = BOTH, limits: QueueLimits = LIMITS) -> tuple[DriverQueue, Virtqueue]:
    driver = DriverQueue(Ram(), RAM_BASE, size)
    return driver, Virtqueue(driver.ram, driver.layout, features, limits)


# An honest driver


def test_an_empty_queue_gives_nothing_and_asks_for_a_notification() -> None:
    driver, ring = queue_pair()
    assert ring.pop() is None
    driver.post([b"x"])
    assert ring.pop() is not None
    assert driver.avail_event == 0
    assert ring.pop() is None
    assert driver.avail_event == 1


def test_all_chains_taken_together_end_with_a_request_for_the_next_notification() -> None:
    driver, ring = queue_pair()
    driver.post([b"x"])
    driver.post([b"y"])
    assert len(list(ring.chains())) == 2
    assert driver.avail_event == 2


def test_without_event_idx_the_event_fields_are_not_touched() -> None:
    driver, ring = queue_pair(features=0)
    driver.post([b"x"])
    for chain in ring.chains():
        ring.push(chain, 0)
    event = driver.layout.device_area + 4 + 8 * driver.size
    assert all(address + size_bytes <= event for address, size_bytes in driver.ram.writes[-3:])
    assert ring.pop() is None
    assert driver.avail_event == 0


@given(
    size=st.sampled_from([1, 2, 4, 8, 16]),
    features=st.sampled_from([0, F_EVENT_IDX, F_INDIRECT_DESC, BOTH]),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_what_the_driver_posts_is_what_the_device_sees(size: int, features: int, data: st.DataObject) -> None:
    driver, ring = queue_pair(size, features)
    for _ in range(data.draw(st.integers(1, 6))):
        expected = []
        while driver.free and len(expected) < 4 and data.draw(st.booleans() if expected else st.just(True)):
            indirect = bool(features & F_INDIRECT_DESC) and data.draw(st.booleans())
            most = size if indirect else len(driver.free)
            readable = data.draw(st.lists(st.binary(max_size=9), max_size=most))
            fewest = 0 if readable else 1
            writable = data.draw(
                st.lists(st.integers(0, 9), min_size=fewest, max_size=max(most - len(readable), fewest))
            )
            if len(readable) + len(writable) > most:
                writable = writable[: most - len(readable)]
            direct = (
                data.draw(st.integers(0, min(len(readable + writable) - 1, len(driver.free) - 1))) if indirect else None
            )
            posted = driver.post(readable, writable, direct=direct)
            expected.append((posted.head, b"".join(readable), sum(writable)))
        answers = []
        for chain in ring.chains():
            seen = chain.readable.read(0, chain.readable.size_bytes)
            answer = bytes(range(1, chain.writable.size_bytes + 1))
            chain.writable.write(0, answer)
            ring.push(chain, len(answer))
            answers.append((chain.head, len(answer), answer))
            assert (chain.head, seen, chain.writable.size_bytes) == expected[len(answers) - 1]
        assert len(answers) == len(expected)
        assert driver.collect() == answers
        assert ring.pop() is None
        if features & F_EVENT_IDX:
            assert driver.avail_event == driver.available


def test_indices_wrap_after_65536_chains() -> None:
    driver, ring = queue_pair(2, 0)
    start = 0xFFFE
    ring.restore({"available": start, "used": start, "announced": start})
    driver.available = driver.used_seen = start
    driver.ram.set_u16(driver.layout.driver_area + 2, start)
    driver.ram.set_u16(driver.layout.device_area + 2, start)
    for number in range(5):
        driver.post([bytes([number])], [1])
        chain = ring.pop()
        assert chain is not None
        chain.writable.write(0, chain.readable.read(0, 1))
        ring.push(chain, 1)
        assert ring.take_interrupt()
        assert [data for _, _, data in driver.collect()] == [bytes([number])]
    assert ring.snapshot() == {"available": 3, "used": 3, "announced": 3}


def test_chains_may_be_handed_back_in_any_order() -> None:
    driver, ring = queue_pair()
    heads = [driver.post([bytes([number])]).head for number in range(3)]
    chains = list(ring.chains())
    for chain in reversed(chains):
        ring.push(chain, 0)
    assert [head for head, _, _ in driver.collect()] == heads[::-1]


def test_direct_descriptors_may_come_before_an_indirect_table_whose_write_flag_means_nothing() -> None:
    driver, ring = queue_pair()
    posted = driver.post([b"ab", b"cd"], [3], direct=1)
    table = posted.descriptors[1]
    offset = driver.layout.descriptors - RAM_BASE + 16 * table + 12
    driver.ram.data[offset] |= WRITE
    chain = ring.pop()
    assert chain is not None
    assert (chain.readable.read(0, 4), chain.writable.size_bytes) == (b"abcd", 3)


# Interrupts


def test_the_no_interrupt_flag_is_obeyed_without_event_idx() -> None:
    driver, ring = queue_pair(features=0)
    assert not ring.take_interrupt(), "nothing was used"
    for refuse in (False, True):
        driver.post([b"x"])
        if refuse:
            driver.refuse_interrupts()
        for chain in ring.chains():
            ring.push(chain, 0)
        assert ring.take_interrupt() is not refuse
        assert not ring.take_interrupt(), "one interrupt for one batch"


@given(start=st.integers(0, 0xFFFF), batch=st.integers(1, 8), distance=st.integers(-3, 10) | st.integers(0, 0xFFFF))
@settings(deadline=None)
def test_used_event_is_obeyed(start: int, batch: int, distance: int) -> None:
    event = start + distance & 0xFFFF
    driver, ring = queue_pair(8, F_EVENT_IDX)
    ring.restore({"available": start, "used": start, "announced": start})
    driver.available = start
    driver.ram.set_u16(driver.layout.driver_area + 2, start)
    driver.refuse_interrupts()
    driver.set_used_event(event)
    for _ in range(batch):
        driver.post([b"x"])
    for chain in ring.chains():
        ring.push(chain, 0)
    crossed = event in {start + number & 0xFFFF for number in range(batch)}
    assert ring.take_interrupt() is crossed


# Scattered memory


@given(st.lists(st.integers(0, 6), max_size=6), st.data())
@settings(deadline=None)
def test_scattered_memory_reads_and_writes_like_one_piece(sizes: list[int], data: st.DataObject) -> None:
    ram = Ram()
    pieces = [Piece(RAM_BASE + 16 * number, size_bytes) for number, size_bytes in enumerate(sizes)]
    scatter, flat = Scatter(DriverMemory(ram), pieces), bytearray(sum(sizes))
    assert scatter.size_bytes == len(flat)
    for _ in range(4):
        offset = data.draw(st.integers(0, len(flat)))
        part = data.draw(st.binary(max_size=len(flat) - offset))
        scatter.write(offset, part)
        flat[offset : offset + len(part)] = part
        low = data.draw(st.integers(0, len(flat)))
        assert scatter.read(low, len(flat) - low) == flat[low:]
    assert sum(size_bytes for _, size_bytes in pieces) == len(flat)


@pytest.mark.parametrize(("offset", "size_bytes"), [(0, 5), (4, 1), (5, 0), (-1, 1)])
def test_scattered_memory_has_an_end(offset: int, size_bytes: int) -> None:
    scatter = Scatter(DriverMemory(Ram()), [Piece(RAM_BASE, 4)])
    with pytest.raises(ValueError, match="not within 4 bytes"):
        scatter.read(offset, size_bytes)
    with pytest.raises(ValueError, match="not within 4 bytes"):
        scatter.write(offset, bytes(size_bytes))
