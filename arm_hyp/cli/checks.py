"""What `arm-hyp run --check` prints: each finding as it happens, on standard error, and how many there were.

Read `explain/checkers/watch.py` before this file, `cli/session.py` after it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from arm_hyp.explain.checkers.model import Finding
from arm_hyp.explain.checkers.watch import Watch
from arm_hyp.explain.checkers.witness import MachineWitness
from arm_hyp.runner.runner import Runner


class Checks:
    """The checkers of one run. `flush` has the consoles show what they hold first."""

    def __init__(self, runner: Runner, codes: Iterable[str], flush: Callable[[], None]) -> None:
        self._runner, self._flush = runner, flush
        self.watch = Watch(MachineWitness(runner.machine), codes, self._found)

    def _found(self, finding: Finding) -> None:
        self._flush()
        print(f"{finding.code} at {self._place(finding)}: {finding.text}", file=sys.stderr)

    def _place(self, finding: Finding) -> str:
        """Return where it was: file and line, or the address; its symbol; level and position."""
        symbols = self._runner.symbols
        line, symbol = symbols.line_at(finding.pc), symbols.describe(finding.pc)
        where = f"{finding.pc:#x}" if line is None else f"{line[0]}:{line[1]}"
        return f"{where}{f' <{symbol}>' if symbol else ''}, EL{finding.el}, n = {finding.n:,}"

    def summary(self) -> list[str]:
        """Return one line: what was found, and where to read about it."""
        counts: dict[str, int] = {}
        for finding, count in self.watch.counts.items():
            counts[finding.code] = counts.get(finding.code, 0) + count
        if not counts:
            return ["checks: nothing found"]
        found = ", ".join(f"{code} {_times(count)}" for code, count in sorted(counts.items()))
        return [f"checks: {found}; `arm-hyp explain {min(counts)}` tells more"]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
