"""The machine: CPUs, RAM, the board's devices, the firmware, and the loop that runs them to an end.

Read `machine/cpus.py`, `machine/wiring.py`, `machine/agenda.py` and `machine/firmware/` before this file,
`runner/runner.py` after it.

One piece of a run ends at whichever comes first: the end of the CPU's slice, the next deadline of a device, the TLB
grid, or the observer's limit. Only the first three change anything, and all three are fixed by the guest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from arm_hyp.cpu.core import WAITS_FOR_EVENTS, Core
from arm_hyp.cpu.stop import Stop
from arm_hyp.events import ConsoleInput as InputEvent
from arm_hyp.events import ConsoleOutput, Edited, Ended, EventSink
from arm_hyp.machine import board
from arm_hyp.machine.agenda import Agenda
from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.clock import VirtualClock
from arm_hyp.machine.console_input import INPUT_GRID, Arrival, ConsoleInput, HostConsole, Input
from arm_hyp.machine.cpus import SPIN_NS, Cpus
from arm_hyp.machine.firmware import Firmware, VirtualMemory
from arm_hyp.machine.firmware import Host as SemihostingHost
from arm_hyp.machine.memory import Ram
from arm_hyp.machine.seams import BusError
from arm_hyp.machine.wiring import Board, Options

RAM_BASE: Final = board.RAM_BASE
TLB_GRID: Final = 1 << 22
"""Every TLB is emptied every so many retired instructions, so that a run can be resumed there exactly."""
EARLY_GRID: Final = 1 << 16
"""Up to TLB_GRID it happens so often: runs that are as short as a lesson can be resumed close to every place."""
LOOK_GRID: Final = 1 << 19
"""Every so many retired instructions a run looks whether a signal has asked it to stop. It divides TLB_GRID."""


def is_on_grid(n: int) -> bool:
    """Tell whether every TLB is emptied when so many instructions have retired."""
    return n % (TLB_GRID if n > TLB_GRID else EARLY_GRID) == 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `reason` is guest, limit, dead, idle, stopped or position; `status` is the process's."""

    reason: str
    status: int
    text: str


class Machine:
    """One board. The keyword arguments are those of `wiring.Options`.

    `output` hears every byte that the guest prints; `user`, if set, is the user at the console, or paces idle time.
    `unhandled_exit` tells, of Python at EL2, whether an observer stopped the current CPU at an exit before it was
    handled: None if not, else how many instructions have retired with it.
    """

    def __init__(self, *, sink: EventSink | None = None, **options: Any) -> None:
        self.options = made = Options(**options)
        self.cpus = Cpus(made.cpus, made.model, made.start_el, made.gic, made.list_registers, sink)
        self.ram_device = Ram(RAM_BASE, made.memory_bytes)
        self.ram_device.attach(self.cpus.cores)
        self.clock = VirtualClock(lambda: self.cpus.retired)
        self.agenda = Agenda(self.clock, self._cut_short)
        self.console = bytearray()
        self.output: Callable[[int], None] | None = None
        self.user: HostConsole | None = None
        self.unhandled_exit: Callable[[], int | None] = lambda: None
        self._asked: Outcome | None = None
        self.board = Board(made, self.cpus, self.clock, self.agenda, self._print, self.ram_device, self._print_virtio)
        self.input: Input = ConsoleInput(self.board.peripherals.accept_input, self._input_entered)
        memory = VirtualMemory(self.ram_device)
        host = SemihostingHost(write_memory=memory.write, now_ns=lambda: self.clock.now_ns, epoch_s=made.rtc_epoch_s)
        self.firmware = Firmware(
            self._print, memory.read, power=self.cpus, can_start_at=self.ram_device.contains, host=host
        )
        for core in self.cpus.cores:
            core.firmware, core.semihosting = self.firmware.call, self.firmware.semihosting
        self._plan: BootPlan | None = None
        self._power_on = self.board.snapshot()

    @property
    def core(self) -> Core:
        """CPU 0."""
        return self.cpus.cores[0]

    @property
    def memory_bytes(self) -> int:
        """The size of RAM, in bytes."""
        return self.ram_device.size_bytes

    @property
    def ram(self) -> memoryview:
        """The contents of RAM."""
        return self.ram_device.view

    # --- memory and console ------------------------------------------------------------------------------------------

    def write_memory(self, address: int, data: bytes) -> None:
        """Write RAM at a physical address. Raises: ValueError outside RAM."""
        try:
            self.ram_device.write(address, data)
        except BusError as error:
            raise ValueError(str(error)) from None

    def read_memory(self, address: int, size_bytes: int) -> bytes:
        """Read RAM at a physical address. Raises: ValueError outside RAM."""
        try:
            return self.ram_device.read(address, size_bytes)
        except BusError as error:
            raise ValueError(str(error)) from None

    def _print(self, byte: int) -> None:
        self.console.append(byte)
        self.cpus.current.emit(ConsoleOutput, device="pl011", text=chr(byte))
        if self.output is not None:
            self.output(byte)

    def _print_virtio(self, data: bytes) -> None:
        self.console += data
        self.cpus.current.emit(ConsoleOutput, device="virtio-console", text=data.decode("latin-1"))
        for byte in data if self.output is not None else b"":
            assert self.output is not None
            self.output(byte)

    def _input_entered(self, arrival: Arrival) -> None:
        device, text = self.board.peripherals.console_name, arrival.data.decode("latin-1")
        self.cpus.current.emit(InputEvent, numbered=True, device=device, text=text, time_ns=arrival.time_ns)

    # --- booting -----------------------------------------------------------------------------------------------------

    def boot(self, plan: BootPlan) -> None:
        """Put everything where the plan says, and have CPU 0 start there. Remembered for SYSTEM_RESET."""
        self._plan = plan
        for segment in plan.segments:
            self.write_memory(segment.address, segment.data)
        self.core.pc = plan.entry
        for name, value in plan.registers.items():
            self.core.set_x(int(name[1:]), value)

    def _reset(self) -> None:
        """Reset CPUs and devices, and boot again. RAM keeps the rest of its contents, as on silicon."""
        self.cpus.reset()
        self.board.reset(self._power_on)
        if self._plan is not None:
            self.boot(self._plan)

    # --- running -----------------------------------------------------------------------------------------------------

    @property
    def retired(self) -> int:
        """Instructions retired by the machine."""
        return self.cpus.retired

    def run(self, limit: int) -> Outcome:
        """Run until the guest ends itself, dies, idles for ever, or `limit` instructions have retired in all.

        A guest that has ended stays ended.
        """
        outcome = self.advance(limit)
        self.tell_end(outcome)
        return outcome

    def advance(self, limit: int) -> Outcome:
        """Do what `run` does, but tell no end: to those who listen, the run goes on."""
        outcome = self._end()
        while outcome is None:
            if self.user is not None:
                self.input.feed(self.user.poll())
            outcome = self._advance(limit)
        return outcome

    def advance_to_time(self, time_ns: int, limit: int) -> Outcome:
        """Run until a virtual time has come, between two instructions if need be, or until it ends before that."""
        outcome = None
        while outcome is None and self.clock.now_ns < time_ns:
            outcome = self._advance(limit)
        return outcome or Outcome("position", 1, "the time was reached")

    def tell_edit(self) -> None:
        """Tell those who listen that somebody has changed the state from outside: a numbered event."""
        self.cpus.current.emit(Edited, numbered=True)

    def tell_end(self, outcome: Outcome) -> None:
        """Tell those who listen that the run has come to an end."""
        self.cpus.current.emit(Ended, reason=outcome.reason, status=outcome.status, text=outcome.text)

    def request_stop(self, text: str, status: int, *, at_once: bool = True) -> None:
        """Have `run` end before the next instruction, and leave no mark. From a signal handler, not `at_once`."""
        self._asked = Outcome("stopped", status, text)
        if at_once:
            self.cpus.current.request_stop()

    def withdraw_stop(self) -> None:
        """Forget a stop that was asked for and has not come: what should have stopped stands already."""
        self._asked = None

    def forget_stop(self) -> None:
        """Take back a request to stop that came too late, so that the next run does not end by it."""
        self._asked = None

    def step(self, count: int = 1) -> bool:
        """Run `count` further instructions; True if the guest has come to an end. Leaves no mark in the run."""
        limit = self.retired + count
        if self._end() is not None:
            return True
        while self.retired < limit:
            outcome = self._advance(limit)
            if outcome is not None and outcome.reason != "limit":
                return True
        return False

    def _advance(self, limit: int) -> Outcome | None:
        """Run one piece. Returns how the run ended, if it did.

        A piece that was cut at an exit goes on: what comes behind a piece comes behind the handler.
        """
        exit = self.unhandled_exit()
        core = self.cpus.runnable() if exit is None else self.cpus.current
        if core is None:
            return self._idle()
        before = self.retired - (exit or 0)
        end = self._end_of_piece(limit, before)
        if end > before:
            stop = core.run(core.retired + end - self.retired, finishes_exit=exit is not None)
            if self.unhandled_exit() is None:
                self._after_piece(core, stop, self.retired > before)
        return self._outcome(limit)

    def _end_of_piece(self, limit: int, now: int) -> int:
        """Return the count at which the next piece ends."""
        step = LOOK_GRID if now >= TLB_GRID else EARLY_GRID
        end = min(limit, (now // step + 1) * step)
        if len(self.cpus.cores) > 1:
            end = min(end, self.cpus.slice_end)
        if self.input.is_waiting or self.user is not None:
            end = min(end, (now // INPUT_GRID + 1) * INPUT_GRID)
        deadline_ns = self.agenda.next_ns()
        if deadline_ns is not None:
            end = min(end, max(deadline_ns - self.clock.idle_ns, now + 1))
        self.agenda.plan(end + self.clock.idle_ns)
        return end

    def _after_piece(self, core: Core, stop: Stop, has_advanced: bool) -> None:
        if core.waiting or stop is Stop.YIELDED or not self.cpus.on[core.index]:
            self.cpus.ended_turn(core)
            if stop is Stop.YIELDED and self.cpus.only_spin:
                self.clock.idle_ns += SPIN_NS
        if has_advanced and is_on_grid(self.retired):
            self.cpus.flush_tlbs()
        self.agenda.update()
        if self.board.flash is not None:
            self.board.flash.settle()
        if self.cpus.reset_wanted:
            self._reset()
        if has_advanced and self.retired % INPUT_GRID == 0:
            self.input.deliver(self.retired, self.clock.now_ns)

    def _cut_short(self) -> None:
        """End the piece that runs: a deadline has come closer."""
        self.cpus.current.request_stop()

    def _idle(self) -> Outcome | None:
        """Let virtual time jump to the next deadline. Returns the end of the run if there is none."""
        if self.cpus.all_off:
            return Outcome("idle", 1, "every CPU is off")
        if self.input.deliver(self.retired, self.clock.now_ns) or self._asked is not None:
            return self._outcome(self.retired + 1)
        events = {core.index: at for core in self.cpus.cores if (at := self._next_event_ns(core)) is not None}
        deadline = self.agenda.next_idle_ns()
        times = [at for at in (deadline, self.input.next_ns(self.retired), *events.values()) if at is not None]
        if not times and not self._wait_for_user():
            waits = self.cpus.current.waiting.upper() or "every CPU"
            return Outcome("idle", 1, f"{waits} waits for ever: nothing is to come that would end it")
        if times:
            self.clock.idle_ns += self._paced(max(0, min(times) - self.clock.now_ns))
        for index, at in events.items():
            if at <= self.clock.now_ns:
                self.cpus.cores[index].hear_event()
        self.agenda.update()
        return None

    def _paced(self, duration_ns: int) -> int:
        """Let host time pass where somebody watches. Return the idle time in ns: input may end it early."""
        return duration_ns if self.user is None else self.user.wait(duration_ns)

    def _wait_for_user(self) -> bool:
        """Wait for input where nothing else can come; False if there is no user."""
        if self.user is None or not self.user.can_type:
            return False
        self.clock.idle_ns += self.user.wait(None)
        return True

    def _next_event_ns(self, core: Core) -> int | None:
        """Return when the event stream of a CPU that waits in WFE comes, or None.

        Simplified: events of the stream that come while the CPU does not wait do not set its Event Register.
        """
        is_waiting = self.cpus.on[core.index] and core.waiting in WAITS_FOR_EVENTS
        return self.board.timers[core.index].next_event_ns() if is_waiting else None

    def _end(self) -> Outcome | None:
        """Return how the guest ended, if it powered the machine off or died."""
        if self.cpus.off is not None:
            return Outcome("guest", self.cpus.off.status, self.cpus.off.text)
        for core in self.cpus.cores:
            if core.dead_because:
                return Outcome("dead", 1, core.dead_because)
        return None

    def _outcome(self, limit: int) -> Outcome | None:
        if (ended := self._end()) is not None:
            return ended
        if self._asked is not None:
            asked, self._asked = self._asked, None
            return asked
        if self.cpus.where.is_reached:
            return Outcome("position", 1, "the position was reached")
        if self.retired >= limit:
            return Outcome("limit", 1, f"the limit of {limit:,} instructions was reached")
        return None

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self, *, with_ram: bool = True) -> dict[str, Any]:
        """Return the whole state as plain data; RAM as zlib-compressed pieces."""
        ram = {"ram": self.ram_device.snapshot()} if with_ram else {}
        return ram | {
            "version": 3,
            "cpus": self.cpus.snapshot(),
            "clock": self.clock.snapshot(),
            "board": self.board.snapshot(),
            "firmware": self.firmware.snapshot(),
            "input": self.input.snapshot(),
            "console": bytes(self.console),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back; without RAM in it, after the caller has put that back.

        Raises: ValueError if it is of another version or CPU model.
        """
        if state["version"] != 3:
            raise ValueError(f"a snapshot of version {state['version']}; wanted 3")
        if "ram" in state:
            self.ram_device.restore(state["ram"])
        self.cpus.restore(state["cpus"], keeps_translations="ram" not in state)
        self.clock.restore(state["clock"])
        self.board.restore(state["board"])
        self.firmware.restore(state["firmware"])
        self.input.restore(state["input"])
        self.console[:] = state["console"]
