"""Memory by virtual address, at the cursor, read without a trace: no TLB entry is made.

Read `runner/translation.py` before this file, `timeline/search_caller.py` and `search_targets.py` after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from arm_hyp.arch.translation import READ, Access, Translated, Walk, walk
from arm_hyp.runner.runner import Runner
from arm_hyp.runner.translation import View, view_of_cpu


@dataclass(frozen=True, slots=True)
class VirtualMemory:
    """Memory as one CPU has it now, by its tables: a stale TLB entry would show it something else."""

    runner: Runner
    view: View

    @classmethod
    def of_cpu(cls, runner: Runner, cpu: int) -> VirtualMemory:
        """Return the memory of a CPU. Raises: UserError if there is no such CPU."""
        return cls(runner, view_of_cpu(runner, cpu))

    def walk(self, va: int, access: Access = READ, el: int | None = None) -> Walk:
        """Translate an address, step by step: at the level that the CPU is at, or another."""
        el = self.view.el if el is None else el
        access = access._replace(pan=self.view.pan, is_privileged=el > 0)
        return walk(va, access, el, self.view.registers, self.view.read64)

    def physical(self, va: int, access: Access = READ, el: int | None = None) -> int | None:
        """Return the physical address of a virtual one; None if it faults."""
        result = self.walk(va, access, el).result
        return result.pa if isinstance(result, Translated) else None

    def read(self, va: int, size_bytes: int, access: Access = READ, el: int | None = None) -> bytes | None:
        """Read RAM, within a page; None where there is none."""
        pa = self.physical(va, access, el)
        view = None if pa is None else self.runner.machine.core.ram.find(pa, size_bytes)
        return None if view is None else bytes(view)
