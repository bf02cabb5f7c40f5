"""`.include "name"`: the statements of another file, which lies in the including file's folder or below it.

Read `cpu/assembler_expressions.py` before and `cpu/assembler_macros.py` after. `.if` and macros decide whether a file
is included at all, so this works on statements, not on text; and as with GNU as, whose preprocessor has run by then,
`#define` reaches neither into an included file nor out of it (`.equ` does both).

Simplified: GNU as looks in the working directory and in those of `-I`; here a name means the same wherever the
assembler is started, and no program reads a file outside of its folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from arm_hyp.cpu.assembler_source import Origin, Place, Statement, read_statements

MAX_DEPTH = 16
MAX_FILES = 256
MAX_BYTES = 1 << 20


def origin_of(path: str | os.PathLike[str], shown: str) -> Origin:
    """Return the origin of the statements of the file that is assembled; `shown` is how errors name it."""
    return Origin(Path(path).parent.resolve() / Path(path).name, shown)


class Includer:
    """Reads the files that one program includes, and keeps their paths in `files`, relative to the program's folder."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def statements(self, quoted: str, statement: Statement) -> list[Statement]:
        """Return what stands for an `.include` whose operand is `quoted`. Raises: AssemblyError."""
        place = statement.place.moved(len(statement.text) - len(quoted))
        name = _checked_name(quoted, place)
        if statement.origin is None:
            raise place.error(
                f"`{name}` cannot be included, as this text comes from no file", "save it beside the other file"
            )
        if len(self.files) >= MAX_FILES:
            raise place.error(f"more than {MAX_FILES} files are included", "include each file once")
        path, statements = _statements(name, statement.origin, place)
        self.files.append(path.relative_to(_first(statement.origin).path.parent).as_posix())
        return statements


def _checked_name(quoted: str, place: Place) -> PurePosixPath:
    if len(quoted) < 3 or quoted[0] != '"' or quoted[-1] != '"':
        raise place.error("the name of the file to include is missing", 'write `.include "name.inc"`')
    name = PurePosixPath(quoted[1:-1])
    is_down = name.parts and not name.is_absolute() and ".." not in name.parts
    if not is_down or set(quoted) & set("\\:") or not quoted.isprintable():
        raise _leads_elsewhere(str(name), place)
    return name


def _leads_elsewhere(name: str, place: Place) -> Exception:
    return place.error(
        f"`{name}` does not lead to a file in or below the folder of this one", 'write `"name"` or `"folder/name"`'
    )


def _statements(name: PurePosixPath, origin: Origin, place: Place) -> tuple[Path, list[Statement]]:
    try:
        path = (origin.path.parent / name).resolve()
        if not path.is_relative_to(origin.path.parent):  # a symbolic link
            raise _leads_elsewhere(str(name), place)
        _check_chain(path, origin, place)
        text = _text(path, str(name), place)
    except (OSError, RuntimeError) as error:  # RuntimeError: symbolic links in a circle, up to Python 3.12
        cause = (getattr(error, "strerror", None) or "it cannot be opened").lower()
        raise place.error(f"`{name}` cannot be read: {cause}", "check the name and its permissions") from None
    shown = os.path.join(os.path.dirname(origin.shown), name)
    return path, list(read_statements(text, shown, Origin(path, shown, origin)))


def _check_chain(path: Path, origin: Origin, place: Place) -> None:
    chain = list(_chain(origin))
    if any(link.path == path for link in chain):
        raise place.error("this file includes itself" if origin.path == path else "these files include each other")
    if len(chain) > MAX_DEPTH:
        raise place.error(f"files are included more than {MAX_DEPTH} deep", "nest less")


def _first(origin: Origin) -> Origin:
    return origin if origin.includer is None else _first(origin.includer)


def _chain(origin: Origin | None) -> Iterator[Origin]:
    while origin is not None:
        yield origin
        origin = origin.includer


def _text(path: Path, name: str, place: Place) -> str:
    if path.exists() and not path.is_file():
        raise place.error(f"`{name}` is not a regular file", "name a file of assembly text")
    if path.stat().st_size > MAX_BYTES:
        raise place.error(f"`{name}` is larger than {MAX_BYTES >> 20} MiB", "leave data out of it")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise place.error(f"`{name}` is not UTF-8 text from byte {error.start} on", "save it as UTF-8") from None
