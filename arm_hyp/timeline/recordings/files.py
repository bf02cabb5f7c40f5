"""The files of a run in its recording: which there are, which are kept whole, and where a replay has them from.

Read `runner/configuration.py` before this file, `timeline/recordings/recording.py` after it. In a recorded
configuration the number of a file stands where its path was: no recording says where a file was on its author's
machine, and none can name a file on that of its reader. What is not inside is looked for by name, size and SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import structs

from arm_hyp.errors import UserError
from arm_hyp.machine.loader import MAX_FILE_BYTES
from arm_hyp.runner.configuration import Configuration, Software, VirtualMachine
from arm_hyp.timeline.embedding import Embed
from arm_hyp.timeline.recordings.container import Section, section

SMALL_BYTES: Final = 1 << 20
MAX_FILES: Final = 2048
_FAST: Final = 1  # of zlib: for large files
_NUMBER: Final = re.compile(r"[0-9]{1,4}")
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9_.+-]")
_LONGEST_NAME: Final = 100
_MOST_LOOKED_AT: Final = 20_000


class RecordedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a run: its name, without a directory, and what it held.

    One that is `beside` another (an include of an assembly text, a module of handlers) has a name relative to that
    one's directory. What is not needed is there for people to read: the text of handlers.
    """

    name: str
    size_bytes: int
    sha256: str
    beside: int | None = None
    is_needed: bool = True


# --- paths in a configuration -----------------------------------------------------------------------------------------

Rename = Callable[[str], str]


def renamed(made: Configuration, rename: Rename) -> Configuration:
    """Return a configuration with every path replaced. Files to type go: the log has what was typed."""
    machine = _software(made, rename) | {
        "bios": _maybe(made.bios, rename),
        "modules": tuple(structs.replace(one, path=rename(one.path)) for one in made.modules),
        "hypervisor": rename(made.hypervisor) if made.hypervisor else made.hypervisor,
        "vms": tuple(structs.replace(vm, **_software(vm, rename), input=None) for vm in made.vms),
    }
    return structs.replace(made, **machine)


def _software(made: Configuration | VirtualMachine, rename: Rename) -> dict[str, Any]:
    assert isinstance(made, Software)
    return {
        "image": _maybe(made.image, rename),
        "initrd": _maybe(made.initrd, rename),
        "dtb": _maybe(made.dtb, rename),
        "loads": tuple(_load(text, rename) for text in made.loads),
        "drives": tuple(structs.replace(drive, path=rename(drive.path)) for drive in made.drives),
    }


def _maybe(path: str | None, rename: Rename) -> str | None:
    return None if path is None else rename(path)


def _load(text: str, rename: Rename) -> str:
    address, separator, path = text.partition("=")
    return f"{address}{separator}{rename(path)}"


# --- collecting -------------------------------------------------------------------------------------------------------


class Collected(NamedTuple):
    """The files of a run: a configuration that has their numbers, and what is kept whole, by number."""

    configuration: Configuration
    files: tuple[RecordedFile, ...]
    contents: dict[int, Section]


class Collector:
    """Collects the files that a configuration names. Make it before the run reads them, and `collect` right after."""

    def __init__(self, configuration: Configuration, embed: Embed = "small") -> None:
        self._embed: Embed = embed
        self._paths: dict[str, int] = {}
        self._configuration = renamed(configuration, self._note)
        self._handlers = configuration.hypervisor
        self._stamps = {path: _stamp(path) for path in self._paths}
        self._files: list[RecordedFile] = []
        self._contents: dict[int, Section] = {}

    def _note(self, path: str) -> str:
        return str(self._paths.setdefault(path, len(self._paths)))

    def collect(
        self, included: Iterable[tuple[str, Sequence[str]]], modules: Mapping[str, str] | None = None
    ) -> Collected:
        """Read and hash the files.

        `included` has images with what their text includes, `modules` the files of a user's handlers, by name.

        Raises: UserError, where a file changed since the run began to read it.
        """
        for path in self._paths:
            self._add(path, _file_name(path), is_needed=path != self._handlers)
        for path, stamp in self._stamps.items():
            if _stamp(path) != stamp:
                raise UserError(path, "changed while it was read", "try again")
        beside = [(self._paths[image], Path(image).parent, name) for image, names in included for name in names]
        for main, folder, name in dict.fromkeys(beside):
            self._add(str(folder / name), name, beside=main)
        for name, path in (modules or {}).items():
            if self._handlers and path != self._handlers:
                self._add(path, name, beside=self._paths[self._handlers], is_needed=False)
        return Collected(self._configuration, tuple(self._files), self._contents)

    def _add(self, path: str, name: str, *, beside: int | None = None, is_needed: bool = True) -> None:
        size = os.stat(path).st_size
        is_kept = self._embed == "all" or (self._embed == "small" and size <= SMALL_BYTES)
        if is_kept and size <= MAX_FILE_BYTES:
            data = Path(path).read_bytes()
            size, digest = len(data), hashlib.sha256(data).hexdigest()
            level = _FAST if size > SMALL_BYTES else 6
            self._contents[len(self._files)] = section(f"file:{len(self._files)}", data, level=level)
        else:
            digest = _hash_of(path)
        self._files.append(RecordedFile(name, size, digest, beside, is_needed))


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None  # the run will say so
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _file_name(path: str) -> str:
    """Return a file's own name, with nothing in it that a file system or a terminal could take for more."""
    return _UNUSUAL.sub("_", os.path.basename(path))[-_LONGEST_NAME:].lstrip(".") or "file"


def _hash_of(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- for a replay -----------------------------------------------------------------------------------------------------


def check_files(files: Sequence[RecordedFile], configuration: Configuration) -> None:
    """Refuse names that lead elsewhere and numbers that no file has. Raises: ValueError."""
    for number, file in enumerate(files):
        if file.beside is not None and not 0 <= file.beside < number:
            raise ValueError(f"its file {number} lies beside a file that is not there")
        parts = PurePosixPath(file.name).parts
        is_one_name = file.beside is not None or len(parts) == 1
        if not parts or not is_one_name or not all(map(_is_usual, parts)) or len(file.name) > 4 * _LONGEST_NAME:
            raise ValueError(f"its file {number} has a name that leads elsewhere")
        if not file.size_bytes >= 0 or not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
            raise ValueError(f"its file {number} has no proper size and hash")
    renamed(configuration, lambda path: _checked_number(path, len(files)))


def _is_usual(part: str) -> bool:
    return part not in (".", "..", "/") and part.isprintable() and not set(part) & set('/\\:\0"')


def _checked_number(text: str, count: int) -> str:
    if not _NUMBER.fullmatch(text) or int(text) >= count:
        raise ValueError("its configuration names a file that it does not have")
    return text


class Placed:
    """The files of a recording put into a private directory, or found; `configuration` has their paths.

    `name` is what errors call the recording.
    """

    def __init__(
        self, name: str, files: Sequence[RecordedFile], contents: Mapping[int, Section], folders: Sequence[Path]
    ) -> None:
        import tempfile  # here: most runs replay nothing

        self._name, self._files, self._contents, self._folders = name, files, contents, folders
        self._kept = tempfile.TemporaryDirectory(prefix="arm-hyp-")
        self.directory = Path(self._kept.name)
        try:
            self._paths = [self._place(number) for number in range(len(files))]
        except BaseException:
            self.close()
            raise

    def configuration(self, recorded: Configuration) -> Configuration:
        """Return a recorded configuration with paths in place of numbers."""
        return renamed(recorded, lambda number: str(self._paths[int(number)]))

    def close(self) -> None:
        """Remove what was put there."""
        self._kept.cleanup()

    def _place(self, number: int) -> Path:
        """Return where a file is now; whatever lies beside it must lie beside it again. Raises: UserError."""
        file = self._files[number]
        target = self.directory / str(number if file.beside is None else file.beside) / file.name
        if number in self._contents:
            self._unpack(number, target)
        elif file.is_needed:
            found = self._find(file)
            if not self._has_neighbours(number):
                return found
            self._put(file, target, found.read_bytes())
        return target

    def _has_neighbours(self, number: int) -> bool:
        return self._files[number].beside is not None or any(file.beside == number for file in self._files)

    def _unpack(self, number: int, target: Path) -> None:
        file = self._files[number]
        try:
            data = self._contents[number].unpack()
        except ValueError as error:
            raise UserError(self._name, f"is damaged: {error}", "copy it again") from None
        if len(data) != file.size_bytes or hashlib.sha256(data).hexdigest() != file.sha256:
            raise UserError(self._name, f"is damaged: its file {file.name} is not what it says", "copy it again")
        self._put(file, target, data)

    def _put(self, file: RecordedFile, target: Path, data: bytes) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        except OSError as error:
            cause = f"its file {file.name} cannot be put into {self.directory}: {error.strerror}"
            raise UserError(self._name, cause, "make room, or set TMPDIR") from None

    def _find(self, file: RecordedFile) -> Path:
        """Return a file of this size and hash; those of its name are looked at first. Raises: UserError."""
        name, same_name = PurePosixPath(file.name).name, None
        candidates = sorted(_candidates(self._folders), key=lambda path: path.name != name)
        for path in candidates:
            if _is(path, file):
                return path.resolve()
            if path.name == name and same_name is None:
                same_name = path
        what = f"{file.name} ({file.size_bytes:,} bytes, SHA-256 {file.sha256[:16]}...)"
        also = f", and {same_name} is another file of that name" if same_name else ""
        raise UserError(self._name, f"needs {what}, which is not in it{also}", "say where it is: --files PATH")


def _is(path: Path, file: RecordedFile) -> bool:
    try:
        return path.stat().st_size == file.size_bytes and _hash_of(path) == file.sha256
    except OSError:
        return False


def _candidates(folders: Sequence[Path]) -> Iterator[Path]:
    """Give the files in folders and below them, and those named themselves; not for ever."""
    left = _MOST_LOOKED_AT
    for folder in folders:
        if folder.is_file():
            yield folder
        for root, directories, names in os.walk(folder):
            directories.sort()
            for name in sorted(names):
                path = Path(root, name)
                if path.is_file():
                    yield path
            left -= len(names)
            if left < 0:
                return
