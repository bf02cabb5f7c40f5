"""The checks of the lesson about break before make."""

from arm_hyp.course.checks import EC, Judge, Position, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import Barrier, ConsoleOutput, Event, Maintenance
from arm_hyp.explain.checkers.again import findings_of
from arm_hyp.runner.messages import Run
from arm_hyp.runner.runner import Runner

ABOUT_TLBS = ("HYP012", "HYP013", "HYP014")
STALE = "?"  # what is at the old place, once somebody else has it
FOR_STORES = ("dsb ishst", "dsb nshst", "dsb oshst", "dsb st", "dsb ish", "dsb nsh", "dsb osh", "dsb sy")


class DsbSink:
    """Keeps the barriers. They are told only to those who ask."""

    interests = frozenset({Barrier})

    def __init__(self) -> None:
        self.found: list[Barrier] = []

    def emit(self, event: Event) -> None:
        """Keep a DSB that orders stores."""
        if isinstance(event, Barrier) and event.instruction.lower() in FOR_STORES:
            self.found.append(event)


def is_broken(run: JudgedRun, event: Event) -> bool:
    """Tell whether the page's descriptor is invalid where an event happened."""
    word = run.memory(run.address("level3"), 8, Position(event.n, event.seq))
    return not word[0] & 1


def invalidations(judge: Judge) -> list[Maintenance]:
    """Return the TLBIs of the student's, in order."""
    run = judge.run()
    first = run.traps(EC.HVC64, to_el=2)
    return [event for event in run.of_type(Maintenance) if first and event.n >= first[0].n]


@check("predict", title="what the guest loads after the move was foreseen")
def foreseen(judge: Judge) -> None:
    run = judge.run()
    loaded = run.console().split(".")[-1][:1]
    judge.expect_answer("c" if run.traps(EC.DATA_ABORT_LOWER) else "b" if loaded == STALE else "a")


@check("page", points=2, title="the guest finds its letter after the move, and writes to the new place")
def finds_its_letter(judge: Judge) -> None:
    run, letter = judge.run(), chr(judge.seeds["SEED_LETTER"])
    for event in run.traps(EC.DATA_ABORT_LOWER):
        why = "after the make there is a valid descriptor again, and the guest must not notice that there was none"
        run.fail("the guest has lost its page", "the page is there again", why, event=event)
    why = "? is at the old place, which is somebody else's now: only a TLB entry that should be gone leads there"
    run.expect_console(f"{letter}.{letter}{letter.lower()}\n", why=why)
    run.expect_end()


@check("page", title="no TLB can hold two ways to the page")
def never_two_ways(judge: Judge) -> None:
    finds_its_letter(judge)
    run = judge.run()
    for found in findings_of(run.timeline.configuration, judge.task.limit, ABOUT_TLBS):
        why = "break, DSB, TLBI, DSB, and only then make: the old way is gone from everywhere when the new one comes"
        run.fail(f"{found.code}: {found.text}", "the old way is gone first", why, at=Position(found.n, found.seq))


@check("page", title="while the page is copied nobody can write to it")
def copies_in_peace(judge: Judge) -> None:
    run = judge.run()
    dot = next((event for event in run.of_type(ConsoleOutput) if event.text == "."), None)
    if dot is None:
        run.fail("the page is never copied", "copy_page prints a dot", "the guest wants its data at the new place")
    why = "another CPU of the guest could still store to the old place, behind the copy: that store would be lost"
    run.expect(is_broken(run, dot), "the descriptor is valid when the copy begins", "it is invalid", why, event=dot)
    gone = [event for event in invalidations(judge) if event.n < dot.n and is_broken(run, event)]
    got = "the descriptor is invalid when the copy begins, but a TLB may still have it"
    run.expect(bool(gone), got, "a TLBI between the break and the copy", why, event=dot)


@check("page", title="the walkers see the break before the TLBI")
def walkers_see_it(judge: Judge) -> None:
    run, sink = judge.run(), DsbSink()
    found = invalidations(judge)
    run.expect(bool(found), "there is no TLBI", "one behind the break", "a TLB keeps what it has until it is told")
    why = "a walk that does not see the store yet puts the old descriptor back into the TLB, behind the TLBI"
    Runner(run.timeline.configuration, sink).send(Run(judge.task.limit))
    before = [dsb for dsb in sink.found if dsb.n < found[0].n and is_broken(run, dsb)]
    run.expect(bool(before), "no DSB between the break and the TLBI", "DSB ISHST, or more", why, event=found[0])
