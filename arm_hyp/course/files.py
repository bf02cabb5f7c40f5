"""Files of authors and students, read with care and written whole.

Read nothing before this file. Students' editors write CRLF, byte order marks and other encodings; files get deleted and
renamed. All of that is read, or told in one line.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from arm_hyp.errors import UserError

MAX_BYTES: Final = 1 << 20
"""A source text is smaller than this."""

T = TypeVar("T")


def read_text(path: Path, way_out: str = "") -> str:
    """Return a text with its lines ended by LF, without a byte order mark. Raises: UserError."""
    try:
        if path.exists() and not path.is_file():
            raise UserError(str(path), "is no file", way_out)
        if path.stat().st_size > MAX_BYTES:
            raise UserError(str(path), f"is larger than {MAX_BYTES >> 20} MiB", "leave out what is not needed")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(str(path), f"is not UTF-8 text from byte {error.start} on", "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        cause = (getattr(error, "strerror", None) or "cannot be read").lower()
        raise UserError(str(path), cause, way_out) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_inside(folder: Path, name: str, way_out: str = "") -> str:
    """Return the text of a file in a folder, which no link may lead out of. Raises: UserError."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(str(path), "leads out of its folder", "put the file itself there")
    return read_text(path, way_out)


def read_toml(path: Path, way_out: str = "") -> dict[str, Any]:
    """Return what a TOML file holds. Raises: UserError."""
    try:
        return tomllib.loads(read_text(path, way_out))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise UserError(str(path), f"is not a TOML file: {error}") from None


def typed(path: Path, plain: Any, wanted: type[T]) -> T:
    """Return what a file holds as a type. Raises: UserError, which names the key."""
    try:
        return msgspec.convert(plain, wanted)
    except msgspec.ValidationError as error:
        cause = str(error).replace("Object", "the table").replace(" - at ", ", at ").replace("`$.", "`")
        raise UserError(str(path), cause) from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that at every moment the old or the new one is there; a device is written to. Raises: OSError."""
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, _mode(path))
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _mode(path: Path) -> int:
    """Return the mode that a file has, or that a new one gets."""
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return 0o644


def put(path: Path, data: bytes) -> Path | None:
    """Write a file; where another one is, keep that one beside it as NAME.kept-N, and return where."""
    kept = None
    if path.exists() or path.is_symlink():
        if path.is_file() and path.read_bytes() == data:
            return None
        kept = _free_name(path)
        os.replace(path, kept)
    write_whole(path, data)
    return kept


def _free_name(path: Path) -> Path:
    numbered = (path.with_name(f"{path.name}.kept-{number}") for number in range(1, 1 << 30))
    return next(name for name in numbered if not name.exists() and not name.is_symlink())
