"""A recording: all that a run was a function of, and what shows that a replay is the same run. As data, and as a file.

Read `timeline/recordings/container.py`, `timeline/recordings/files.py` and `timeline/recordings/trace.py` before this
file, `timeline/recordings/recorder.py` (how one is made) and `timeline/recordings/replay.py` (what becomes of it) after
it. `docs/recordings.md` documents the file. Whatever comes from a file is checked here: types, sizes, and that every
value is one that the command line could have given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import msgspec

from arm_hyp.errors import UserError
from arm_hyp.machine.console_input import Arrival
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.recordings import container
from arm_hyp.timeline.recordings.checks import check_configuration, check_known
from arm_hyp.timeline.recordings.container import Section
from arm_hyp.timeline.recordings.files import MAX_FILES, RecordedFile, check_files
from arm_hyp.timeline.recordings.trace import HASH_BYTES, MAX_EVENTS, Trace

OPEN: Final = "open"
"""The reason of an end that is none: the run was torn off, or could have gone on."""
LARGEST: Final = 1 << 62
_MAX_ENTRIES: Final = 1 << 20
_MAX_NAME: Final = 256
_LIMITS_BYTES: Final = {
    **{"run": 4 << 20, "inputs": 64 << 20, "consoles": 256 << 20},
    **{"trace": MAX_EVENTS + 64, "handlers": 512 << 20},
}
_PART_BYTES: Final = 64 << 20


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how a run ended: a machine's outcome, or OPEN; position and virtual time; the hash of all registers.

    That is empty where nobody could look.
    """

    reason: str
    status: int
    text: str
    n: int
    seq: int
    time_ns: int
    registers: bytes = b""


class RunPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ran, and how it was asked to end: `limit` in instructions, `until` the console shows a text."""

    library_version: str
    configuration: Configuration
    files: tuple[RecordedFile, ...]
    limit: int
    until: str
    end: End


class HandlersPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user's handlers, without their code: what they registered, and what they did at each exit that they saw."""

    registrations: Any
    effects: list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One run. `inputs` is what was typed on each console, by VM, `consoles` what was printed there.

    `contents` are the files that are kept whole, by number. `handlers` is None where there were none of a user's.
    `marks` are positions (n, seq) with names. `others` are parts for which this file has no type: those of other
    modules (`part`), or of later versions.
    """

    run: RunPart
    inputs: tuple[tuple[Arrival, ...], ...]
    consoles: tuple[bytes, ...]
    trace: Trace
    contents: Mapping[int, Section] = field(default_factory=dict)
    handlers: HandlersPart | None = None
    marks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    others: tuple[Section, ...] = ()

    @property
    def library_version(self) -> str:
        """The version of arm-hyp that ran it."""
        return self.run.library_version

    @property
    def end(self) -> End:
        """How it ended."""
        return self.run.end

    def part(self, kind: str) -> Any:
        """Return what a part holds that others have put there, as plain data; None without. Raises: ValueError."""
        found = next((one for one in self.others if one.kind == kind), None)
        return None if found is None else _typed(kind, found.unpack(_PART_BYTES), Any)

    def with_part(self, kind: str, plain: Any) -> Recording:
        """Return a recording with a part set: plain data, that a replay can do without."""
        others = tuple(one for one in self.others if one.kind != kind)
        made = container.section(kind, msgspec.msgpack.encode(plain), is_optional=True)
        return replace(self, others=(*others, made))


def write_recording(path: str, recording: Recording) -> None:
    """Write a file, in place of an older one only when it is complete. Raises: UserError."""
    sections = list(_sections(recording))
    if sum(len(one.stored) for one in sections) > container.MAX_SECTION_BYTES:
        raise UserError(path, "would be larger than 1 GiB", "leave the large files out: --embed small")
    container.write(path, container.encode(sections))


def _sections(recording: Recording) -> list[Section]:
    encode = msgspec.msgpack.encode
    parts = [
        container.section("run", encode(recording.run)),
        container.section("inputs", encode(recording.inputs)),
        container.section("consoles", encode(recording.consoles)),
        container.section("trace", encode(recording.trace)),
    ]
    if recording.handlers is not None:
        parts.append(container.section("handlers", encode(recording.handlers)))
    parts += recording.contents.values()
    if recording.marks:
        parts.append(container.section("marks", encode(dict(recording.marks)), is_optional=True))
    return parts + list(recording.others)


# --- reading ----------------------------------------------------------------------------------------------------------


def read_recording(path: str) -> Recording:
    """Read a file. Raises: UserError, in one line, for whatever is no recording that this version can replay."""
    sections = container.read(path)
    try:
        return _recording(sections)
    except (ValueError, RecursionError, OverflowError) as error:  # msgspec's errors are ValueErrors
        raise UserError(path, f"is damaged: {_first_line(error)}", "copy it again, or have it recorded again") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _recording(sections: list[Section]) -> Recording:
    by_kind = {one.kind: one for one in sections}
    if len(by_kind) != len(sections):
        raise ValueError("it has a part twice")
    run = _run_part(_bytes(by_kind, "run"))
    contents = _contents(by_kind, run.files)
    inputs = _typed("inputs", _bytes(by_kind, "inputs"), tuple[tuple[Arrival, ...], ...])
    consoles = _typed("consoles", _bytes(by_kind, "consoles"), tuple[bytes, ...])
    trace = _typed("trace", _bytes(by_kind, "trace"), Trace)
    handlers = None
    if "handlers" in by_kind:
        handlers = _typed("handlers", _bytes(by_kind, "handlers"), HandlersPart)
    if (handlers is not None) != bool(run.configuration.hypervisor):
        raise ValueError("it has handlers without what they did, or the other way round")
    marks = _marks(by_kind.pop("marks", None))
    _check_inputs(inputs)
    if len(inputs) != len(consoles):
        raise ValueError("it has not as many consoles with input as with output")
    if len(trace.checks) != trace.events or len(trace.digest) != HASH_BYTES:
        raise ValueError("its trace has not as many events as it says")
    for one in by_kind.values():
        if not one.is_optional:
            raise ValueError(f"it needs `{one.kind}`, which this version of arm-hyp does not know")
    return Recording(
        run=run,
        inputs=inputs,
        consoles=consoles,
        trace=trace,
        contents=contents,
        handlers=handlers,
        marks=marks,
        others=tuple(by_kind.values()),
    )


def _bytes(by_kind: dict[str, Section], kind: str) -> bytes:
    """Take the contents of a part out. Raises: ValueError."""
    if kind not in by_kind:
        raise ValueError(f"its part `{kind}` is missing")
    return by_kind.pop(kind).unpack(_LIMITS_BYTES[kind])


T = TypeVar("T")


def _typed(kind: str, data: bytes, wanted: Any) -> Any:
    """Decode a part, of a type. Raises: ValueError."""
    try:
        return msgspec.msgpack.decode(data, type=wanted)
    except msgspec.MsgspecError as error:
        raise ValueError(f"its part `{kind}` is not as it should be ({_first_line(error)})") from None


def _run_part(data: bytes) -> RunPart:
    plain = _typed("run", data, Any)
    if isinstance(plain, dict):
        check_known(plain.get("configuration"))
    run: RunPart = _typed("run", data, RunPart)
    if len(run.files) > MAX_FILES:
        raise ValueError("it has more files than a recording may have")
    check_configuration(run.configuration)
    check_files(run.files, run.configuration)
    numbers = run.limit, run.end.n, run.end.seq, run.end.time_ns
    if not all(0 <= number <= LARGEST for number in numbers) or not 0 <= run.end.status <= 255:
        raise ValueError("it has an end that no run has")
    return run


def _contents(by_kind: dict[str, Section], files: tuple[RecordedFile, ...]) -> dict[int, Section]:
    result = {}
    for number, file in enumerate(files):
        one = by_kind.pop(f"file:{number}", None)
        if one is not None and one.size_bytes != file.size_bytes:
            raise ValueError(f"its file {number} has another size than it says")
        if one is not None:
            result[number] = one
    return result


def _check_inputs(inputs: tuple[tuple[Arrival, ...], ...]) -> None:
    for log in inputs:
        places = [(arrival.n, arrival.time_ns) for arrival in log]
        if places != sorted(places) or not all(0 <= n <= LARGEST and 0 <= at <= LARGEST for n, at in places):
            raise ValueError("its input is not in order")
        if not all(arrival.data for arrival in log):
            raise ValueError("its input has gaps")


def _marks(one: Section | None) -> dict[str, tuple[int, int]]:
    if one is None:
        return {}
    marks: dict[str, tuple[int, int]] = _typed("marks", one.unpack(_PART_BYTES), dict[str, tuple[int, int]])
    for name, place in marks.items():
        if not name or len(name) > _MAX_NAME or not name.isprintable() or not all(0 <= x <= LARGEST for x in place):
            raise ValueError("it has a mark without a proper name or position")
    if len(marks) > _MAX_ENTRIES:
        raise ValueError("it has more marks than a recording may have")
    return marks
