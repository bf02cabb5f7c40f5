"""An autograder for Gradescope: one zip file with the wheels, the lessons, and two short scripts.

Read `course/grading/formats.py` before this file, `docs/grading.md` for its use. Gradescope unpacks the file to
/autograder/source, runs `setup.sh` once, when it builds the container, and `run_autograder` for each submission, which
lies in /autograder/submission. Ref: Gradescope, Autograder Specifications.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import arm_hyp
from arm_hyp import __version__
from arm_hyp.course.catalogue import Catalogue
from arm_hyp.course.grading.grade import Settings
from arm_hyp.errors import UserError

_PLATFORM: Final = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_EXECUTABLE: Final = 0o100755 << 16
_PLAIN: Final = 0o100644 << 16
_LEFT_OUT: Final = ("__pycache__",)
_NOT_SHIPPED: Final = shutil.ignore_patterns("*.c", "*.so", "*.pyc", "__pycache__", "*.egg-info")
PYTHONS: Final = ("3.11", "3.12", "3.13")

_SETUP: Final = """#!/bin/bash
# Run once, when the container is built.
set -e
cd "$(dirname "$0")"
if ! python{python} -c 'import ensurepip, venv' 2>/dev/null; then
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python{python} python{python}-venv
fi
python{python} -m venv venv
venv/bin/pip install --no-index --find-links wheels arm-hyp=={version}
"""
_RUN: Final = """#!/bin/bash
# Run for each submission. One worker: the small containers have half a CPU.
cd /autograder/source
mkdir -p /autograder/results
exec venv/bin/arm-hyp grade /autograder/submission --jobs 1 {options} \\
    --format gradescope --output /autograder/results/results.json
"""


class Wanted(NamedTuple):
    """What a bundle is for: the Python of the container, this program's wheel (None: it is built or fetched)."""

    python: str = PYTHONS[0]
    wheel: Path | None = None


Fetch = Callable[[Wanted, Path], None]
"""`fetch(wanted, folder)` puts all wheels into a folder. Raises: UserError."""


def fetch(wanted: Wanted, folder: Path) -> None:
    """Have pip put this program's wheel, and those of what it needs, into a folder. Raises: UserError."""
    own = wanted.wheel or _built(folder)
    what = f"arm-hyp=={__version__}" if own is None else str(own)
    target = [f"--platform={name}" for name in _PLATFORM]
    python = ("--python-version", wanted.python, "--implementation", "cp")
    _pip("download", "--only-binary=:all:", *target, *python, "--dest", str(folder), what)


def _built(folder: Path) -> Path | None:
    """Build the wheel of a checkout, for any Python: without the helpers in C. None if this is no checkout."""
    checkout = Path(arm_hyp.__file__).resolve().parents[1]
    if not (checkout / "pyproject.toml").is_file():
        return None
    with tempfile.TemporaryDirectory() as copy:
        for name in ("arm_hyp", "guests", "lessons"):
            shutil.copytree(checkout / name, Path(copy, name), ignore=_NOT_SHIPPED)
        for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in"):
            shutil.copyfile(checkout / name, Path(copy, name))
        _pip("wheel", "--no-deps", "--wheel-dir", str(folder), copy)
    return next(folder.glob("arm_hyp-*.whl"))


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ended.returncode:
        told = (ended.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise UserError("the bundle's wheels", f"pip failed: {told[:300]}", "give this program's wheel: --wheel FILE")


def write_bundle(path: Path, settings: Settings, catalogue: Catalogue, wheels: Path) -> int:
    """Write the zip file; return its size in bytes. Raises: OSError, UserError if the wheels are not all there."""
    if not any(wheels.glob("arm_hyp-*.whl")):
        raise UserError(str(wheels), "has no wheel of arm-hyp", "give it: --wheel FILE")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in _entries(settings, catalogue, wheels):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.external_attr = mode
            member.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    return path.stat().st_size


def _entries(settings: Settings, catalogue: Catalogue, wheels: Path) -> Iterator[tuple[str, bytes, int]]:
    """Give name, contents and mode of all that is in a bundle."""
    version = _python_of(wheels)
    yield "setup.sh", _SETUP.format(python=version, version=__version__).encode(), _EXECUTABLE
    yield "run_autograder", _RUN.format(options=shlex.join(_options(settings))).encode(), _EXECUTABLE
    for path in sorted(wheels.glob("*.whl")):
        yield f"wheels/{path.name}", path.read_bytes(), _PLAIN
    if settings.course:
        names = [catalogue.lesson(name).name for name in settings.lessons] or catalogue.names
        yield from _folder("lessons", catalogue.folder, names)
    if settings.hidden:
        yield from _folder("hidden", Path(settings.hidden), None)


def _python_of(wheels: Path) -> str:
    """Return the Python that the wheels are for, as the one that msgspec was compiled for says."""
    tags = (part for path in sorted(wheels.glob("*.whl")) for part in path.name.split("-") if part.startswith("cp3"))
    found = next((tag for tag in tags if tag[3:].isdigit()), f"cp{PYTHONS[0].replace('.', '')}")
    return f"3.{found[3:]}"


def _options(settings: Settings) -> Sequence[str]:
    lessons = [part for name in settings.lessons for part in ("--lesson", name)]
    course = ("--lessons", "lessons") if settings.course else ()
    hidden = ("--hidden", "hidden") if settings.hidden else ()
    return (*lessons, *course, *hidden, "--seed", str(settings.seed))


def _folder(name: str, folder: Path, only: Sequence[str] | None) -> Iterator[tuple[str, bytes, int]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        is_wanted = only is None or len(inside.parts) == 1 or inside.parts[0] in only
        if path.is_file() and is_wanted and not set(inside.parts) & set(_LEFT_OUT):
            yield f"{name}/{inside.as_posix()}", path.read_bytes(), _PLAIN
