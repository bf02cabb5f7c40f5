"""What was handed in: a folder or a zip file, made into a folder that holds plain files and nothing else.

Read `course/files.py` before this file, `course/grading/grade.py` after it. A zip file is read with suspicion: a name
that leaves the folder, a link, too many or too large files, or one that says another size than it has is refused.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from arm_hyp.errors import UserError

MAX_FILES: Final = 2_000
MAX_BYTES: Final = 32 << 20
MAX_ZIP_BYTES: Final = 32 << 20
_LONGEST_NAME: Final = 200
_DEEPEST: Final = 16
_PIECE_BYTES: Final = 1 << 16
_NOBODYS: Final = ("__MACOSX",)
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_IS_ENCRYPTED: Final = 1


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Give the folder of a submission; that of a zip file is private, and removed. Raises: UserError."""
    if path.is_dir():
        yield _inner(path)
        return
    folder = Path(tempfile.mkdtemp(prefix="arm-hyp-submission-"))
    try:
        _unpack(path, folder)
        yield _inner(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _inner(folder: Path) -> Path:
    """Go down into the folders that zip programs put around everything."""
    for _ in range(_DEEPEST):
        inside = [each for each in folder.iterdir() if not each.name.startswith((".", *_NOBODYS))]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].is_symlink() or _is_lesson(inside[0]):
            break
        folder = inside[0]
    return folder


def _is_lesson(folder: Path) -> bool:
    return folder.name[:2].isdigit() and folder.name[2:3] == "-"


def _unpack(path: Path, folder: Path) -> None:
    try:
        if path.stat().st_size > MAX_ZIP_BYTES:
            raise _refused(path, f"is larger than {MAX_ZIP_BYTES >> 20} MiB")
        with zipfile.ZipFile(path) as archive:
            _extract(path, archive, folder)
    except FileNotFoundError:
        raise UserError(str(path), "is not there", "name folders and zip files") from None
    except (FileExistsError, NotADirectoryError):
        raise _refused(path, "has one name for a file and for a folder") from None
    except OSError as error:
        raise UserError(str(path), (error.strerror or str(error)).lower()) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UserError(str(path), f"is no zip file that can be read: {error}", "zip the folder again") from None


def _refused(path: Path, cause: str) -> UserError:
    return UserError(str(path), cause, "hand in the files of the lesson, and nothing else")


def _extract(path: Path, archive: zipfile.ZipFile, folder: Path) -> None:
    members = [one for one in archive.infolist() if not one.is_dir()]
    if len(members) > MAX_FILES:
        raise _refused(path, f"has {len(members):,} files; at most {MAX_FILES:,} are taken")
    left_bytes, seen = MAX_BYTES, set[str]()
    for member in members:
        name = _safe_name(path, member)
        if name.parts[0] in _NOBODYS:
            continue
        if (key := str(name).casefold()) in seen:
            raise _refused(path, f"has {_shown(member)} twice")
        seen.add(key)
        left_bytes -= _write(path, archive, member, folder / name, left_bytes)


def _safe_name(path: Path, member: zipfile.ZipInfo) -> PurePosixPath:
    name, kind = PurePosixPath(member.filename.replace("\\", "/")), stat.S_IFMT(member.external_attr >> 16)
    parts = name.parts
    if name.is_absolute() or not parts or ".." in parts or ":" in parts[0]:
        raise _refused(path, f"has {_shown(member)}, which would leave its folder")
    if kind not in (0, stat.S_IFREG):
        raise _refused(path, f"has {_shown(member)}, which is a link or no file at all")
    if len(parts) > _DEEPEST or any(len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in parts):
        raise _refused(path, f"has {_shown(member)}: the name is too long")
    if member.flag_bits & _IS_ENCRYPTED or member.compress_type not in _METHODS:
        raise _refused(path, f"has {_shown(member)}, which is encrypted or packed in an unusual way")
    return name


def _shown(member: zipfile.ZipInfo) -> str:
    return ascii(member.filename[:80])


def _write(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left_bytes: int) -> int:
    """Unpack one file piece by piece; return its size. Nothing is believed of what the zip file says of sizes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as packed, target.open("xb") as file:
        while piece := packed.read(_PIECE_BYTES):
            written += len(piece)
            if written > left_bytes:
                raise _refused(path, f"holds more than {MAX_BYTES >> 20} MiB when unpacked")
            file.write(piece)
    return written
