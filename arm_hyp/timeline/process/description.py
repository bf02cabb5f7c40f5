"""What does not change in a run, for whoever shows it: the machine, its symbols, and the sources they lead to.

Read `timeline/process/answers.py` and `cpu/symbols.py` before this file, `timeline/process/session.py` after it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arm_hyp.timeline.process.answers import DescriptionAnswer, Line, VmSymbols

if TYPE_CHECKING:
    from arm_hyp.cpu.symbols import SymbolTable
    from arm_hyp.runner.configuration import Configuration
    from arm_hyp.runner.runner import Runner

_LONGEST_SOURCE_BYTES: Final = 1 << 20


def describe(runner: Runner, made: Configuration) -> DescriptionAnswer:
    """Return what runs. A source that cannot be read is left out."""
    table, tables = runner.symbols, [plan.symbols for plan in runner.plans]
    named = next(filter(None, (made.image, made.bios, *(vm.image for vm in made.vms))), "")
    files = {line.file for each in tables for line in each.lines if line.file}
    return DescriptionAnswer(
        name=Path(named).name,
        model=made.cpu,
        gic=made.gic,
        cpus=made.cpus,
        symbols=_symbols(table),
        lines=_lines(table),
        sources={name: text for name in sorted(files) if (text := _text(name)) is not None},
        list_registers=made.list_registers,
        memory_bytes=runner.machine.memory_bytes,
        warnings=runner.warnings,
        vms=tuple(VmSymbols(_symbols(each), _lines(each)) for each in tables) if len(tables) > 1 else (),
    )


def _symbols(table: SymbolTable) -> tuple[tuple[str, int, int], ...]:
    return tuple((symbol.name, symbol.address, symbol.size_bytes) for symbol in table.symbols)


def _lines(table: SymbolTable) -> tuple[Line, ...]:
    return tuple(Line(line.address, line.file, line.line) for line in table.lines)


def _text(name: str) -> str | None:
    with suppress(OSError):
        path = Path(name)
        if path.stat().st_size <= _LONGEST_SOURCE_BYTES:
            return path.read_text(encoding="utf-8", errors="replace")
    return None
