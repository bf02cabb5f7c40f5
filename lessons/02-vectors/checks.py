"""The checks of the lesson about the vector table."""

from itertools import pairwise
from typing import NamedTuple

from arm_hyp.course.checks import Judge, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ConsoleOutput, ExceptionTaken

TABLE_BYTES = 0x800
WHO = "the kind and the origin of an exception choose the entry: four kinds, from four origins, 128 bytes each"


class Entry(NamedTuple):
    """One entry that is needed: what comes there, its handler, and what that prints."""

    what: str
    handler: str
    letter: str


ENTRIES = {
    0x000: Entry("synchronous, from EL2 with SP_EL0", "on_own0", "o"),
    0x200: Entry("synchronous, from EL2 with SP_EL2", "on_own", "O"),
    0x280: Entry("IRQ, from EL2 with SP_EL2", "on_irq", "i"),
    0x400: Entry("synchronous, from EL1", "on_call", "c"),
    0x480: Entry("IRQ, from EL1", "on_irq", "i"),
}


@check("where", title="the place where the CPU goes on was foreseen")
def foreseen(judge: Judge) -> None:
    answers = {"+0x000": "a", "+0x200": "b", "+0x400": "c"}
    judge.expect_answer(answers[judge.run().console().strip()])


@check("table", title="the table begins where a table can begin")
def is_aligned(judge: Judge) -> None:
    run = judge.run()
    base = run.address("el2_vectors")
    why = "VBAR_EL2<10:0> are taken as 0: the CPU would look for its entries before your table"
    got = f"el2_vectors is {base:#x}, which is not a multiple of 2048"
    run.expect(base % TABLE_BYTES == 0, got, ".balign 2048 before it", why, event=next(iter(run.traps()), None))


@check("table", points=2, title="what EL2 does itself comes to the right handlers")
def own_exceptions(judge: Judge) -> None:
    is_aligned(judge)
    _expect_handlers(judge.run(), from_el=2)


@check("table", points=2, title="what comes from the guest comes to the right handlers, and the guest gets to its end")
def exceptions_of_the_guest(judge: Judge) -> None:
    is_aligned(judge)
    run = judge.run()
    _expect_handlers(run, from_el=1)
    run.expect_end()


def _expect_handlers(run: JudgedRun, from_el: int) -> None:
    """Expect that each exception from a level is followed by what its handler prints."""
    told = [event for event in run.events if isinstance(event, ExceptionTaken | ConsoleOutput)]
    found = 0
    for event, after in pairwise([*told, None]):
        if isinstance(event, ExceptionTaken) and event.to_el == 2 and event.from_el == from_el:
            _expect_handler(run, event, after)
            found += 1
    run.expect(found > 0, f"nothing comes from EL{from_el}; the run ends: {run.text}", "the guest gets there", WHO)


def _expect_handler(run: JudgedRun, event: ExceptionTaken, after: ExceptionTaken | ConsoleOutput | None) -> None:
    offset = event.vector % TABLE_BYTES
    entry = ENTRIES.get(offset)
    if entry is None:
        got = f"an exception that the program does not make comes to the entry at +{offset:#05x}"
        run.fail(got, "the five exceptions of five.s", WHO, event=event)
    done = f'"{after.text}" is printed' if isinstance(after, ConsoleOutput) else "its handler is not reached"
    run.expect(
        isinstance(after, ConsoleOutput) and after.text == entry.letter,
        f"{entry.what}: the CPU goes on at the entry at +{offset:#05x}, and then {done}",
        f'that entry leads to `{entry.handler}`, which prints "{entry.letter}"',
        WHO,
        event=event,
    )
