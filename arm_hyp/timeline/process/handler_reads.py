"""What a user's handler did at an exit: its lines, variables and prints, and the text of its file as it was then.

Read `hypervisor/student/effects.py` before this file, `timeline/process/journal_reads.py` beside it. All of it is in
the log of the branch's effects, so nothing is repeated for it, and nobody's code runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arm_hyp.hypervisor.student.effects import Call, Effect, EffectLog, answer_of
from arm_hyp.hypervisor.student.failures import shortly
from arm_hyp.hypervisor.student.telling import actions_in_words, source_of
from arm_hyp.hypervisor.student.wire import Malformed
from arm_hyp.timeline.journal import Entry
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.exit_answers import CodeLine, HandlerAnswer, HandlerRun, PrintedLine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arm_hyp.hypervisor.student.registry import Handlers
    from arm_hyp.timeline.process import messages as ask
    from arm_hyp.timeline.recordings.replay import Replay
    from arm_hyp.timeline.timeline import Timeline


def recorded_texts(replay: Replay) -> dict[str, str]:
    """Return the texts of a user's files that are in a recording, by name."""
    recording = replay.recording
    people = {file.name: number for number, file in enumerate(recording.run.files) if not file.is_needed}
    contents = recording.contents
    return {
        name: contents[number].unpack().decode("utf-8", "replace")
        for name, number in people.items()
        if number in contents
    }


def read_handler(timeline: Timeline, asked: ask.HandlerAt, texts: Mapping[str, str]) -> HandlerAnswer:
    """Return what the user's handlers did at the last exit up to a position. `texts` are those of a recording."""
    index = _last_exit(timeline, asked.position)
    if index is None:
        return HandlerAnswer(None)
    position, log = timeline.journal[index].position, timeline.history.effects
    vm, vcpu = timeline.history.turns[index].lane.who or (None, None)
    code, effect = timeline.handlers_at(position), None if log is None else _effect_of(timeline, index, log)
    if code is None or effect is None:
        return HandlerAnswer(position, vm, vcpu)
    is_first = timeline.history.handlers_at(position) is None
    return HandlerAnswer(
        position,
        vm,
        vcpu,
        tuple(_run(call, code.handlers) for call in effect.calls),
        tuple(PrintedLine(*line) for line in effect.output),
        effect.problem,
        code.handlers.texts or (dict(texts) if is_first else {}),
    )


def _last_exit(timeline: Timeline, position: Position) -> int | None:
    """Return the index of the last exception to the Python at EL2 at a position or before it."""
    if timeline.runner.hypervisor is None:
        return None
    journal, turns = timeline.journal, timeline.history.turns
    for index in range(journal.index_at(Position(position.n, position.seq + 1)) - 1, -1, -1):
        if turns[index].lane.el == 2 and journal[index].what == "taken":
            return index
    return None


def _effect_of(timeline: Timeline, index: int, log: EffectLog) -> Effect | None:
    """Return what the user's handlers did at an exit; None if it did not reach them.

    A handler may let the guest do the same again and again: the first such exit has the first such effect.
    """
    journal, turns = timeline.journal, timeline.history.turns

    def exit_at(number: int) -> tuple[object, ...]:
        entry: Entry = journal[number]
        return entry.what, entry.position.n, entry.elr, entry.esr, turns[number].lane.who

    wanted = exit_at(index)
    n = journal[index].position.n
    number = sum(exit_at(each) == wanted for each in range(journal.index_at(Position(n)), index))
    same = [one for one in _effects_at(log, n) if ("taken", one.n, one.pc, one.esr, (one.vm, one.vcpu)) == wanted]
    return same[number] if number < len(same) else None


def _effects_at(log: EffectLog, n: int) -> list[Effect]:
    """Return the effects after so many instructions."""
    low, high = 0, len(log)
    while low < high:
        middle = (low + high) // 2
        effect = log.get(middle)
        low, high = (middle + 1, high) if effect is None or effect.n < n else (low, middle)
    found: list[Effect] = []
    while (effect := log.get(low)) is not None and effect.n == n:
        found.append(effect)
        low += 1
    return found


def _run(call: Call, handlers: Handlers) -> HandlerRun:
    source, failing = source_of(call, handlers), call.failing
    lines = tuple(CodeLine(file, line) for file, ran in call.lines.items() for line in ran)
    own = [] if source is None else call.lines.get(source.file, [])
    last = CodeLine(source.file, own[-1]) if source is not None and own else None
    if failing is not None and failing.line:
        last = CodeLine(failing.file, failing.line)
    return HandlerRun(
        handler=call.handler,
        file="" if source is None else source.file,
        line=0 if source is None else source.line,
        function="" if source is None else source.function,
        ran=lines,
        last=last,
        locals=call.locals,
        actions=tuple(actions_in_words([call])),
        answer=_answer(call),
        failure="" if failing is None else failing.problem,
    )


def _answer(call: Call) -> str:
    if call.refused is not None:
        return f"BusError: {call.refused}"
    try:
        answer = answer_of(call.answer)
    except Malformed:
        return "?"
    return "" if answer is None else shortly(answer)
