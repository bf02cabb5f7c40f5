"""Names for the addresses of a run: from files, and from a Linux kernel itself, which has them in RAM.

Read `runner/symbol_files.py` and `runner/kallsyms.py` before this file, `cli/journey.py` after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.machine.arm64_image import is_arm64_image, is_gzip
from arm_hyp.machine.loader import read_file
from arm_hyp.runner.runner import Runner

_SET_UP_AFTER: Final = (1 << 22, 1 << 24, 1 << 26)
"""Instructions: the kernel's tables are read there, until they are found."""


class Symbols:
    """The symbols of a runner: `files` are added at once. `may_come` tells whether a kernel may yet bring its own.

    Raises: UserError.
    """

    def __init__(self, runner: Runner, files: Sequence[str]) -> None:
        self._runner, self._tried = runner, 0
        image = runner.vms[0].image if runner.vms else runner.configuration.image
        self.may_come = not files and len(runner.plans) == 1 and image is not None and _is_kernel(image)
        if files:
            self._add_files(files)

    def _add_files(self, files: Sequence[str]) -> None:
        from arm_hyp.runner.symbol_files import read_symbols  # here: most runs need none

        if len(self._runner.plans) > 1:
            raise UserError("--symbols", "each VM has an address space of its own", "leave it out")
        for file in files:
            self._add(read_symbols(file))

    def _add(self, table: SymbolTable) -> None:
        plan = self._runner.plans[0]
        self._runner.plans = (replace(plan, symbols=SymbolTable.merged((plan.symbols, table))),)

    def look(self, n: int) -> None:
        """Read a kernel's own symbols, if `n` instructions are enough for it to have set them up."""
        due = sum(n >= bound for bound in _SET_UP_AFTER)
        if not self.may_come or due <= self._tried:
            return
        from arm_hyp.runner.kallsyms import find_symbols

        self._tried = due
        found = find_symbols(self._runner.machine.ram)
        if found is not None:
            self._add(found)
        self.may_come = found is None and due < len(_SET_UP_AFTER)


def _is_kernel(image: str) -> bool:
    content = read_file(image)
    return is_arm64_image(content) or is_gzip(content)
