"""A place of a run in words: which CPU and vCPU, where in the guest, which instruction is next; and events there.

Read `timeline/timeline.py` and `explain/trace_lines.py` before this file, `cli/show.py` and `cli/find.py` after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.translation import FETCH
from arm_hyp.cpu.disassembler import disassemble
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.explain.trace_lines import words
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.search_memory import VirtualMemory

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.events import Event
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.runner.runner import Runner
    from arm_hyp.timeline.timeline import Timeline


_ELR_EL2: Final = sysregs.by_name("ELR_EL2").encoding


class Place(NamedTuple):
    """A place: `vcpu` is empty where the CPU runs none. `words` say what is, or was, done here.

    `symbol` is name+offset, `source` file:line; both may be empty.
    """

    position: Position
    cpu: int
    vcpu: str
    el: int
    pc: int
    symbol: str
    source: str
    words: str

    @property
    def who(self) -> str:
        """The vCPU, or else the CPU."""
        return self.vcpu or f"cpu{self.cpu}"

    @property
    def where(self) -> str:
        """The address, with its symbol."""
        return f"{self.pc:#010x}" + (f" <{self.symbol}>" if self.symbol else "")

    def __str__(self) -> str:
        return f"{self.position!s:>12}  {self.who} EL{self.el}  {self.where}  {self.words}"


def place_of(timeline: Timeline, cpu: int | None = None) -> Place:
    """Return where a CPU stands, the one whose turn it is by default. Reading leaves no mark. Raises: UserError."""
    runner = timeline.runner
    cpus = runner.machine.cpus
    index = cpus.current.index if cpu is None else cpu
    memory = VirtualMemory.of_cpu(runner, index)  # this knows which CPUs there are
    core, symbols = cpus.cores[index], symbols_of(runner, index)
    following = _next(runner, core, memory, symbols)
    return _place(timeline.position, _loaded(runner, index), index, core.el, core.pc, symbols, following)


def place_of_event(runner: Runner, event: Event) -> Place:
    """Return where an event that is just told happens, and what it says."""
    symbols = symbols_of(runner, event.cpu)
    said = words(event, symbols)
    arrow = "" if said.to is None and not said.result else "->" if said.to is None else f"-> EL{said.to}"
    text = "  ".join(part for part in (said.what, " ".join(filter(None, (arrow, said.result))), said.detail) if part)
    position = Position(event.n, event.seq)
    return _place(position, _loaded(runner, event.cpu), event.cpu, event.el, event.pc, symbols, text)


def symbols_of(runner: Runner, cpu: int) -> SymbolTable:
    """Return the symbols of what a CPU runs: of the vCPU's VM, where there are several."""
    vcpu = _loaded(runner, cpu)
    return runner.symbols if vcpu is None else runner.plans[vcpu.vm.index].symbols


def _loaded(runner: Runner, cpu: int) -> Vcpu | None:
    vcpus = [] if runner.hypervisor is None else runner.hypervisor.vcpus
    return next((vcpu for vcpu in vcpus if vcpu.cpu is not None and vcpu.cpu.index == cpu), None)


def _place(
    position: Position, vcpu: Vcpu | None, cpu: int, el: int, pc: int, symbols: SymbolTable, words: str
) -> Place:
    name = "" if vcpu is None else vcpu.name
    line = symbols.line_at(pc)
    source = "" if line is None else f"{line[0]}:{line[1]}"
    return Place(position, cpu, name, el, pc, symbols.describe(pc), source, words)


def _next(runner: Runner, core: Core, memory: VirtualMemory, symbols: SymbolTable) -> str:
    """Say what a CPU does next."""
    if not runner.machine.cpus.on[core.index]:
        return "is off"
    if runner.hypervisor is not None and core.el == 2:
        elr = core.registers.read(_ELR_EL2) or 0
        name = symbols.describe(elr)
        return f"the hypervisor in Python runs; ELR_EL2 is {elr:#x}" + (f" <{name}>" if name else "")
    if core.waiting:
        return f"waits in {core.waiting.upper()}"
    data = memory.read(core.pc, 4, FETCH)
    if data is None:
        return "no instruction can be fetched here"
    return disassemble(int.from_bytes(data, "little"), core.pc, symbols)
