"""What is handed in as a zip file: unpacked with suspicion, or refused in one line, with nothing left behind."""

from __future__ import annotations

import io
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from arm_hyp.course.grading import submissions
from arm_hyp.course.grading.submissions import opened
from arm_hyp.errors import UserError


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def made(tmp_path: Path, files: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> Path:
    path = tmp_path / "anna.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            if change is not None:
                change(member)
            archive.writestr(member, data)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"handlers.py": b"x"}, ["handlers.py"]),
        ({"work/handlers.py": b"x", "work/answers.toml": b"y"}, ["answers.toml", "handlers.py"]),
        ({"04-wfi/handlers.py": b"x"}, ["04-wfi/handlers.py"]),
        ({"anna\\04-wfi\\handlers.py": b"x"}, ["04-wfi/handlers.py"]),
        ({"a/b/04-wfi/handlers.py": b"x", "a/.DS_Store": b"?"}, ["04-wfi/handlers.py"]),
        ({"handlers.py": b"x", "__MACOSX/._handlers.py": b"?"}, ["handlers.py"]),
        ({"handlers.py": b"", "über.txt": b""}, ["handlers.py", "über.txt"]),
    ],
)
def test_a_zip_file_is_a_folder_for_a_while(
    tmp_path: Path, temporary: Path, files: dict[str, bytes], found: list[str]
) -> None:
    with opened(made(tmp_path, files)) as folder:
        assert names(folder) == found
    assert not list(temporary.iterdir())


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "handlers.py").touch()
    with opened(tmp_path) as folder:
        assert folder == tmp_path


LINK = (stat.S_IFLNK | 0o777) << 16
DEVICE = (stat.S_IFCHR | 0o666) << 16


def _with_mode(mode: int) -> Callable[[zipfile.ZipInfo], None]:
    return lambda member: setattr(member, "external_attr", mode)


@pytest.mark.parametrize(
    ("files", "change", "cause"),
    [
        ({"../escaped.py": b"x"}, None, "would leave its folder"),
        ({"a/../../escaped.py": b"x"}, None, "would leave its folder"),
        ({"..\\escaped.py": b"x"}, None, "would leave its folder"),
        ({"/escaped.py": b"x"}, None, "would leave its folder"),
        ({"C:\\escaped.py": b"x"}, None, "would leave its folder"),
        ({"handlers.py": b"/etc/passwd"}, _with_mode(LINK), "is a link or no file at all"),
        ({"handlers.py": b""}, _with_mode(DEVICE), "is a link or no file at all"),
        ({"x" * 300: b""}, None, "the name is too long"),
        ({"a/" * 40 + "x": b""}, None, "the name is too long"),
        ({"handlers.py": b"", "HANDLERS.py": b""}, None, "twice"),
        ({"bomb": bytes(33 << 20)}, None, "holds more than 32 MiB when unpacked"),
        ({f"{number}": bytes(5 << 20) for number in range(7)}, None, "holds more than 32 MiB when unpacked"),
        ({f"{number}": b"" for number in range(2001)}, None, "has 2,001 files"),
    ],
)
def test_a_hostile_zip_file_is_refused_in_one_line(
    tmp_path: Path,
    temporary: Path,
    files: dict[str, bytes],
    change: Callable[[zipfile.ZipInfo], None] | None,
    cause: str,
) -> None:
    with pytest.raises(UserError, match=cause) as caught, opened(made(tmp_path, files, change)):
        raise AssertionError("it was opened")
    assert str(caught.value).count("\n") == 0
    assert not list(temporary.iterdir())
    assert not list(tmp_path.rglob("escaped.py"))


def _damaged(tmp_path: Path) -> Path:
    path = made(tmp_path, {"handlers.py": b"abc" * 100})
    data = bytearray(path.read_bytes())
    data[45:50] = b"?????"
    path.write_bytes(data)
    return path


def _lying_about_its_size(tmp_path: Path) -> Path:
    """A file that says it has 1 byte, and unpacks to 40 MiB."""
    path = made(tmp_path, {"bomb": bytes(40 << 20)})
    data, size = bytearray(path.read_bytes()), struct.pack("<I", 40 << 20)
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = struct.pack("<I", 1)
    path.write_bytes(data)
    return path


def _encrypted(tmp_path: Path) -> Path:
    path = made(tmp_path, {"handlers.py": b"x"})
    data = bytearray(path.read_bytes())
    for head, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(head) + flags] |= 1
    path.write_bytes(data)
    return path


def _no_zip(tmp_path: Path) -> Path:
    path = tmp_path / "anna.zip"
    path.write_bytes(b"PK\x03\x04 not really")
    return path


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (_damaged, "is no zip file that can be read"),
        (_lying_about_its_size, "is no zip file that can be read"),
        (_encrypted, "encrypted"),
        (_no_zip, "is no zip file that can be read"),
        (lambda tmp_path: tmp_path / "nobody.zip", "is not there"),
    ],
)
def test_a_damaged_zip_file_is_refused_in_one_line(
    tmp_path: Path, temporary: Path, make: Callable[[Path], Path], cause: str
) -> None:
    with pytest.raises(UserError, match=cause) as caught, opened(make(tmp_path)):
        raise AssertionError("it was opened")
    assert str(caught.value).count("\n") == 0
    assert not list(temporary.iterdir())


def test_a_zip_file_that_is_too_large_is_not_even_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions, "MAX_ZIP_BYTES", 10)
    with pytest.raises(UserError, match="is larger than"), opened(made(tmp_path, {"handlers.py": b""})):
        raise AssertionError("it was opened")


def test_files_in_files_are_files(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("handlers.py", "x")
    with opened(made(tmp_path, {"inner.zip": inner.getvalue(), "handlers.py": b"y"})) as folder:
        assert names(folder) == ["handlers.py", "inner.zip"]


def test_a_folder_may_lie_in_others(tmp_path: Path) -> None:
    (tmp_path / "upload" / "anna" / "04-wfi").mkdir(parents=True)
    with opened(tmp_path / "upload") as folder:
        assert folder == tmp_path / "upload" / "anna"


def test_links_are_not_followed_into_a_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "upload").mkdir()
    (tmp_path / "upload" / "anna").symlink_to(tmp_path / "elsewhere")
    with opened(tmp_path / "upload") as folder:
        assert folder == tmp_path / "upload"
