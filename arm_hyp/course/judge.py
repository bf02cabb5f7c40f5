"""What a check is given: the student's answers, and runs of the real machine with the student's work in it.

Read `course/build.py`, `course/judged_run.py` and `course/sandbox/types.py` before this file, `course/checks.py` after
it. A student's handlers run in the sandbox; the run that is judged repeats what they did, in this process, without
their code.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from msgspec.structs import replace

from arm_hyp.course.answers import Value, read_answers
from arm_hyp.course.build import Build, drawn
from arm_hyp.course.configured import configured, is_answered_by_value
from arm_hyp.course.judged_run import BoundedSink, CheckFailed, JudgedRun, NotGraded
from arm_hyp.course.kinds.answered import wrong_answer
from arm_hyp.course.kinds.table import KINDS
from arm_hyp.course.manifest import SOLUTION, Lesson, Task
from arm_hyp.course.remarks import RunWatch, remarks_of
from arm_hyp.course.sandbox import Job, Limits, run_student
from arm_hyp.course.verdict import Feedback, Remark
from arm_hyp.errors import UserError
from arm_hyp.events import FanOut
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.recordings.recorder import Recorder
from arm_hyp.timeline.timeline import Timeline

if TYPE_CHECKING:
    from arm_hyp.hypervisor.student.recorded import RecordedHandlers


@contextlib.contextmanager
def _ended_after(seconds: float, stop: Callable[[], None]) -> Iterator[threading.Event]:
    """Have a run stopped after so many seconds of the host. The event that is given says whether it was."""
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        stop()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield is_late
    finally:
        timer.cancel()


MOST_PRINTED: Final = 20
"""So many lines of what a student's file prints are kept with a verdict."""
_LONGEST_PRINTED: Final = 200
_UNREPEATABLE: Final = ("the recording is not of this run", "the recording ends here")


class Options(NamedTuple):
    """How one run of a check differs from the task's own."""

    settings: tuple[str, ...] = ()
    limit: int = 0
    until: str = ""
    typed: bytes = b""


class Judge:
    """Judges one task of one student. `seeds` has the numbers of this check by symbol.

    `is_trusted` work is the author's own: it needs no sandbox. `confinement` is of the sandbox. Close
    it, or use it in `with`.
    """

    def __init__(
        self, lesson: Lesson, task: Task, submission: Path, seed: int, *, is_trusted: bool = False,
        limits: Limits | None = None,
    ) -> None:  # fmt: skip
        self.lesson, self.task, self.submission, self.seed = lesson, task, submission, seed
        self.seeds: Mapping[str, int] = drawn(lesson, task, seed)
        self._output = ""
        self.confinement: tuple[str, ...] = ()
        self.recorders: dict[JudgedRun, Recorder] = {}
        self.divergences: dict[JudgedRun, tuple[str, ...]] = {}
        self._is_trusted, self._limits = is_trusted, limits or Limits()
        self._runs: dict[Options, JudgedRun | CheckFailed | NotGraded] = {}

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the files of the runs."""
        for name in ("_build", "solution"):
            made = self.__dict__.pop(name, None)
            if made is not None:
                made.close()

    @cached_property
    def _build(self) -> Build:
        try:
            return Build(self.lesson, self.task, self.submission, self.seed)
        except UserError as error:
            raise self._failed_at(error) from None

    @cached_property
    def solution(self) -> Judge:
        """The judge of the author's solution, with the same seed."""
        return Judge(self.lesson, self.task, self.lesson.folder / SOLUTION, self.seed, is_trusted=True)

    # --- answers ------------------------------------------------------------------------------------------------------

    def answer(self) -> Value:
        """Return the answer to this task. Raises: CheckFailed if there is none, or none that can be read."""
        kind = KINDS[self.task.kind]
        try:
            value = read_answers(self.submission).get(self.task.name)
            if value is not None:
                kind.change(self.task, value)
        except UserError as error:
            raise self._failed_at(error) from None
        if value is None:
            way_out = f"arm-hyp lesson answer {self.task.name} VALUE"
            self.fail(Feedback(got="nothing is answered yet", expected=f"an answer: {way_out}"))
        return value

    def expect_answer(self, right: Value) -> None:
        """Expect an answer that the check has found out from the machine. Raises: CheckFailed."""
        value = self.answer()
        if value != right:
            self.fail(wrong_answer(self.task, value))

    def fail(self, feedback: Feedback | None = None, *, got: str = "", expected: str = "", why: str = "") -> NoReturn:
        """Fail the check without a place in a run. Raises: CheckFailed."""
        raise CheckFailed(feedback or Feedback(got=got, expected=expected, why=why))

    def _failed_at(self, error: UserError) -> CheckFailed:
        """Return a failure for what is wrong with a file of the student's, by its own name."""
        thing = error.thing.replace(f"{self.submission}/", "")
        return CheckFailed(Feedback(got=f"{thing}: {error.cause}", expected=error.way_out or "a file that works"))

    # --- runs ---------------------------------------------------------------------------------------------------------

    def run(self, *, settings: tuple[str, ...] = (), limit: int = 0, until: str = "", typed: bytes = b"") -> JudgedRun:
        """Run the task's machine with the student's work, or return that run if there was one.

        `settings` are registers as for `--set`; `limit` is in instructions, the task's own by default.

        Raises: CheckFailed if the student's work does not run at all; NotGraded if the host failed.
        """
        options = Options(settings, limit or self.task.limit, until, typed)
        if options not in self._runs:
            try:
                self._runs[options] = self._run(options)
            except (CheckFailed, NotGraded) as failed:
                self._runs[options] = failed
        found = self._runs[options]
        if not isinstance(found, JudgedRun):
            raise found
        if found.reason == "handler":
            found.fail(found.text, "handlers that do not fail")
        return found

    def options_of(self, run: JudgedRun) -> Options:
        """Return how a run was asked for."""
        return next(options for options, each in self._runs.items() if each is run)

    def again(self, options: Options) -> JudgedRun:
        """Return the run that was asked for so. Raises: as `run`."""
        return self.run(**options._asdict())

    def remarks(self) -> tuple[Remark, ...]:
        """Return the rules that the runs break that checks have asked for. The solution's own are not watched."""
        return remarks_of(run for run in self._runs.values() if isinstance(run, JudgedRun))

    @property
    def printed(self) -> str:
        """What the student's file printed as it was loaded, and its handlers in the first run: its first lines."""
        runs = (run for run in self._runs.values() if isinstance(run, JudgedRun))
        handlers = (line for run in islice(runs, 1) for line in run.handlers_output())
        lines = islice(chain(self._output.splitlines(), handlers), MOST_PRINTED)
        return "\n".join(line[:_LONGEST_PRINTED] for line in lines)

    def _run(self, options: Options) -> JudgedRun:
        made = self._configuration(options)
        recorded = self._recorded(made, options) if made.hypervisor and not self._is_trusted else None
        try:
            return self._judged(made, options, recorded)
        except UserError as error:  # what the student wrote cannot be assembled, or does not fit into the machine
            shown = UserError(*(self._build.shown(part) for part in (error.thing, error.cause, error.way_out)))
            raise self._failed_at(shown) from None

    def _judged(self, made: Configuration, options: Options, recorded: RecordedHandlers | None) -> JudgedRun:
        sink, recorder = BoundedSink(), Recorder(made)
        timeline = Timeline(made, sink=sink, recorded=recorded)
        recorder.collect(timeline.runner)
        sink.full = timeline.stop
        watch = None if self._is_trusted else RunWatch(timeline.runner.machine, self.task)
        if watch is not None:
            timeline.listen(FanOut(sink, watch))
        if options.typed:
            timeline.type(options.typed)
        with _ended_after(self._limits.wall_s, timeline.stop) as is_late:
            answer = timeline.run(options.limit, options.until)
        if is_late.is_set():
            raise NotGraded(f"the host was not through with the run after {self._limits.wall_s:g} s; run it again")
        run = JudgedRun(timeline, sink, answer, self._build.shown, () if watch is None else watch.findings)
        if run.reason == "handler" and any(text in run.text for text in _UNREPEATABLE):
            got = "your handlers did something that does not happen again when what they did is repeated"
            run.fail(got, "handlers that act through vcpu and vcpu.vm alone", run.text)
        self.recorders[run] = recorder
        return run

    def _configuration(self, options: Options) -> Configuration:
        answer = self.answer() if is_answered_by_value(self.task) else None
        try:
            made = configured(self.lesson, self.task, self._build.folder, answer)
        except UserError as error:  # a mistake of the author's
            thing, cause, way_out = (self._build.shown(part) for part in (error.thing, error.cause, error.way_out))
            raise UserError(f"{self.lesson.name}: {thing}", cause, way_out) from None
        return replace(made, settings=(*made.settings, *options.settings))

    def _recorded(self, made: Configuration, options: Options) -> RecordedHandlers:
        """Run the student's handlers in the sandbox; return what they did. Raises: CheckFailed, NotGraded."""
        assert made.hypervisor
        job = Job(
            configuration=made,
            handlers=made.hypervisor,
            limit=options.limit,
            until=options.until,
            typed=options.typed,
            also=self.task.allows,
        )
        outcome = run_student(job, self._limits)
        self._output, self.confinement = self._build.shown(outcome.output).strip(), outcome.confinement
        if outcome.status == "not graded":
            raise NotGraded(outcome.reason)
        if outcome.status != "ran":
            reason = self._build.shown(outcome.reason)
            where = self._build.shown(outcome.where)
            raise CheckFailed(Feedback(got=reason, expected="handlers that run to the end", place=where))
        return outcome.handlers()
