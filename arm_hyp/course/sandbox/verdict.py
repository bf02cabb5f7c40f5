"""From what a student's process said, and how it ended, to an outcome: a table of reasons, tried in order.

Read `course/sandbox/heard.py` and `course/sandbox/server.py` before this file, `course/sandbox/run.py` after it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from arm_hyp.course.sandbox.heard import FORGED, Heard
from arm_hyp.course.sandbox.server import FAILED, Ended
from arm_hyp.course.sandbox.types import Job, Limits, Outcome, Status
from arm_hyp.course.sandbox.work import work_of
from arm_hyp.errors import UserError
from arm_hyp.hypervisor.student.actions import METHODS
from arm_hyp.hypervisor.student.effects import NEXT, Effect, unpack
from arm_hyp.hypervisor.student.recorded import RecordedHandlers

FORGING: Final = frozenset({"Vcpu.emit", "Vm.emit", "VmDevices.put"})
"""What a handler may do only where its task says so: with these it could write the trace or the console itself."""
_LONGEST: Final = 600
_HELD: Final = ("Operation not permitted", "Permission denied", "can't start new thread")
_MAY: Final = "handlers may use no files, processes, threads, network or sleep: act through vcpu and vcpu.vm"


class Seen(NamedTuple):
    """All that is known of one run. `damage` says what is wrong with the form of what was sent."""

    job: Job
    limits: Limits
    heard: Heard
    ended: Ended
    output: str = ""
    damage: str | None = None

    @property
    def signal(self) -> int:
        """The signal that ended the process, 0 for none."""
        return os.WTERMSIG(self.ended.status) if os.WIFSIGNALED(self.ended.status) else 0

    @property
    def has_used_its_cpu_time(self) -> bool:
        """Whether the process was ended because its CPU time is used up."""
        by_limit = self.signal in (signal.SIGXCPU, signal.SIGKILL)
        return by_limit and self.ended.cpu_s > self.limits.cpu_s - 0.5


Found = tuple[Status, str]


def outcome(seen: Seen) -> Outcome:
    """Return what came out."""
    heard, seen = seen.heard, seen._replace(damage=_damage(seen.heard))
    status, reason = next(found for rule in _RULES if (found := rule(seen)) is not None)
    is_sound = heard.registrations is not None and seen.damage is None
    return Outcome(
        status=status,
        reason=one_line(reason),
        where=_where(seen) if status != "ran" else "",
        registrations=heard.registrations if is_sound else None,
        effects=tuple(heard.effects) if is_sound else (),
        output=seen.output,
        confinement=heard.words,
    )


def one_line(text: str) -> str:
    """Return a text that others wrote as one line that a terminal shows as it is."""
    letters = (letter if letter.isprintable() else " " for letter in text[:_LONGEST])
    return " ".join("".join(letters).split())


def _where(seen: Seen) -> str:
    """Return the handler that ran at the end, by its own account."""
    calling = seen.heard.calling
    return "" if calling is None else one_line(f"{Path(calling.file).name}:{calling.line}: in {calling.function}")


def _in_handler(seen: Seen) -> str:
    where = _where(seen)
    if where:
        return f"{where}: "
    return "" if seen.heard.registrations is not None else f"{Path(seen.job.handlers).name}: while it was loaded: "


# --- the rules, each of which returns None if it does not apply -------------------------------------------------------


def _unheld(seen: Seen) -> Found | None:
    if seen.heard.words or seen.heard.refused is not None:
        return None
    return "not graded", "the student's process did not get as far as the student's code; run it again"


def _forged(seen: Seen) -> Found | None:
    return ("failed", seen.heard.wrong) if seen.heard.wrong else None


def _slow(seen: Seen) -> Found | None:
    if seen.has_used_its_cpu_time:
        return "timeout", f"{_in_handler(seen)}its {seen.limits.cpu_s} s of CPU time are used up: it never comes back"
    if seen.ended.was_late:
        text = f"the host gave it {seen.ended.cpu_s:.1f} s of CPU time in {seen.limits.wall_s:g} s; run it again"
        return "not graded", text
    return None


def _ended(seen: Seen) -> Found | None:
    if not seen.signal:
        return None
    if seen.signal == signal.SIGXFSZ:
        return "killed", f"{_in_handler(seen)}it wrote more than {seen.limits.output_bytes:,} bytes"
    if seen.signal == signal.SIGKILL:
        return "not graded", "the host ended the student's process: most likely it has no memory left; run it again"
    return "killed", f"{_in_handler(seen)}it crashed ({signal.Signals(seen.signal).name})"


def _refused(seen: Seen) -> Found | None:
    refused = seen.heard.refused
    if refused is None:
        return None
    thing = refused.thing.replace(str(Path(seen.job.handlers).parent) + os.sep, "")
    is_held = any(text in refused.cause for text in _HELD)
    return "failed", str(UserError(thing, refused.cause, _MAY if is_held else refused.way_out))


def _unfinished(seen: Seen) -> Found | None:
    if seen.heard.over is not None and not seen.ended.status:
        return None
    last = seen.output.strip().splitlines()[-1:]
    if os.waitstatus_to_exitcode(seen.ended.status) == FAILED and last:
        return "failed", f"{_in_handler(seen)}it brought the machine down: {last[0]}"
    return "failed", f"{_in_handler(seen)}it ended its process before the run was over"


def _malformed(seen: Seen) -> Found | None:
    return None if seen.damage is None else ("failed", f"{FORGED} ({seen.damage})")


def _forbidden(seen: Seen) -> Found | None:
    allowed = METHODS.keys() - (FORGING - {*seen.job.also})
    for effect in map(unpack, seen.heard.effects):
        for handler, name in _actions(effect):
            if name not in allowed:
                return "failed", f"{handler} calls {name}, which a handler of this task may not"
    return None


def _too_much(seen: Seen) -> Found | None:
    work = work_of(map(unpack, seen.heard.effects))
    if work <= seen.limits.work:
        return None
    said = f"its handlers did as much as {work:,} instructions in {len(seen.heard.effects):,} exits"
    return "failed", f"{said}; a run may take {seen.limits.work:,}"


def _actions(effect: Effect) -> Iterator[tuple[str, str]]:
    return ((call.handler, one.name) for call in effect.calls for one in call.actions if one.name != NEXT)


def _damage(heard: Heard) -> str | None:
    """Say what is wrong with the form of registrations and effects; None also where nothing was loaded."""
    if heard.registrations is None:
        return None
    try:
        RecordedHandlers.of(heard.registrations, heard.effects)
    except UserError as error:
        return error.cause
    return None


_RULES: Final[tuple[Callable[[Seen], Found | None], ...]] = (
    _unheld,
    _forged,
    _slow,
    _ended,
    _refused,
    _unfinished,
    _malformed,
    _forbidden,
    _too_much,
    lambda seen: ("ran", ""),
)
"""The first that applies says it all."""
