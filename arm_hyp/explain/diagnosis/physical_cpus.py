"""What could interrupt a CPU of the machine, and what a CPU that waits waits for.

Read `explain/diagnosis/waiting.py` before this file; `virtual_cpus.py` is the same for vCPUs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.interrupts import LINE_VIRQ, is_virtual_enabled
from arm_hyp.arch.load_store import load_store_access
from arm_hyp.cpu.effective_address import effective_address
from arm_hyp.cpu.native import READ
from arm_hyp.explain.diagnosis.gates import interface_of_cpu, interrupts_of_cpu
from arm_hyp.explain.diagnosis.model import Finding
from arm_hyp.explain.diagnosis.recent import Recent
from arm_hyp.explain.diagnosis.timers import timer_state
from arm_hyp.explain.diagnosis.waiting import Cause, Inputs, awaited, held_back, nothing_comes
from arm_hyp.explain.why import why_trapped

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.cpu.symbols import SymbolTable
    from arm_hyp.machine.machine import Machine

_HCR_VI: Final = 1 << 7
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
    cause = _virtual(core) or held_back(inputs, can_be_masked=can_be_masked)
    return None if cause is None else _with_trap(cause, recent)


def _virtual(core: Core) -> Cause | None:
    """Look at virtual interrupts: pending, but not enabled by HCR_EL2.IMO."""
    hcr, el = core.controls.values.hcr_el2, core.el
    is_pending = core.lines & LINE_VIRQ or hcr & _HCR_VI
    if not is_pending or el >= 2 or is_virtual_enabled(Kind.IRQ, el, hcr):
        return None
    who = "HCR_EL2.VI is 1" if hcr & _HCR_VI else "a list register is pending"
    return Cause(f"{who}, but HCR_EL2.IMO is 0, and only with it are there virtual IRQs", "set HCR_EL2.IMO")


def _with_trap(cause: Cause, recent: Recent) -> Cause:
    """Add that software's write to a timer never got there."""
    for name, trap in recent.trapped.items():
        if name.split("_")[0] in cause.text and trap.to_el > trap.from_el and f"{name.split('_')[0]}_CTL" in cause.text:
            text = f"{cause.text}, and its access of {name} at EL{trap.from_el} trapped to EL{trap.to_el}"
            return Cause(text, f"give it the timer: {why_trapped(trap)}")
    return cause


def waiting_cpu(machine: Machine, core: Core, symbols: SymbolTable, recent: Recent, others: str, ends: bool) -> Finding:
    """Say what a CPU waits for. `ends`: something will end the wait."""
    who, name = f"CPU {core.index}", core.waiting.upper()
    pc = core.pc - 4
    place = f"{pc:#x} <{symbols.describe(pc)}>" if symbols.describe(pc) else f"{pc:#x}"
    text = f"waits in {name} at EL{core.el} ({place})"
    inputs = inputs_of(machine, core)
    if ends:
        expected = awaited(inputs)
        return Finding("idle", who, f"{text} for {' or '.join(expected[:3]) or 'another CPU'}")
    lock = _lock_before(machine, core, symbols) if core.waiting == "wfe" else ""
    if lock:
        advice = "have whoever holds the lock store 0 there (STLR), before it waits or goes off"
        return Finding("lock", who, f"{text} for ever: it wants the lock in {lock}, and {others}", (), advice)
    cause = held_from(machine, core, recent, can_be_masked=core.waiting == "wfe")
    if cause is None and core.waiting == "wfe":
        cause = Cause(
            f"no event comes, as {others}", "send one: SEV on another CPU, or an interrupt that is not masked"
        )
    cause = cause or nothing_comes(inputs)
    return Finding("wait", who, f"{text} for ever: {cause.text}", (), cause.advice)


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
