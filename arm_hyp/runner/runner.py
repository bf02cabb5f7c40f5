"""The Runner: one machine made from a configuration and driven by plain-data messages.

Read `machine/machine.py` before this file. Scripts, tests and `arm-hyp run` call it in their own process; the terminal,
gdb and the course will talk to one over a pipe. No threads; reading state leaves no mark.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from arm_hyp.cpu.snapshot import snapshot
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.events import EventSink
from arm_hyp.machine.loader import MemoryLayout, load_file
from arm_hyp.machine.machine import RAM_BASE, Machine
from arm_hyp.runner.settings import apply_setting, parse_setting


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run is a function of. Memory in bytes."""

    image: str
    el: int = 2
    cpu: str = "a72"
    gic: int = 2
    memory_bytes: int = 256 << 20
    load_address: int | None = None
    settings: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, tag="run"):
    """Run until the guest ends or `limit` instructions have retired in all."""

    limit: int


class Step(msgspec.Struct, frozen=True, tag="step"):
    """Run `count` further instructions."""

    count: int = 1


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Read the whole state, or `size_bytes` of RAM at `address`."""

    address: int | None = None
    size_bytes: int = 0


class Edit(msgspec.Struct, frozen=True, tag="edit"):
    """Apply settings: `REG[.FIELD]=VALUE`."""

    settings: tuple[str, ...]


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """Take the whole state, RAM included."""


class Restore(msgspec.Struct, frozen=True, tag="restore"):
    """Take a state back."""

    state: dict[str, Any]


Message = Run | Step | Read | Edit | Snapshot | Restore


class Runner:
    """One machine. `send` takes a message and returns plain data."""

    def __init__(self, configuration: Configuration, sink: EventSink | None = None) -> None:
        self.configuration = configuration
        layout = MemoryLayout(RAM_BASE, configuration.memory_bytes)
        self.image = load_file(configuration.image, load_address=configuration.load_address, memory=layout)
        self.machine = Machine(
            model=configuration.cpu,
            start_el=configuration.el,
            memory_bytes=configuration.memory_bytes,
            gic=configuration.gic,
            sink=sink,
        )
        for segment in self.image.segments:
            self.machine.write_memory(segment.address, segment.data)
        self.machine.core.pc = self.image.entry
        for text in configuration.settings:
            apply_setting(self.machine.core, parse_setting(text))

    @property
    def symbols(self) -> SymbolTable:
        """The one symbol and line table of the guest's address space."""
        return self.image.symbols

    def send(self, message: Message) -> Any:
        """Do what a message asks and return its answer."""
        return _HANDLERS[type(message)](self, message)

    def _run(self, message: Run) -> dict[str, Any]:
        outcome = self.machine.run(message.limit)
        return {"reason": outcome.reason, "status": outcome.status, "text": outcome.text, "n": self.machine.retired}

    def _step(self, message: Step) -> dict[str, Any]:
        return {"ended": self.machine.step(message.count), "n": self.machine.retired}

    def _read(self, message: Read) -> Any:
        if message.address is not None:
            return self.machine.read_memory(message.address, message.size_bytes)
        return snapshot(self.machine.core)

    def _edit(self, message: Edit) -> dict[str, Any]:
        for text in message.settings:
            apply_setting(self.machine.core, parse_setting(text))
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
    Snapshot: Runner._snapshot,
    Restore: Runner._restore,
}
