"""The Runner: one machine made from a configuration and driven by plain-data messages.

Read `runner/configuration.py`, `runner/messages.py` and `machine/machine.py` before this file. Scripts, tests and
`arm-hyp run` call it in their own process; the terminal, gdb and the course will talk to one over a pipe. No threads;
reading state leaves no mark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from arm_hyp.cpu.snapshot import snapshot
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.events import EventSink
from arm_hyp.machine.boot import plan_boot
from arm_hyp.machine.machine import Machine
from arm_hyp.runner.configuration import Configuration, boot_request, machine_options
from arm_hyp.runner.messages import Edit, Message, Read, Restore, Run, Snapshot, Step, Type
from arm_hyp.runner.settings import apply_setting, parse_setting

__all__ = ["Configuration", "Edit", "Message", "Read", "Restore", "Run", "Runner", "Snapshot", "Step", "Type"]


class Runner:
    """One machine. `send` takes a message and returns plain data; `output` hears each byte that the guest prints."""

    def __init__(
        self, configuration: Configuration, sink: EventSink | None = None, output: Callable[[int], None] | None = None
    ) -> None:
        self.configuration = configuration
        self.plan = plan_boot(boot_request(configuration))
        self.machine = Machine(sink=sink, flash=self.plan.flash, **machine_options(configuration))
        self.machine.boot(self.plan)
        self._output, self._needle, self._looked_at, self._found = output, b"", 0, False
        self.machine.output = self._printed
        self._apply(configuration.settings)

    @property
    def symbols(self) -> SymbolTable:
        """The one symbol and line table of the guest's address space."""
        return self.plan.symbols

    def send(self, message: Message) -> Any:
        """Do what a message asks and return its answer."""
        return _HANDLERS[type(message)](self, message)

    def _printed(self, byte: int) -> None:
        if self._output is not None:
            self._output(byte)
        if self._needle and self.machine.console.endswith(self._needle, self._looked_at):
            self._found, self._needle = True, b""
            self.machine.request_stop("the console shows the text", 0)

    def _run(self, message: Run) -> dict[str, Any]:
        machine = self.machine
        self._needle, self._looked_at, self._found = message.until.encode(), len(machine.console), False
        outcome = machine.run(message.limit)
        status, text = outcome.status, outcome.text
        if message.until and not self._found:
            status, text = status or 1, f"{text}, and the console never showed {message.until!r}"
        elif message.until:
            text = f"the console shows {message.until!r}"
        return {
            "reason": outcome.reason,
            "status": status,
            "text": text,
            "n": machine.retired,
            "time_ns": machine.clock.now_ns,
        }

    def _step(self, message: Step) -> dict[str, Any]:
        return {"ended": self.machine.step(message.count), "n": self.machine.retired}

    def _read(self, message: Read) -> Any:
        if message.address is not None:
            return self.machine.read_memory(message.address, message.size_bytes)
        return snapshot(self.machine.core)

    def _edit(self, message: Edit) -> dict[str, Any]:
        self._apply(message.settings)
        return {}

    def _apply(self, settings: tuple[str, ...]) -> None:
        for text in settings:
            apply_setting(self.machine.core, parse_setting(text))

    def _type(self, message: Type) -> dict[str, Any]:
        self.machine.input.feed(message.data)
        return {}

    def _snapshot(self, message: Snapshot) -> dict[str, Any]:
        return self.machine.snapshot()

    def _restore(self, message: Restore) -> dict[str, Any]:
        self.machine.restore(message.state)
        return {}


_HANDLERS: Final[dict[type, Any]] = {
    Run: Runner._run,
    Step: Runner._step,
    Read: Runner._read,
    Edit: Runner._edit,
    Type: Runner._type,
    Snapshot: Runner._snapshot,
    Restore: Runner._restore,
}
