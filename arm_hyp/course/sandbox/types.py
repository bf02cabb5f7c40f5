"""What the sandbox is given, and what it gives back.

Read `runner/configuration.py` and `hypervisor/student/recorded.py` before this file, `course/sandbox/run.py` after it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from arm_hyp.hypervisor.student.recorded import RecordedHandlers
from arm_hyp.runner.configuration import Configuration

Status = Literal["ran", "failed", "timeout", "killed", "not graded"]
"""How it went.

- ran: the run came to an end, or to its limit, or a handler failed in it (the replay shows which)
- failed: the file cannot be loaded, or did what is not allowed, or answered with what no handler can do
- timeout: its CPU time is used up
- killed: the process was ended: memory, output, a crash
- not graded: the host did not give it the time, or could not start it; nothing is known about the handlers
"""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a student's handlers: the machine, the file, and when to stop.

    `configuration` is that of the run; its `hypervisor` is not used. `limit` is in retired instructions, `until` a text
    on the console, `typed` what is typed there before the start. `also` names actions that this job allows: those of
    `verdict.FORGING` are not allowed otherwise.
    """

    configuration: Configuration
    handlers: str
    limit: int
    until: str = ""
    typed: bytes = b""
    also: tuple[str, ...] = ()

    def replayed(self) -> Configuration:
        """Return the configuration for a replay, which needs no file of handlers."""
        return msgspec.structs.replace(self.configuration, hypervisor="")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the student's process may use. `memory_bytes` comes on top of what the machine has taken before.

    `exits` and `effects_bytes` bound what comes back, `work` what it takes to repeat that, in instructions;
    `output_bytes` what it writes itself. `wall_s` is for the host: who uses it up, and not `cpu_s`, is not graded.
    """

    cpu_s: int = 10
    memory_bytes: int = 256 << 20
    output_bytes: int = 256 << 10
    exits: int = 100_000
    effects_bytes: int = 16 << 20
    work: int = 100_000_000
    wall_s: float = 60.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `reason` says in one line why it is not "ran"; `where` is the student's file and line, if known.

    `registrations` (None if the file was never loaded) and `effects` are what `RecordedHandlers.of` takes; they have
    been checked to be of its form, and are those up to the end also where that was no good one. `output` is what the
    process itself wrote. `confinement` says in sentences what held it.
    """

    status: Status
    reason: str = ""
    where: str = ""
    registrations: Any = None
    effects: tuple[bytes, ...] = ()
    output: str = ""
    confinement: tuple[str, ...] = ()

    def handlers(self) -> RecordedHandlers:
        """Return what a replay needs in place of the student's file. Raises: UserError if it was never loaded."""
        return RecordedHandlers.of(self.registrations, list(self.effects))
