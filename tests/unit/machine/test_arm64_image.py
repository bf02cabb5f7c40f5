"""The header of an arm64 Image, its place in RAM, and gzip: each field, each refusal."""

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.errors import UserError
from arm_hyp.machine import arm64_image
from arm_hyp.machine.loader import MemoryLayout, load_file

RAM = MemoryLayout(0x4000_0000, 64 << 20)
RANGE = range(RAM.base, RAM.base + RAM.size)
CODE = 0xD503_201F.to_bytes(4, "little")


def image(text_offset: int = 0, size: int = 0x10_0000, flags: int = 0b1010, body: bytes = CODE * 8) -> bytes:
    return CODE + CODE + struct.pack("<QQQ", text_offset, size, flags) + bytes(24) + b"ARM\x64" + bytes(4) + body


def write(tmp_path: Path, content: bytes, name: str = "Image") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_header_fields() -> None:
    header = arm64_image.decode_header(image(0x8_0000, 0x123_4000, 0b1101))
    assert header == arm64_image.Arm64Header(0x8_0000, 0x123_4000, True, 16 << 10, True)
    assert arm64_image.decode_header(image(flags=0b0000)).page_bytes is None
    assert [arm64_image.decode_header(image(flags=size << 1)).page_bytes for size in (1, 3)] == [4 << 10, 64 << 10]


def test_a_kernel_without_a_size_has_the_old_offset() -> None:
    assert arm64_image.decode_header(image(text_offset=0x1000, size=0)).text_offset == 0x8_0000


@pytest.mark.parametrize(("offset", "address"), [(0, 0x4020_0000), (0x8_0000, 0x4008_0000), (0x1000, 0x4000_1000)])
def test_place_in_ram(tmp_path: Path, offset: int, address: int) -> None:
    loaded = load_file(write(tmp_path, image(offset)), load_address=None, memory=RAM)
    assert (loaded.kind, loaded.entry, loaded.segments[0].address) == ("image", address, address)
    assert loaded.spans == (range(address, address + 0x10_0000),)


def test_the_file_may_be_larger_than_the_image_size(tmp_path: Path) -> None:
    content = image(size=16)
    assert load_file(write(tmp_path, content), load_address=None, memory=RAM).extent_bytes == len(content)


def test_the_users_address(tmp_path: Path) -> None:
    path = write(tmp_path, image(0x8_0000))
    assert load_file(path, load_address=0x4068_0000, memory=RAM).entry == 0x4068_0000
    with pytest.raises(UserError, match=r"may not lie at 0x40700000; an arm64 Image could lie at 0x40680000"):
        load_file(path, load_address=0x4070_0000, memory=RAM)


def test_gzip(tmp_path: Path) -> None:
    content = image()
    loaded = load_file(write(tmp_path, gzip.compress(content, mtime=0), "Image.gz"), load_address=None, memory=RAM)
    assert (loaded.kind, loaded.segments[0].data) == ("image", content)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (image(flags=1), "big-endian kernel"),
        (image(size=64 << 20), "outside RAM"),
        (image(size=1 << 63), "outside RAM"),
        (image(text_offset=1 << 63), "outside RAM"),
        (gzip.compress(image(), mtime=0)[:-4], "truncated gzip"),
        (gzip.compress(image(), mtime=0)[:40] + b"\xff" * 40, "gzip"),
        (gzip.compress(bytes((64 << 20) + 1), mtime=0), "larger than RAM"),
        (gzip.compress(image(text_offset=2), mtime=0), "multiple of 4"),
    ],
)
def test_refusals(tmp_path: Path, content: bytes, cause: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=cause) as caught:
        load_file(path, load_address=None, memory=RAM)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1), st.integers(0, 15))
def test_any_header_gives_a_base_of_two_mib_or_a_refusal(offset: int, size: int, flags: int) -> None:
    header = arm64_image.decode_header(image(offset, size, flags))
    if header.is_big_endian:
        with pytest.raises(UserError):
            arm64_image.load_address("k", header, RANGE)
    else:
        assert (arm64_image.load_address("k", header, RANGE) - header.text_offset) % (2 << 20) == 0


def test_a_short_file_is_no_image() -> None:
    assert not arm64_image.is_arm64_image(image()[:63])
    assert arm64_image.is_arm64_image(image()[:64])
