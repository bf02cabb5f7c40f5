"""What could interrupt a CPU of the machine, and what a CPU that waits waits for.

Read `explain/diagnosis/waiting.py` before this file; `virtual_cpus.py` is the same for vCPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from arm_hyp.arch.load_store import load_store_access
from arm_hyp.cpu.effective_address import effective_address
from arm_hyp.cpu.native import READ
from arm_hyp.explain.diagnosis.gates import interface_of_cpu, interrupts_of_cpu
from arm_hyp.explain.diagnosis.list_registers import held_virtual
from arm_hyp.explain.diagnosis.model import Finding
from arm_hyp.explain.diagnosis.others import Other, holders, in_words
from arm_hyp.explain.diagnosis.recent import Recent
from arm_hyp.explain.diagnosis.timers import timer_state
from arm_hyp.explain.diagnosis.waiting import Cause, Inputs, awaited, either, held_back, nothing_comes
from arm_hyp.explain.why import why_trapped

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.cpu.symbols import SymbolTable
    from arm_hyp.machine.machine import Machine

_LOOK_BACK: Final = 8
"""So many instructions before a WFE its lock is looked for."""


def inputs_of(machine: Machine, core: Core) -> Inputs:
    """Collect all that could interrupt a CPU. Reading leaves no mark."""
    gic = machine.board.stateful["gic"].snapshot()
    timers = machine.board.timers[core.index].timers
    now_ns = machine.clock.now_ns
    return Inputs(
        [timer_state(name, timer, now_ns) for name, timer in timers.items()],
        list(interrupts_of_cpu(gic, core.index)),
        interface_of_cpu(machine.options.gic, gic, core.index),
        core.pstate,
        core.controls.values.hcr_el2,
    )


def held_from(machine: Machine, core: Core, recent: Recent, *, can_be_masked: bool) -> Cause | None:
    """Say what holds an interrupt back that is on its way to a CPU."""
    inputs = inputs_of(machine, core)
    interface = machine.board.stateful[f"gic-virtual-{core.index}"].snapshot()
    cause = held_virtual(core, interface, can_be_masked=can_be_masked) or held_back(inputs, can_be_masked=can_be_masked)
    return None if cause is None else _with_trap(cause, recent)


def _with_trap(cause: Cause, recent: Recent) -> Cause:
    """Add that what software wrote to a timer never got there."""
    names = [name for name in recent.trapped if cause.timer and name.startswith(f"{cause.timer}_")]
    if not names:
        return cause
    name = min(names, key=lambda one: "_CTL" not in one)
    trap = recent.trapped[name]
    text = f"{cause.text}, as the access of {name} at EL{trap.from_el} went to EL{trap.to_el} instead"
    return Cause(text, "let it have the timer, or write the register for it", cause.timer, (why_trapped(trap),))


def waiting_cpu(
    machine: Machine, core: Core, symbols: SymbolTable, recent: Recent, others: Sequence[Other], ends: bool
) -> Finding:
    """Say what a CPU waits for. `ends`: something will end the wait."""
    who, name = f"CPU {core.index}", core.waiting.upper()
    pc = core.pc - 4
    place = f"{pc:#x} <{symbols.describe(pc)}>" if symbols.describe(pc) else f"{pc:#x}"
    text = f"waits in {name} at EL{core.el} ({place})"
    inputs = inputs_of(machine, core)
    if ends:
        return Finding("idle", who, f"{text} for {either(awaited(inputs))}")
    lock = _lock_before(machine, core, symbols) if core.waiting == "wfe" else ""
    if lock:
        taken, advice = holders(who, others)
        return Finding("lock", who, f"{text} for ever: it wants the lock in {lock}; {taken}", (), advice)
    cause = held_from(machine, core, recent, can_be_masked=core.waiting == "wfe")
    if cause is None and core.waiting == "wfe":
        advice = "send one: SEV on another CPU, or an interrupt that is not masked"
        cause = Cause(f"no event comes, as {in_words(others)}", advice)
    cause = cause or nothing_comes(inputs)
    return Finding("wait", who, f"{text} for ever: {cause.text}", cause.reasons, cause.advice)


def _lock_before(machine: Machine, core: Core, symbols: SymbolTable) -> str:
    """Return the word that a CPU looked at before its WFE, with its value; empty if there is none."""
    for pc in [*range(core.pc, core.pc + 4 * _LOOK_BACK, 4), *range(core.pc - 8, core.pc - 4 * _LOOK_BACK, -4)]:
        access = load_store_access(core.native.fetch_word(pc) or 0)
        if access is None or not (access.is_exclusive and access.is_load):
            continue
        va = effective_address(core, pc)
        pa = core.native.translate(va, READ)
        if pa is None or not machine.ram_device.contains(pa, access.size_bytes):
            continue
        value = int.from_bytes(machine.ram_device.read(pa, access.size_bytes), "little")
        name = symbols.describe(va)
        return f"{va:#x}{f' <{name}>' if name else ''}, which is {value:#x}"
    return ""
