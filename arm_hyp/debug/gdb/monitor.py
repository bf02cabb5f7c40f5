"""`monitor why`, `walk`, `exits`, `gic`, `stage2`, `symbols`, `position`, `phys`: what gdb itself has no command for.

Read `machine_view.py` and `explain/` before this file, `timeline_debuggee.py` after it. Each command is about the place
where the machine stands and leaves no mark in the run; one total table has them all.
"""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from arm_hyp.arch.gic import FIRST_PPI
from arm_hyp.arch.registers.gic_virtual import ICH_LR_EL2
from arm_hyp.arch.syndromes import ec_name
from arm_hyp.arch.translation import FETCH, READ, WRITE, walk
from arm_hyp.errors import UserError
from arm_hyp.explain.diagnosis.gates import (
    Interface,
    Interrupt,
    controller_gates,
    cpu_gates,
    first_closed,
    interface_of_cpu,
    interrupts_of_cpu,
    kind_of,
    name_of_intid,
)
from arm_hyp.explain.stage2_ranges import stage2_lines
from arm_hyp.explain.walks import explain_walk
from arm_hyp.explain.why import why_trapped
from arm_hyp.runner.kallsyms import find_symbols
from arm_hyp.runner.symbol_files import symbols_as_elf

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.debug.gdb.machine_view import MachineView
    from arm_hyp.events import ExceptionTaken

_ACCESSES: Final = {"read": READ, "write": WRITE, "fetch": FETCH}
_COLUMNS: Final = 160


class Exit(NamedTuple):
    """What `monitor exits` counts by: the levels, the kind and the class of an exception."""

    from_el: int
    to_el: int
    kind: str
    ec: int | None

    def __str__(self) -> str:
        what = self.kind if self.ec is None else f"{self.ec:#04x} {ec_name(self.ec)}"
        return f"EL{self.from_el} -> EL{self.to_el}  {what}"


class Past(Protocol):
    """What the commands ask of the run up to here."""

    def last_exception(self, cpu: int) -> ExceptionTaken | None:
        """Return the last exception that a CPU took up to here."""

    def exits(self) -> Iterator[Exit]:
        """Give each exception up to here."""

    def describe_place(self) -> str:
        """Say where in the run this is."""


class Monitor:
    """The commands. `view` is the machine as gdb looks at it, `past` how it came here."""

    def __init__(self, view: MachineView, past: Past) -> None:
        self.view, self.past = view, past

    def run(self, thread: int, line: str) -> str:
        """Do a command and return its text; an unambiguous beginning of its name will do. Raises: UserError."""
        name, *arguments = line.split() or ["help"]
        found = [known for known in COMMANDS if known.startswith(name)]
        if name not in COMMANDS and len(found) != 1:
            raise UserError(f"monitor {name}", "there is no such command", f"there are {', '.join(COMMANDS)}")
        return COMMANDS[name if name in COMMANDS else found[0]].do(self, thread, arguments)

    def core(self, thread: int) -> Core:
        """Return the CPU that a thread is, or is loaded on. Raises: UserError for a vCPU that is not."""
        index = self.view.cpu_of_thread(thread)
        if index is None:
            raise UserError("monitor", "this vCPU is not on a CPU now", "choose another thread, or a CPU")
        return self.view.runner.machine.cpus.cores[index]


# --- the commands -----------------------------------------------------------------------------------------------------


def _why(monitor: Monitor, thread: int, _arguments: list[str]) -> str:
    event = monitor.past.last_exception(monitor.core(thread).index)
    if event is None:
        return "no exception has been taken yet"
    made = monitor.view.runner.configuration
    name = monitor.view.symbols.describe(event.pc)
    place = f"{event.n:,}.{event.seq}, at {event.pc:#x}{f' <{name}>' if name else ''}"
    vector = f"VBAR_EL{event.to_el} + {event.vector & 0x7FF:#x}"
    return f"{why_trapped(event, made.cpu, made.gic)}\n  taken at {place}; to {vector}"


def _walk(monitor: Monitor, thread: int, arguments: list[str]) -> str:
    """VA, then in any order an access and a level."""
    view, words = monitor.view.view(thread), [word.lower() for word in arguments[1:]]
    va = _number(arguments[0] if arguments else "")
    access = next((_ACCESSES[word] for word in words if word in _ACCESSES), READ)
    levels = [int(word[2]) for word in words if word in ("el0", "el1", "el2")]
    el = levels[0] if levels else view.el
    if len(words) != len(levels) + sum(word in _ACCESSES for word in words):
        raise UserError(f"monitor walk {' '.join(arguments)}", "cannot be read", "VA [read|write|fetch] [el0|el1|el2]")
    if el == 2 and not view.has_el2:
        raise UserError("monitor walk", f"{view.name} is of a VM, which has no EL2", "choose the thread of a CPU")
    asked = access._replace(pan=view.pan and el == view.el, is_privileged=el > 0)
    found = walk(va, asked, el, view.registers, view.read64)
    return _rendered(explain_walk(found, asked, el, view.registers))


def _rendered(story: object) -> str:
    from rich.console import Console  # here: a session without walks begins sooner

    from arm_hyp.explain.walk_rendering import render

    file = io.StringIO()
    Console(file=file, width=_COLUMNS, color_system=None, highlight=False).print(render(story))  # type: ignore[arg-type]
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _number(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        raise UserError(f"monitor walk {text}", "names no address", "monitor walk 0x40080000") from None
    if not 0 <= value < 1 << 64:
        raise UserError(f"monitor walk {text}", "does not fit in 64 bits", "monitor walk 0x40080000")
    return value


def _exits(monitor: Monitor, _thread: int, _arguments: list[str]) -> str:
    counts = Counter(monitor.past.exits())
    if not counts:
        return "no exception has been taken yet"
    rows = sorted(counts.items(), key=lambda row: (-row[1], str(row[0])))
    return "\n".join(f"{count:>12,}  {one}" for one, count in rows)


def _gic(monitor: Monitor, thread: int, _arguments: list[str]) -> str:
    vcpu = monitor.view.vcpu_of_thread(thread)
    if vcpu is not None:
        return vcpu.vm.vgic.dump()
    core, machine = monitor.core(thread), monitor.view.runner.machine
    state = machine.board.stateful["gic"].snapshot()
    at = interface_of_cpu(machine.options.gic, state, core.index)
    head = (
        f"GICv{at.version} of CPU {core.index}: distributor groups {at.distributor_groups:#x}, interface groups "
        f"{at.groups:#x}, PMR {at.pmr:#04x}, running priority {at.running:#04x}"
    )
    shown = [one for one in interrupts_of_cpu(state, core.index) if one.pending or one.active or _is_chosen(one)]
    lists = machine.board.stateful[f"gic-virtual-{core.index}"].snapshot()["list_registers"]
    held = [f"  list register {n}: {_list_register(value)}" for n, value in enumerate(lists) if value]
    return "\n".join([head, *(_interrupt(one, at, core) for one in shown), *held])


def _is_chosen(one: Interrupt) -> bool:
    """Tell whether somebody enabled it: SGIs always are."""
    return one.enabled and one.intid >= FIRST_PPI


def _interrupt(one: Interrupt, at: Interface, core: Core) -> str:
    words = [word for word, is_so in (("pending", one.pending), ("active", one.active)) if is_so]
    enabled = "enabled" if one.enabled else "not enabled"
    text = f"  {one.intid:4} {name_of_intid(one.intid)}: {', '.join([enabled, *words])}, priority {one.priority:#04x}"
    if not one.pending:
        return text
    gates = [
        *controller_gates(one, at),
        *cpu_gates(kind_of(one, at), core.pstate, core.controls.values.hcr_el2, can_be_masked=True),
    ]
    held = first_closed(one.intid, gates)
    return f"{text}; {'the CPU takes it next' if held is None else f'it {held.text}'}"


def _list_register(value: int) -> str:
    lr = ICH_LR_EL2(value)
    linked = f", linked to INTID {lr.pINTID}" if lr.HW else ""
    return (
        f"INTID {lr.vINTID}, {lr.field('State').text(lr.State)}, priority {lr.Priority:#04x}, Group {lr.Group}{linked}"
    )


def _stage2(monitor: Monitor, thread: int, _arguments: list[str]) -> str:
    view, machine = monitor.view.view(thread), monitor.view.runner.machine

    def read(address: int, size_bytes: int) -> bytes | None:
        return machine.read_memory(address, size_bytes) if machine.ram_device.contains(address, size_bytes) else None

    return "\n".join(stage2_lines(view.registers, read))


def _symbols(monitor: Monitor, _thread: int, arguments: list[str]) -> str:
    """Find the symbols of the Linux that runs, or tell where one is."""
    runner = monitor.view.runner
    if arguments:
        address = monitor.view.symbols.address_of(arguments[0])
        return f"no symbol {arguments[0]} is known" if address is None else f"{arguments[0]} is at {address:#x}"
    found = find_symbols(runner.machine.ram)
    monitor.view.found = found or monitor.view.found
    known = monitor.view.symbols
    if not known.symbols:
        return "no symbols are known, and there is no Linux kernel in RAM that has set up its table"
    with tempfile.NamedTemporaryFile(prefix="arm-hyp-", suffix=".elf", delete=False) as file:
        file.write(symbols_as_elf(known))
    kernel = "" if found is None else f", {len(found.symbols):,} of them of the Linux that is in RAM"
    return f"{len(known.symbols):,} symbols{kernel}; for gdb:\nsymbol-file {file.name}"


def _phys(monitor: Monitor, _thread: int, arguments: list[str]) -> str:
    if arguments not in ([], ["on"], ["off"]):
        raise UserError(f"monitor phys {' '.join(arguments)}", "is neither on nor off", "monitor phys on")
    if arguments:
        monitor.view.is_physical = arguments == ["on"]
    return f"addresses are {'physical' if monitor.view.is_physical else 'those of the current regime'}"


def _position(monitor: Monitor, _thread: int, _arguments: list[str]) -> str:
    return monitor.past.describe_place()


def _help(_monitor: Monitor, _thread: int, _arguments: list[str]) -> str:
    return "\n".join(f"monitor {command.usage:42} {command.help}" for command in COMMANDS.values())


class Command(NamedTuple):
    """A command: what it does, how it is written, what `help` says of it."""

    do: Callable[[Monitor, int, list[str]], str]
    usage: str
    help: str


COMMANDS: Final = {
    "why": Command(_why, "why", "why this CPU took its last exception: the control bit that decided it"),
    "walk": Command(_walk, "walk VA [read|write|fetch] [el0|el1|el2]", "how an address is translated, step by step"),
    "exits": Command(_exits, "exits", "which exceptions were taken up to here, and how often"),
    "gic": Command(_gic, "gic", "interrupts of this CPU, and what holds back those that are pending; a VM's vGIC"),
    "stage2": Command(_stage2, "stage2", "what stage 2 maps"),
    "position": Command(_position, "position", "where in the run this is"),
    "symbols": Command(_symbols, "symbols [NAME]", "find the symbols of a running Linux, and give gdb a file of them"),
    "phys": Command(_phys, "phys [on|off]", "have addresses be physical, or of the current regime again"),
    "help": Command(_help, "help", "this list"),
}
