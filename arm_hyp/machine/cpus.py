"""The CPUs of a machine: their turns, their power, and what one tells the others.

Read `cpu/core.py` before this file and `machine/machine.py` after it. One CPU runs at a time, for a slice of
instructions that ends on a count; a CPU that waits, yields or goes off gives its slice away. So the order is a function
of the guest alone. Ref: Arm DEN0022 (PSCI) for power; Arm ARM D8.14 (TLB maintenance to the Inner Shareable domain).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from arm_hyp.arch.id_policy import mpidr
from arm_hyp.arch.sysregs import Encoding, name_of
from arm_hyp.cpu import snapshot as core_snapshot
from arm_hyp.cpu.core import WAITS_FOR_EVENTS, Core
from arm_hyp.cpu.maintenance import CACHE_LINE_BYTES
from arm_hyp.cpu.native import READ
from arm_hyp.cpu.position import Position
from arm_hyp.events import EventSink, Waited
from arm_hyp.machine.firmware import PowerOff, PowerState
from arm_hyp.machine.firmware.power import Caller

SLICE: Final = 1 << 16
"""Instructions that a CPU runs before the next one's turn, where there are several."""
_SHORT_TURN: Final = 32
"""A turn of fewer instructions that ends in a WFE has done nothing but look."""
_SHORT_SPIN: Final = 256
"""A turn of fewer instructions that ends in a YIELD has only looked, too."""
SPIN_NS: Final = 4_000
"""What a YIELD takes when every CPU that runs does nothing but yield: else they would look a thousand times more."""
_AFFINITY: Final = 0xFF_00FF_FFFF
_HCR_FB: Final = 1 << 9


class View:
    """What a device inside a CPU may know of it: see `seams.CpuView`."""

    def __init__(self, core: Core) -> None:
        self._core, self.control, self.set_control = core, core.controls.read, core.controls.write

    @property
    def el(self) -> int:
        """The current exception level."""
        return self._core.el


class Cpus:
    """All CPUs. CPU 0 is on from the start."""

    def __init__(
        self, count: int, model: str, start_el: int, gic: int, list_registers: int, sink: EventSink | None
    ) -> None:
        self.where = Position()
        self.cores = [
            Core(
                model,
                start_el=start_el,
                gic=gic,
                index=index,
                sink=sink,
                where=self.where,
                list_registers=list_registers,
            )
            for index in range(count)
        ]
        self.views = [View(core) for core in self.cores]
        self.off: PowerOff | None = None
        self.at_reset: Callable[[Core], None] = lambda core: None  # resets what is inside a CPU
        self.reset_wanted = False
        self.on = [index == 0 for index in range(count)]
        self._slice_end, self._turn_start, self._idle_turns, self._spins = SLICE, 0, 0, 0
        self._others_before = [0] * count
        self._by_affinity = {mpidr(core.index) & _AFFINITY: core for core in self.cores}
        for core in self.cores:
            core.is_alone = count == 1
            self._connect(core)

    def _connect(self, core: Core) -> None:
        others = [other for other in self.cores if other is not core]

        def send_event() -> None:
            for other in others:
                other.hear_event()

        def broadcast(encoding: Encoding, operand: int) -> None:
            self._broadcast(core, encoding, operand)

        core.send_event, core.broadcast = send_event, broadcast

    def _broadcast(self, core: Core, encoding: Encoding, operand: int) -> None:
        """Carry TLB and instruction-cache maintenance to every CPU that it is meant for.

        A core notices its own stores into code only through the address that the code runs at: instruction-cache
        maintenance concerns the CPU that does it as well.
        """
        name = name_of(encoding)
        if name.startswith("IC IVAU"):
            self._code_changed(core.native.translate(operand, READ))
        elif name.startswith("IC"):
            self._code_changed(None)
        elif name.removesuffix("NXS").endswith(("IS", "OS")) or core.controls.values.hcr_el2 & _HCR_FB:
            for each in self.cores:
                each.maintenance.invalidate(encoding, operand)

    def _code_changed(self, physical: int | None) -> None:
        """Have every CPU translate a cache line of code anew; all of its code, if it is not known which."""
        for core in self.cores:
            if physical is None:
                core.maintenance.drop_all()
            else:
                core.maintenance.code_changed(physical & -CACHE_LINE_BYTES, CACHE_LINE_BYTES)

    # --- turns -------------------------------------------------------------------------------------------------------

    @property
    def retired(self) -> int:
        """Instructions retired by all CPUs."""
        return self.where.retired

    @property
    def cpus(self) -> int:
        """How many CPUs there are."""
        return len(self.cores)

    @property
    def current(self) -> Core:
        """The CPU whose turn it is."""
        assert self.where.running is not None
        return self.where.running

    def runnable(self) -> Core | None:
        """Return the CPU to run now: the current one within its slice, else the next that can; None if all wait."""
        start = self.current.index
        if self.retired >= self._slice_end:
            start += 1
        count = len(self.cores)
        for index in (*range(start, count), *range(min(start, count))):
            core: Core = self.cores[index]
            if self.on[index] and self._can_run(core):
                self._take_turn(core, new=index != self.current.index or self.retired >= self._slice_end)
                return core
        return None

    def _can_run(self, core: Core) -> bool:
        if core.waiting in WAITS_FOR_EVENTS and self._may_have_missed_an_event(core):
            core.waiting = ""
        return not core.waiting or core.wakes()

    def _may_have_missed_an_event(self, core: Core) -> bool:
        """Tell whether a WFE should end because another CPU has run.

        A store that clears the global monitor is an event, and is not seen here; a WFE may end at any time. CPUs that
        only wait for each other are left to the next interrupt. Ref: Arm ARM D1.7.1.
        """
        others = self.retired - core.retired
        return others > self._others_before[core.index] and self._idle_turns < 2 * len(self.cores)

    def _take_turn(self, core: Core, *, new: bool) -> None:
        if new and len(self.cores) > 1:
            self._slice_end = self.retired + SLICE
            self._turn_start = self.retired
        self.where.turn(core)

    def ended_turn(self, core: Core) -> None:
        """Note that a CPU has begun to wait, or gives the rest of its slice away."""
        is_short = core.waiting in WAITS_FOR_EVENTS and self.retired - self._turn_start < _SHORT_TURN
        self._idle_turns = self._idle_turns + 1 if is_short else 0
        is_spin = not core.waiting and self.on[core.index] and self.retired - self._turn_start < _SHORT_SPIN
        self._spins = self._spins + 1 if is_spin else 0
        self._others_before[core.index] = self.retired - core.retired
        self._slice_end = self.retired

    @property
    def slice_end(self) -> int:
        """the count at which the current slice ends."""
        return self._slice_end

    @property
    def only_spin(self) -> bool:
        """Tell whether every CPU that ran in the last turns did nothing but look and yield."""
        return self._spins > 2 * len(self.cores)

    @property
    def all_off(self) -> bool:
        """Tell whether no CPU is on."""
        return not any(self.on)

    def flush_tlbs(self) -> None:
        """Empty every TLB."""
        for core in self.cores:
            core.native.flush_tlb()

    # --- power, for the firmware: see `firmware.PowerController` -----------------------------------------------------

    def state(self, affinity: int) -> PowerState | None:
        """Return the power state of a CPU; None if there is no such CPU."""
        core = self._by_affinity.get(affinity)
        return None if core is None else "on" if self.on[core.index] else "off"

    def power_on(self, affinity: int, entry: int, context_id: int) -> None:
        """Start a CPU that is off, in its reset state, at a physical address, with X0 = `context_id`."""
        core = self._by_affinity[affinity]
        self._reset_core(core)
        core.pc = entry
        core.set_x(0, context_id)
        self.on[core.index] = True

    def _reset_core(self, core: Core) -> None:
        core_snapshot.reset(core)
        self.at_reset(core)

    def power_off(self, caller: Caller) -> None:
        """Switch a CPU off: it does not run on."""
        self.on[caller.index] = False
        self.cores[caller.index].request_stop()

    def system_off(self, status: int, text: str) -> None:
        """End the run."""
        self.off = PowerOff(status, text)
        self.current.request_stop()

    def system_reset(self) -> None:
        """Have the whole system reset before the next instruction."""
        self.reset_wanted = True
        self.current.request_stop()

    def suspend(self, caller: Caller) -> None:
        """Have a CPU wait as by WFI, behind the call."""
        core = self.cores[caller.index]
        core.waiting = "wfi"
        core.emit(Waited, instruction="wfi", pc=core.pc - 4)
        core.native.stop()

    def reset(self) -> None:
        """Reset every CPU; all but CPU 0 are off."""
        for core in self.cores:
            self._reset_core(core)
            self.on[core.index] = core.index == 0
        self.reset_wanted = False
        self.where.turn(self.cores[0])
        self._slice_end = self.retired + SLICE

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "cores": [core_snapshot.snapshot(core) for core in self.cores],
            "on": list(self.on),
            "off": tuple(self.off) if self.off else None,
            "current": self.current.index,
            "slice": [self._slice_end, self._turn_start, self._idle_turns, self._spins, *self._others_before],
        }

    def restore(self, state: dict[str, Any], *, keeps_translations: bool = False) -> None:
        """Take a state back; `keeps_translations` if somebody has told which code changed."""
        for core, saved in zip(self.cores, state["cores"], strict=True):
            core_snapshot.restore(core, saved, keeps_translations=keeps_translations)
        self.on[:] = state["on"]
        self.off = PowerOff(*state["off"]) if state["off"] else None
        self._slice_end, self._turn_start, self._idle_turns, self._spins, *self._others_before = state["slice"]
        self.where.running, self.where.is_reached = self.cores[state["current"]], False
        self.where.others = sum(core.retired for core in self.cores) - self.where.running.retired
