"""`monitor why`, `walk`, `exits`, `gic`, `stage2`, `symbols`, `position`, `phys`: what gdb itself has no command for.

Read `machine_view.py` and `timeline/process/debug_answers.py` before this file, `machine_debuggee.py` after it. Each
command is about the place where the machine stands and leaves no mark in the run; one total table has them all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import msgspec

from arm_hyp.arch.gic import FIRST_PPI
from arm_hyp.arch.registers.gic_virtual import ICH_LR_EL2
from arm_hyp.arch.syndromes import ec_name
from arm_hyp.cpu.symbols import Symbol, SymbolTable
from arm_hyp.debug.gdb.machine_view import MachineView
from arm_hyp.errors import UserError
from arm_hyp.events import ExceptionTaken
from arm_hyp.explain.why import why_trapped
from arm_hyp.runner.symbol_files import symbols_as_elf
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import TrapAnswer
from arm_hyp.timeline.process.debug_answers import ExceptionCount, ExceptionCountsAnswer, SymbolsAnswer, Words
from arm_hyp.timeline.process.gic_answers import GicAnswer, InterruptState

_ACCESSES: Final = ("read", "write", "fetch")
_LEVELS: Final = {"el0": 0, "el1": 1, "el2": 2}


class Monitor:
    """The commands. `view` is the machine as gdb looks at it."""

    def __init__(self, view: MachineView) -> None:
        self.view = view

    def run(self, thread: int, line: str) -> str:
        """Do a command and return its text; an unambiguous beginning of its name will do. Raises: UserError."""
        name, *arguments = line.split() or ["help"]
        found = [known for known in COMMANDS if known.startswith(name)]
        if name not in COMMANDS and len(found) != 1:
            raise UserError(f"monitor {name}", "there is no such command", f"there are {', '.join(COMMANDS)}")
        return COMMANDS[name if name in COMMANDS else found[0]].do(self, thread, arguments)

    def cpu(self, thread: int) -> int:
        """Return the CPU that a thread is, or is loaded on. Raises: UserError for a vCPU that is not."""
        index = self.view.cpu_of_thread(thread)
        if index is None:
            raise UserError("monitor", "this vCPU is not on a CPU now", "choose another thread, or a CPU")
        return index

    def last_exception(self, cpu: int) -> ExceptionTaken | None:
        """Return the last exception that a CPU took up to here."""
        event = self.view.get(ask.Trap(cpu), TrapAnswer).event
        return None if event is None else msgspec.convert(event, ExceptionTaken)


# --- the commands -----------------------------------------------------------------------------------------------------


def _why(monitor: Monitor, thread: int, _arguments: list[str]) -> str:
    event = monitor.last_exception(monitor.cpu(thread))
    if event is None:
        return "no exception has been taken yet"
    made, name = monitor.view.made, monitor.view.symbols.describe(event.pc)
    place = f"{event.n:,}.{event.seq}, at {event.pc:#x}{f' <{name}>' if name else ''}"
    vector = f"VBAR_EL{event.to_el} + {event.vector & 0x7FF:#x}"
    return f"{why_trapped(event, made.model, made.gic)}\n  taken at {place}; to {vector}"


def _walk(monitor: Monitor, thread: int, arguments: list[str]) -> str:
    """VA, then in any order an access and a level."""
    words, va = [word.lower() for word in arguments[1:]], _number(arguments[0] if arguments else "")
    accesses, levels = [word for word in words if word in _ACCESSES], [word for word in words if word in _LEVELS]
    if len(words) != len(levels) + len(accesses):
        raise UserError(f"monitor walk {' '.join(arguments)}", "cannot be read", "VA [read|write|fetch] [el0|el1|el2]")
    asked = ask.Walk(
        va,
        cast(ask.Access, accesses[0]) if accesses else "read",
        _LEVELS[levels[0]] if levels else None,
        monitor.view.whose[thread - 1],
    )
    return "\n".join(monitor.view.get(ask.WalkWords(asked), Words).lines)


def _number(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        raise UserError(f"monitor walk {text}", "names no address", "monitor walk 0x40080000") from None
    if not 0 <= value < 1 << 64:
        raise UserError(f"monitor walk {text}", "does not fit in 64 bits", "monitor walk 0x40080000")
    return value


def _exits(monitor: Monitor, _thread: int, _arguments: list[str]) -> str:
    rows = monitor.view.get(ask.ExceptionCounts(), ExceptionCountsAnswer).rows
    return "\n".join(map(_count, rows)) or "no exception has been taken yet"


def _count(row: ExceptionCount) -> str:
    what = row.kind if row.ec is None else f"{row.ec:#04x} {ec_name(row.ec)}"
    return f"{row.count:>12,}  EL{row.from_el} -> EL{row.to_el}  {what}"


def _gic(monitor: Monitor, thread: int, _arguments: list[str]) -> str:
    whose = monitor.view.whose[thread - 1]
    found = monitor.view.get(ask.Gic(whose), GicAnswer)
    if whose.vm is not None:
        return found.text
    head = (
        f"GICv{found.version} of CPU {whose.index}: distributor groups {found.distributor_groups:#x}, interface groups "
        f"{found.groups:#x}, PMR {found.pmr:#04x}, running priority {found.running:#04x}"
    )
    shown = [one for one in found.interrupts if one.pending or one.active or one.intid >= FIRST_PPI]  # SGIs always are
    held = [f"  list register {n}: {_list_register(value)}" for n, value in enumerate(found.list_registers) if value]
    return "\n".join([head, *map(_interrupt, shown), *held])


def _interrupt(one: InterruptState) -> str:
    words = [word for word, is_so in (("pending", one.pending), ("active", one.active)) if is_so]
    enabled = "enabled" if one.enabled else "not enabled"
    text = f"  {one.intid:4} {one.name}: {', '.join([enabled, *words])}, priority {one.priority:#04x}"
    if not one.pending:
        return text
    return f"{text}; {f'it {one.held}' if one.held else 'the CPU takes it next'}"


def _list_register(value: int) -> str:
    lr = ICH_LR_EL2(value)
    linked = f", linked to INTID {lr.pINTID}" if lr.HW else ""
    return (
        f"INTID {lr.vINTID}, {lr.field('State').text(lr.State)}, priority {lr.Priority:#04x}, Group {lr.Group}{linked}"
    )


def _stage2(monitor: Monitor, thread: int, _arguments: list[str]) -> str:
    return "\n".join(monitor.view.get(ask.Stage2Words(monitor.view.whose[thread - 1]), Words).lines)


def _symbols(monitor: Monitor, _thread: int, arguments: list[str]) -> str:
    """Find the symbols of the Linux that runs, or tell where one is."""
    view = monitor.view
    if arguments:
        address = view.symbols.address_of(arguments[0])
        return f"no symbol {arguments[0]} is known" if address is None else f"{arguments[0]} is at {address:#x}"
    found = view.get(ask.KernelSymbols(), SymbolsAnswer).symbols
    if found:
        view.found = SymbolTable(tuple(Symbol(*row) for row in found))
    known = view.symbols
    if not known.symbols:
        return "no symbols are known, and RAM holds no Linux kernel with a table that can be read (4.20 to 6.12)"
    with tempfile.NamedTemporaryFile(prefix="arm-hyp-", suffix=".elf", delete=False) as file:
        file.write(symbols_as_elf(known))
    kernel = f", {len(found):,} of them of the Linux that is in RAM" if found else ""
    return f"{len(known.symbols):,} symbols{kernel}; for gdb:\nsymbol-file {file.name}"


def _phys(monitor: Monitor, _thread: int, arguments: list[str]) -> str:
    if arguments not in ([], ["on"], ["off"]):
        raise UserError(f"monitor phys {' '.join(arguments)}", "is neither on nor off", "monitor phys on")
    if arguments:
        monitor.view.is_physical = arguments == ["on"]
    return f"addresses are {'physical' if monitor.view.is_physical else 'those of the current regime'}"


def _position(monitor: Monitor, _thread: int, _arguments: list[str]) -> str:
    status = monitor.view.status
    return f"{status.position} of {status.frontier} instructions so far, on branch {status.branch}"


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
