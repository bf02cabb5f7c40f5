"""Debian's arm64 packages on any machine with apt-get: fetched without root, kept in a cache outside the repository.

Read this file before `guests/linux/fetch.py`, `guests/uboot/fetch.py` and `guests/xen/fetch.py`. Nothing of the system
changes: apt-get gets lists, state and cache directories of its own, and another architecture, by options. It uses the
package sources that the system is set up with, or those of a file (`--sources`), and checks signatures as always.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from arm_hyp.errors import UserError


def cache_directory() -> Path:
    """Return where fetched files are kept: $ARM_HYP_CACHE, or arm-hyp in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("ARM_HYP_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "arm-hyp"


@dataclass
class Archive:
    """Debian's arm64 archive, as apt-get sees it. `way_out` is what to do where there is no apt-get."""

    way_out: str
    sources: Path | None = None
    directory: Path = field(default_factory=lambda: cache_directory() / "debian")
    _has_lists: bool = field(default=False, init=False)

    def package(self, name: str) -> Path:
        """Download a package, and return where it is. Raises: UserError."""
        self._update()
        folder = self.directory / "packages"
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{name}_*.deb"):
            old.unlink()
        say(f"fetching {name}")
        self._run(["apt-get", *self._options(), "download", name], folder)
        found = sorted(folder.glob(f"{name}_*.deb"))
        if not found:
            raise UserError(name, "apt-get downloaded nothing", self.way_out)
        return found[0]

    def dependency(self, name: str, pattern: str) -> str:
        """Return the dependency of a package whose name fits `pattern`: what a metapackage stands for."""
        for found in self.dependencies(name, pattern):
            return found
        raise UserError(name, f"no dependency looks like {pattern}", self.way_out)

    def dependencies(self, name: str, *patterns: str) -> list[str]:
        """Return the dependencies of a package whose names fit any pattern."""
        self._update()
        text = self._run(["apt-cache", *self._options(), "depends", name], self.directory)
        names = re.findall(r"^ *Depends: (\S+)$", text, re.MULTILINE)
        return [found for found in names if any(fnmatch.fnmatch(found, pattern) for pattern in patterns)]

    def _update(self) -> None:
        if self._has_lists:
            return
        if self.sources is not None and not self.sources.is_file():
            raise UserError(str(self.sources), "is not a file", "check the path")
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        (self.directory / "state/status").touch()
        say("reading Debian's package lists")
        self._run(["apt-get", *self._options(), "--quiet", "update"], self.directory)
        self._has_lists = True

    def _options(self) -> list[str]:
        settings = {
            "APT::Architecture": "arm64",
            "APT::Architectures": "arm64",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Dir::State": self.directory / "state",
            "Dir::State::status": self.directory / "state/status",
            "Dir::Cache": self.directory / "cache",
        }
        if self.sources is not None:
            settings |= {"Dir::Etc::sourcelist": self.sources.resolve(), "Dir::Etc::sourceparts": "/dev/null"}
        return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]

    def _run(self, command: list[str], folder: Path) -> str:
        for tool in (command[0], "dpkg-deb"):
            if shutil.which(tool) is None:
                raise UserError(tool, "is not installed", self.way_out)
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"}
        )
        if result.returncode:
            errors = [line for line in result.stderr.splitlines() if line.startswith("E:")] or ["no reason given"]
            raise UserError(command[0], f"failed: {errors[0][2:].strip()}", self.way_out)
        return result.stdout


def files_in(package: Path, *patterns: str) -> dict[str, bytes]:
    """Return the files of a package whose path (without the leading ./) fits a pattern. Raises: UserError if none."""
    found = files_if_any(package, *patterns)
    for pattern in patterns:
        if not fnmatch.filter(found, pattern):
            raise UserError(package.name, f"holds no {pattern}", "the package has changed: give the file by hand")
    return found


def files_if_any(package: Path, *patterns: str) -> dict[str, bytes]:
    """Return the files of a package whose path fits a pattern, if there are any."""
    return dict(_members(package, patterns))


def _members(package: Path, patterns: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    with process, tarfile.open(fileobj=process.stdout, mode="r|") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isfile() and any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                stream = archive.extractfile(member)
                assert stream is not None  # it is a regular file
                yield name, stream.read()


def keep(path: Path, content: bytes) -> Path:
    """Write a file as a whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
    return path


def read_given(path: Path) -> bytes:
    """Read a file that the user named. Raises: UserError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(str(path), f"cannot be read: {error.strerror}", "check the path") from None


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all fetching scripts have."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--sources", type=Path, help="apt sources (a sources.list) to use instead of the system's")
    result.add_argument("--refresh", action="store_true", help="fetch again what the cache has")
    return result


def run(main: Callable[[], None]) -> int:
    """Run a script: a user's error is one line and exit status 2."""
    try:
        main()
    except UserError as error:
        say(f"error: {error}")
        return 2
    except OSError as error:
        say(f"error: {error.filename or 'the cache'}: {error.strerror}")
        return 2
    return 0
