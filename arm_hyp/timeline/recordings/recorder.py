"""How a run becomes a recording: what to note before it begins, while it runs, and where it ends.

Read `timeline/recordings/recording.py` before this file, `timeline/recordings/replay.py` after it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import msgspec

from arm_hyp import __version__
from arm_hyp.cpu import snapshot
from arm_hyp.machine.console_input import Arrival, ConsoleInput
from arm_hyp.machine.machine import Machine
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Runner
from arm_hyp.timeline.embedding import Embed
from arm_hyp.timeline.recordings.files import Collected, Collector
from arm_hyp.timeline.recordings.recording import OPEN, End, HandlersPart, Recording, RunPart
from arm_hyp.timeline.recordings.trace import HASH_BYTES, TraceNotes

_COMPARED: Final = ("general", "vector", "pstate", "system", "controls")
_LATER: Final = frozenset({"icc_sre_el3"})
"""Constants that became registers after recordings were made: left out, so that those still repeat as they were."""


class Recorder:
    """Records one run. Make it before the runner, call `started` at once after it, and `recording` last."""

    def __init__(self, configuration: Configuration, embed: Embed = "small") -> None:
        self._collector = Collector(configuration, embed)
        self._collected: Collected | None = None
        self.notes = TraceNotes()

    def started(self, runner: Runner) -> None:
        """Take the files in, as the runner has just read them, and note what happens. Raises: UserError."""
        self.collect(runner)
        runner.machine.cpus.where.journal = self.notes.note

    def collect(self, runner: Runner) -> None:
        """Take the files in, as the runner has just read them. A timeline notes by itself. Raises: UserError."""
        images: list[str | None] = [vm.image for vm in runner.vms] or [runner.configuration.image]
        pairs = zip(images, runner.plans, strict=True)
        included = [(image, plan.included) for image, plan in pairs if image is not None]
        own = runner.handlers.handlers.files if runner.handlers is not None else {}
        self._collected = self._collector.collect(included, own)

    def recording(self, runner: Runner, answer: dict[str, Any] | None, limit: int, until: str = "") -> Recording:
        """Return what was recorded. `answer` is the runner's; None if the run was torn off: at its last event."""
        assert self._collected is not None
        configuration, files, contents = self._collected
        end = end_of(runner, answer) if answer is not None else self._torn(runner)
        return Recording(
            run=RunPart(__version__, configuration, files, limit, until, end),
            inputs=tuple(tuple(Arrival(*arrival) for arrival in queue.log) for queue in queues(runner)),
            consoles=tuple(map(bytes, runner.consoles)),
            trace=self.notes.trace(),
            contents=contents,
            handlers=_handlers(runner),
        )

    def _torn(self, runner: Runner) -> End:
        return End(OPEN, 0, "the recording ends here", *self.notes.last, runner.machine.clock.now_ns)


def _handlers(runner: Runner) -> HandlersPart | None:
    """Return what a user's handlers registered and did."""
    if runner.handlers is None:
        return None
    registrations = msgspec.to_builtins(runner.handlers.registrations, builtin_types=(bytes,))
    return HandlersPart(registrations, runner.handlers.log.packed)


def end_of(runner: Runner, answer: dict[str, Any]) -> End:
    """Return where and how a run has ended."""
    n, seq = position(runner.machine)
    text = answer["text"]
    for name, path in runner.handlers.handlers.files.items() if runner.handlers is not None else ():
        text = text.replace(path, name)  # what a handler's failure says names files
    return End(
        answer["reason"],
        int(answer["status"]),
        text,
        n,
        seq,
        runner.machine.clock.now_ns,
        registers_hash(runner.machine),
    )


def position(machine: Machine) -> tuple[int, int]:
    """Return (n, seq) of a machine."""
    return machine.cpus.current.position(numbered=False)


def queues(runner: Runner) -> list[ConsoleInput]:
    """Return the queue of each console: of each VM, or the machine's one."""
    if runner.hypervisor is not None:
        return runner.hypervisor.inputs.queues
    assert isinstance(runner.machine.input, ConsoleInput)
    return [runner.machine.input]


def registers_hash(machine: Machine) -> bytes:
    """Return the hash of the registers of every CPU."""
    states = [snapshot.snapshot(core) for core in machine.cpus.cores]
    parts = [repr(sorted(_plain(state[name]))) for state in states for name in _COMPARED]
    return blake2b(msgspec.msgpack.encode(parts), digest_size=HASH_BYTES).digest()


def _plain(part: Any) -> list[Any]:
    return [item for item in part.items() if item[0] not in _LATER] if isinstance(part, dict) else [part]
