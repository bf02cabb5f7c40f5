"""virtio-blk and its drives: requests, errors, the overlay, snapshots, files that are no drives."""

import os
import random
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_virtio_driver import NEXT, RAM_BASE, WRITE, Rig

from arm_hyp.errors import UserError
from arm_hyp.machine.virtio.blk import S_IOERR, S_OK, S_UNSUPP, T_FLUSH, T_GET_ID, T_IN, T_OUT, VirtioBlk
from arm_hyp.machine.virtio.drive import DriveError, FileDrive, OverlayDrive, open_drive
from arm_hyp.machine.virtio.mmio import F_VERSION_1, Reg
from arm_hyp.machine.virtio.ring import F_EVENT_IDX, F_INDIRECT_DESC

SECTORS = 64
UNTOUCHED = 0xEE


def content(sectors: int = SECTORS) -> bytes:
    return random.Random(1).randbytes(512 * sectors)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drive") / "disk.img"
    path.write_bytes(content())
    return path


def header(kind: int, sector: int = 0) -> bytes:
    return struct.pack("<IIQ", kind, 0, sector)


class Disk:
    """A running disk and its driver."""

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.blk = VirtioBlk(open_drive(path, read_only=read_only), "serial-0")
        self.rig = Rig(self.blk).bring_up()

    def request(self, readable: list[bytes], writable: list[int]) -> tuple[int, int, bytes]:
        """Return the status, the length reported, and the data."""
        queue = self.rig.queues[0]
        queue.heap = queue.heap_base
        queue.post(readable, writable)
        for address, size_bytes in queue.posted[next(iter(queue.posted))].writable:
            self.rig.ram.write(address, bytes([UNTOUCHED]) * size_bytes)
        self.rig.kick()
        assert not self.rig.reports
        ((_, length, answer),) = queue.collect()
        return answer[-1], length, answer[:-1]

    def read(self, sector: int, count: int) -> bytes:
        status, length, data = self.request([header(T_IN, sector)], [512 * count, 1])
        assert (status, length) == (S_OK, 512 * count + 1)
        return data

    def write(self, sector: int, data: bytes) -> None:
        assert self.request([header(T_OUT, sector), data], [1]) == (S_OK, 1, b"")


@pytest.fixture
def disk(image: Path) -> Disk:
    return Disk(image)


def test_the_configuration_tells_capacity_segments_and_block_size(disk: Disk) -> None:
    assert struct.unpack("<QII4xI", disk.blk.config()) == (SECTORS, 0, 254, 512)
    assert disk.rig.get(Reg.DeviceID) == 2
    assert disk.rig.transport.read(0x100, 4) == SECTORS
    assert disk.rig.transport.read(0x114, 2) == 512


@pytest.mark.parametrize(("read_only", "expected"), [(False, 0b10_0100_0100), (True, 0b10_0110_0100)])
def test_features(image: Path, read_only: bool, expected: int) -> None:
    rig = Rig(VirtioBlk(open_drive(image, read_only=read_only)))
    assert rig.offered() == expected | F_INDIRECT_DESC | F_EVENT_IDX | F_VERSION_1


@pytest.mark.parametrize(("sector", "count"), [(0, 1), (5, 3), (0, SECTORS), (SECTORS - 1, 1)])
def test_sectors_are_read(disk: Disk, sector: int, count: int) -> None:
    assert disk.read(sector, count) == content()[512 * sector : 512 * (sector + count)]


def test_the_interrupt_comes_with_the_answer(disk: Disk) -> None:
    assert not disk.rig.line
    disk.read(0, 1)
    assert disk.rig.line and disk.rig.get(Reg.InterruptStatus) == 1


def test_how_a_request_is_cut_into_descriptors_does_not_matter(disk: Disk) -> None:
    head = header(T_IN, 3)
    status, length, data = disk.request([head[:1], head[1:9], head[9:]], [1, 500, 523, 1])
    assert (status, length, data) == (S_OK, 1025, content()[3 * 512 : 5 * 512])
    new = random.Random(2).randbytes(1024)
    assert disk.request([header(T_OUT, 7) + new[:100], new[100:]], [1])[0] == S_OK
    assert disk.request([header(T_IN, 7)], [1025])[::2] == (S_OK, new)


def test_what_is_written_is_read_and_the_file_stays(disk: Disk, image: Path) -> None:
    new = random.Random(3).randbytes(3 * 512)
    disk.write(10, new)
    assert disk.read(9, 5) == content()[9 * 512 : 10 * 512] + new + content()[13 * 512 : 14 * 512]
    assert disk.read(0, 10) == content()[: 10 * 512]
    assert image.read_bytes() == content()


def test_requests_of_several_steps_are_whole(tmp_path: Path) -> None:
    """2.5 MiB in three steps, into and out of the same 512 KiB of RAM."""
    sectors = (5 << 20) // 1024
    path = tmp_path / "big.img"
    path.write_bytes(content(sectors))
    disk = Disk(path)
    queue, ram = disk.rig.queues[0], disk.rig.ram
    buffer, pieces = queue.buffer(1 << 19), 5
    queue.ram.write(queue.heap, header(T_IN))
    queue.descriptor(0, queue.heap, 16, NEXT, 1)
    for index in range(1, pieces + 1):
        queue.descriptor(index, buffer, 1 << 19, WRITE | NEXT, index + 1)
    queue.descriptor(pieces + 1, queue.heap + 16, 1, WRITE)
    queue.publish(0)
    disk.rig.kick()
    assert not disk.rig.reports
    assert ram.read(queue.heap + 16, 1) == bytes([S_OK])
    assert ram.read(buffer, 1 << 19) == content(sectors)[-(1 << 19) :]
    ram.write(queue.heap, header(T_OUT))
    for index in range(1, pieces + 1):
        queue.descriptor(index, buffer + index, 1 << 19, NEXT, index + 1)
    sent = b"".join(ram.read(buffer + index, 1 << 19) for index in range(1, pieces + 1))
    queue.publish(0)
    disk.rig.kick()
    assert not disk.rig.reports
    written = disk.blk.snapshot()["drive"]["written"]
    assert list(written) == list(range(sectors))
    assert b"".join(written.values()) == sent


@pytest.mark.parametrize(
    ("sector", "size_bytes"),
    [(SECTORS, 512), (SECTORS - 1, 1024), (1 << 63, 512), ((1 << 64) - 1, 512), (0, 511), (0, 513), (0, 1)],
)
@pytest.mark.parametrize("kind", [T_IN, T_OUT])
def test_what_is_not_sectors_of_the_drive_is_an_io_error(disk: Disk, kind: int, sector: int, size_bytes: int) -> None:
    if kind == T_IN:
        status, length, data = disk.request([header(kind, sector)], [size_bytes, 1])
        assert (status, length, data) == (S_IOERR, 0, bytes([UNTOUCHED]) * size_bytes)
    else:
        assert disk.request([header(kind, sector), bytes(size_bytes)], [1]) == (S_IOERR, 1, b"")
    assert disk.blk.snapshot()["drive"]["written"] == {}
    assert not disk.rig.needs_reset


def test_an_empty_request_at_the_very_end_is_fine(disk: Disk) -> None:
    assert disk.request([header(T_IN, SECTORS)], [1]) == (S_OK, 1, b"")
    assert disk.request([header(T_IN, SECTORS + 1)], [1]) == (S_IOERR, 1, b"")


def test_a_read_only_disk_is_not_written(image: Path) -> None:
    disk = Disk(image, read_only=True)
    assert disk.request([header(T_OUT, 0), bytes(512)], [1]) == (S_IOERR, 1, b"")
    assert disk.read(0, SECTORS) == content()


def test_flush(disk: Disk) -> None:
    assert disk.request([header(T_FLUSH)], [1]) == (S_OK, 1, b"")


@pytest.mark.parametrize(("room", "length"), [(20, 21), (8, 9), (0, 1), (30, 20)])
def test_the_serial_number(disk: Disk, room: int, length: int) -> None:
    status, reported, data = disk.request([header(T_GET_ID)], [room, 1])
    assert (status, reported) == (S_OK, length)
    assert data == (b"serial-0".ljust(20, b"\0")[:room]).ljust(room, bytes([UNTOUCHED]))


def test_a_serial_number_has_20_characters_at_most(image: Path) -> None:
    assert Rig(VirtioBlk(open_drive(image), "x" * 20)).get(Reg.DeviceID) == 2
    with pytest.raises(ValueError, match="more than 20"):
        VirtioBlk(open_drive(image), "x" * 21)


@pytest.mark.parametrize("kind", [2, 3, 5, 11, 13, 0xFFFF_FFFF])
def test_other_requests_are_not_supported(disk: Disk, kind: int) -> None:
    assert disk.request([header(kind), bytes(512)], [512, 1]) == (S_UNSUPP, 0, bytes([UNTOUCHED]) * 512)


@pytest.mark.parametrize(
    ("readable", "writable"), [([], [513]), ([bytes(15)], [513]), ([bytes(16)], []), ([bytes(16)], [0])]
)
def test_a_request_without_header_or_status_needs_a_reset(
    disk: Disk, readable: list[bytes], writable: list[int]
) -> None:
    disk.rig.queues[0].post(readable, writable)
    disk.rig.kick()
    assert disk.rig.needs_reset
    assert "VirtioBlk: MALFORMED_REQUEST" in disk.rig.reports[0]


def test_a_wild_data_buffer_needs_a_reset(disk: Disk) -> None:
    queue = disk.rig.queues[0]
    queue.ram.write(queue.heap, header(T_IN))
    queue.descriptor(0, queue.heap, 16, NEXT, 1)
    queue.descriptor(1, RAM_BASE - 256, 513, WRITE)
    queue.publish(0)
    disk.rig.kick()
    assert disk.rig.needs_reset
    assert "WILD_ADDRESS" in disk.rig.reports[0]
    assert queue.collect() == []


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, SECTORS - 1), st.integers(1, 6), st.integers(0, 255)),
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_disk_keeps_what_is_written_and_comes_back_from_a_snapshot(
    image: Path, requests: list[tuple[bool, int, int, int]]
) -> None:
    disk, model = Disk(image), bytearray(content())
    half = len(requests) // 2
    kept = disk.rig.transport.snapshot(), bytes(disk.rig.ram.data), bytes(model)
    for number, (is_write, sector, count, fill) in enumerate(requests):
        if number == half:
            kept = disk.rig.transport.snapshot(), bytes(disk.rig.ram.data), bytes(model)
        count = min(count, SECTORS - sector)
        if is_write:
            data = bytes([fill]) * (512 * count)
            disk.write(sector, data)
            model[512 * sector : 512 * (sector + count)] = data
        else:
            assert disk.read(sector, count) == model[512 * sector : 512 * (sector + count)]
    assert disk.read(0, SECTORS) == model
    other = Disk(image)
    other.rig.transport.restore(kept[0])
    other.rig.ram.data[:] = kept[1]
    other.rig.queues[0].available = other.rig.queues[0].used_seen = half
    assert other.read(0, SECTORS) == kept[2], "later writes are not in the snapshot"
    assert other.rig.transport.snapshot()["device"] == kept[0]["device"]


# Drives


def test_the_overlay_reads_the_same_whether_few_or_many_sectors_were_written(image: Path) -> None:
    drive, model = OverlayDrive(FileDrive(image)), bytearray(content())
    for sector in (1, 2, 40, 3, 63):
        drive.write(sector, bytes([sector]) * 512)
        model[512 * sector : 512 * (sector + 1)] = bytes([sector]) * 512
        for start, count in ((0, 1), (1, 1), (0, 4), (2, 2), (39, 3), (0, SECTORS)):
            assert drive.read(start, count) == model[512 * start : 512 * (start + count)]
    assert list(drive.snapshot()["written"]) == [1, 2, 3, 40, 63]


def test_a_snapshot_of_another_drive_is_refused(image: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.img"
    path.write_bytes(bytes(512))
    small, drive = open_drive(path), open_drive(image)
    drive.write(3, bytes(512))
    state = drive.snapshot()
    with pytest.raises(ValueError, match="a drive of 1 sectors, not 64"):
        drive.restore(small.snapshot())
    assert drive.snapshot() == state, "the refused state changed nothing"


def test_a_file_drive_refuses_writes(image: Path) -> None:
    drive = FileDrive(image)
    drive.flush()
    with pytest.raises(DriveError, match="read-only"):
        drive.write(0, bytes(512))
    drive.close()
    with pytest.raises(DriveError):
        drive.read(0, 1)


def test_a_file_that_shrinks_while_in_use_is_an_io_error(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(content(4))
    disk = Disk(path)
    os.truncate(path, 512)
    assert disk.read(0, 1) == content(4)[:512]
    assert disk.request([header(T_IN, 0)], [1024, 1])[:2] == (S_IOERR, 0)


@pytest.mark.parametrize("size_bytes", [1, 511, 513, 512 * 7 + 100])
def test_a_truncated_file_is_a_user_error(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(size_bytes))
    with pytest.raises(UserError) as caught:
        open_drive(path)
    whole = -(-size_bytes // 512) * 512
    assert str(caught.value) == (
        f"{path}: the drive is truncated: {size_bytes} bytes are no multiple of 512; truncate -s {whole} makes it whole"
    )


def test_what_is_no_drive_is_a_user_error(tmp_path: Path) -> None:
    empty, pipe = tmp_path / "empty", tmp_path / "pipe"
    empty.touch()
    os.mkfifo(pipe)
    for path, cause in (
        (empty, "the drive is empty"),
        (pipe, "must be a regular file"),
        (tmp_path, "must be a regular file"),
        (tmp_path / "absent", "No such file"),
        ("nul\0", "null byte"),
    ):
        with pytest.raises(UserError, match=cause):
            open_drive(path)
