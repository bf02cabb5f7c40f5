"""What debuggers and reports read of a machine that stands: places in memory, words about walks, symbols, ends of VMs.

Read `timeline/process/reads.py` and `timeline/process/debug_answers.py` before this file, `timeline/process/session.py`
after it. Reading leaves no mark; writing is the one change here.
"""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING, Final

from arm_hyp.arch.translation import walk
from arm_hyp.errors import UserError
from arm_hyp.explain.stage2_ranges import stage2_lines
from arm_hyp.explain.walks import WalkStory, explain_walk
from arm_hyp.hypervisor.dumps import dumps_of
from arm_hyp.runner.kallsyms import find_symbols
from arm_hyp.runner.messages import Poke
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.debug_answers import (
    ExceptionCount,
    ExceptionCountsAnswer,
    Located,
    SymbolsAnswer,
    VmEnd,
    VmEnds,
    Words,
)
from arm_hyp.timeline.process.reads import locate_in, pieces, question, view_of

if TYPE_CHECKING:
    from arm_hyp.explain.diagnosis.recent import Recent
    from arm_hyp.hypervisor.vm import Vm
    from arm_hyp.runner.runner import Runner
    from arm_hyp.timeline.timeline import Timeline

_COLUMNS: Final = 160


def read_location(runner: Runner, asked: ask.Locate) -> Located:
    """Return where an address leads. Raises: UserError."""
    return Located(locate_in(runner, "va", asked.whose)(asked.address))


def pokes(runner: Runner, asked: ask.Write) -> list[Poke]:
    """Return a write as changes of physical RAM, page by page. Raises: UserError where any of it is not RAM."""
    find, ram = locate_in(runner, asked.space, asked.whose), runner.machine.ram_device
    made = []
    for start, length in pieces(asked.address, len(asked.data)):
        pa = find(start)
        if pa is None or not ram.contains(pa, length):
            raise UserError(f"{asked.address:#x}", "is not RAM here", "a walk says where it leads")
        offset = start - asked.address
        made.append(Poke(pa, asked.data[offset : offset + length]))
    return made


# --- words ------------------------------------------------------------------------------------------------------------


def read_walk_words(runner: Runner, asked: ask.WalkWords) -> Words:
    """Tell a walk. Raises: UserError."""
    view, el, access = question(runner, asked.walk)
    found = walk(asked.walk.va, access, el, view.registers, view.read64)
    return Words(_rendered(explain_walk(found, access, el, view.registers)))


def _rendered(story: WalkStory) -> tuple[str, ...]:
    from rich.console import Console  # here: a session without walks begins sooner

    from arm_hyp.explain.walk_rendering import render

    file = io.StringIO()
    Console(file=file, width=_COLUMNS, color_system=None, highlight=False).print(render(story))
    return tuple(line.rstrip() for line in file.getvalue().splitlines())


def read_stage2_words(runner: Runner, asked: ask.Stage2Words) -> Words:
    """Tell what a stage 2 maps. Raises: UserError."""
    view, machine = view_of(runner, asked.whose), runner.machine

    def read(address: int, size_bytes: int) -> bytes | None:
        return machine.read_memory(address, size_bytes) if machine.ram_device.contains(address, size_bytes) else None

    return Words(tuple(stage2_lines(view.registers, read)))


def read_dumps(runner: Runner, asked: ask.Dumps) -> Words:
    """Return the text of each dump of each VM; none where there are none. Raises: UserError."""
    return Words(() if runner.hypervisor is None else tuple(dumps_of(runner.hypervisor, asked.names)))


def diagnosis(runner: Runner, recent: Recent | None) -> Words:
    """Tell what the guest does. It is run on in a copy, whose calls of handlers are nobody's business."""
    from arm_hyp.explain.diagnosis.diagnose import diagnose  # here: most sessions do without

    code = runner.handlers
    on_call = None if code is None else code.on_call
    try:
        if code is not None:
            code.on_call = None
        return Words(tuple(diagnose(runner, recent).lines()))
    finally:
        if code is not None:
            code.on_call = on_call


# --- tables -----------------------------------------------------------------------------------------------------------


def read_kernel_symbols(runner: Runner, _asked: ask.KernelSymbols) -> SymbolsAnswer:
    """Return the symbols of a Linux that runs."""
    found = find_symbols(runner.machine.ram)
    symbols = () if found is None else found.symbols
    return SymbolsAnswer(tuple((one.name, one.address, one.size_bytes) for one in symbols))


def read_vm_ends(runner: Runner, _asked: ask.VmEnded) -> VmEnds:
    """Return how the VMs ended."""
    vms = [] if runner.hypervisor is None else runner.hypervisor.vms
    return VmEnds(tuple(map(_end, vms)))


def _end(vm: Vm) -> VmEnd:
    return VmEnd(vm.name) if vm.end is None else VmEnd(vm.name, str(vm.end.reason), vm.end.text)


def count_exceptions(timeline: Timeline) -> ExceptionCountsAnswer:
    """Count the exceptions up to the cursor."""
    here, counts = timeline.position, Counter[tuple[int, int, str, int | None]]()
    for entry in timeline.journal:
        if entry.position > here:
            break
        if entry.what == "taken" and entry.kind is not None:
            counts[entry.from_el, entry.to_el, entry.kind.name.lower(), entry.ec] += 1
    rows = sorted(counts.items(), key=lambda row: (-row[1], str(row[0])))
    return ExceptionCountsAnswer(tuple(ExceptionCount(*key, count) for key, count in rows))
