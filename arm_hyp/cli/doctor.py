"""`arm-hyp doctor`: versions, the self-test of the core, and whether the assembler's child process answers.

Read `cpu/probe.py` before this file: the checks are made there.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Final

import typer
from rich.console import Console
from rich.table import Table

from arm_hyp import __version__
from arm_hyp.cpu.probe import Check
from arm_hyp.errors import UserError

app = typer.Typer(add_completion=False)

PACKAGES: Final = {"unicorn": "unicorn", "capstone": "capstone", "keystone": "keystone-engine", "rich": "rich"}
"""What the user calls it, and the name of its distribution."""

_NOP: Final = b"\x1f\x20\x03\xd5"


@app.command()
def doctor() -> None:
    """Check versions, and that the core behaves as expected. Exit status 1 if a check fails."""
    console = Console(highlight=False)
    versions = Table(title="Versions", title_justify="left", box=None, show_header=False, title_style="bold")
    for name, version in _versions():
        versions.add_row(name, version)
    console.print(versions)
    results = list(_results())
    checks = Table(title="Checks", title_justify="left", box=None, show_header=False, title_style="bold")
    for check in results:
        checks.add_row("[green]pass[/]" if check.holds else "[bold red]FAIL[/]", check.name)
    console.print()
    console.print(checks)
    console.print()
    console.print(f"way of counting: {_way_of_counting()}")
    failed = sum(not check.holds for check in results)
    console.print()
    console.print(f"{failed} of {len(results)} checks failed" if failed else f"all {len(results)} checks passed")
    raise typer.Exit(1 if failed else 0)


def _versions() -> Iterator[tuple[str, str]]:
    yield "arm-hyp", __version__
    yield "Python", f"{platform.python_version()} ({platform.system()}, {platform.machine()})"
    for name, distribution in PACKAGES.items():
        yield name, _version(distribution)


def _way_of_counting() -> str:
    try:
        from arm_hyp.cpu.counting import describe

        return describe()
    except (UserError, ImportError) as error:
        return str(error)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _results() -> Iterator[Check]:
    yield from _core()
    yield _guarded("the assembler's child process answers", _assembles)
    yield _guarded("the disassembler reads what the assembler wrote", _disassembles)


def _core() -> Iterator[Check]:
    """Run the self-test. If the internals are not even found, that is the one check, and it fails."""
    try:
        from arm_hyp.cpu import access_exits, counting, probe, scanning

        yield from probe.self_test()
        yield from counting.checks("c") or counting.checks("code")
        yield from scanning.checks()
        yield from access_exits.checks()
    except (UserError, ImportError) as error:
        yield Check(str(error), False)


def _guarded(name: str, check: Callable[[], bool]) -> Check:
    try:
        return Check(name, check())
    except (UserError, ImportError, OSError, ValueError) as error:
        return Check(f"{name} ({error})", False)


def _assembles() -> bool:
    from arm_hyp.cpu.assembler import assemble

    return assemble("nop", filename="doctor.s", base=0x4008_0000).code == _NOP


def _disassembles() -> bool:
    from arm_hyp.cpu.disassembler import disassemble

    return disassemble(int.from_bytes(_NOP, "little"), 0x4008_0000) == "nop"
