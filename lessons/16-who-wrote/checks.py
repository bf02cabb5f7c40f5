"""The checks of the lesson about write protection and dirty logging."""

from arm_hyp.arch.translation import READ, Translated, walk_stage2
from arm_hyp.course.checks import EC, Judge, Position, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.runner.translation import view_of_cpu

WRITE = 1 << 6  # WnR, of ESR_EL2
WORD = 0x4020_3000  # IPA and PA of the guest's word


def masks(judge: Judge) -> tuple[int, ...]:
    """Return the pages that the guest of dirty.s writes in each round."""
    return judge.seeds["SEED_ONE"] | 1, judge.seeds["SEED_TWO"] | 1, 0


@check("predict", title="how often EL2 is asked was foreseen")
def foreseen(judge: Judge) -> None:
    judge.expect_answer({1: "a", 3: "b", 5: "c"}[len(judge.run().traps(EC.DATA_ABORT_LOWER))])


@check("watch", points=2, title="EL2 hears of the store to the word, and of nothing else")
def hears_the_store(judge: Judge) -> None:
    run = judge.run()
    put = run.address("put")
    for event in run.traps(EC.DATA_ABORT_LOWER):
        is_write = bool((event.esr or 0) & WRITE)
        why = "only writes are asked for: S2AP <7:6> is 0b01 for a page that may be read"
        run.expect(is_write, "EL2 is asked for a load", "the guest reads without a trap", why, event=event)
        why = "the word at 0x40203000 is in page 3: (0x40203000 - 0x40200000) / 4096"
        run.expect(event.pc == put, "EL2 is asked for another store", "the store to the word", why, event=event)
    why = "without the right to write in the descriptor of its page nobody at EL2 hears of a store"
    run.expect_trap(EC.DATA_ABORT_LOWER, "put", count=1, why=why)


@check("watch", title="the guest notices nothing of it")
def notices_nothing(judge: Judge) -> None:
    run = judge.run()
    run.expect_trap(EC.DATA_ABORT_LOWER, why="no page is protected")
    why = "the descriptor must lead where it led before, and the store is done when EL2 has given the right"
    run.expect("another kind" not in run.console(), "EL2 meets a fault that is none of permission", "no other", why)
    trap = run.traps(EC.DATA_ABORT_LOWER)[0]
    run.timeline.seek(Position(trap.n, trap.seq))
    view = view_of_cpu(run.timeline.runner, 0)
    found = walk_stage2(WORD, READ, view.registers, view.read64).result
    if isinstance(found, Translated):
        run.expect(found.pa == WORD, f"until then IPA {WORD:#x} is PA {found.pa:#x}", "the same PA", why, event=trap)
    run.expect("my word has changed" in run.console(), "the store did not arrive", "the guest finds 256", why)
    run.expect_end()


@check("handler", title="each store arrives")
def stores_arrive(judge: Judge) -> None:
    run = judge.run()
    run.expect_trap(EC.DATA_ABORT_LOWER, "put", why="nothing is protected, so nothing is heard of")
    lost = "lost" in run.console()
    why = "the store has not executed: give it the right, and let it run again, as the guest believes that it is done"
    event = run.traps(EC.DATA_ABORT_LOWER, "put")[0] if lost else None
    got = "the guest does not find what it has stored, and says so: a store was lost"
    run.expect(not lost, got, "each store arrives", why, event=event)
    run.expect_end()


def expect_log(run: JudgedRun, wanted: tuple[int, ...]) -> None:
    """Expect the answers to TAKE, as the guest has printed them. Raises: CheckFailed."""
    calls, answers = run.traps(EC.HVC64, "take"), run.console().split()
    run.expect(len(calls) == len(wanted), f"the guest asked {len(calls)} times", f"{len(wanted)} times")
    for number, (call, answer, mask) in enumerate(zip(calls, answers, wanted, strict=True), 1):
        result = int(answer, 16)
        missing, extra = mask & ~result, result & ~mask
        why = "a page that is given back with others is written unseen; and whoever takes the log protects all anew"
        got = f"round {number}: {page(missing)} was written, and the log has not noted it"
        run.expect(not missing, got, "all pages that were written", why, event=call)
        got = f"round {number}: the guest is told of {page(extra)}, and nobody has written there"
        run.expect(
            not extra, got, "no others", "the log begins anew when it is taken, and loads do not count", event=call
        )


def page(mask: int) -> str:
    """Say which page is the first of a mask."""
    return f"page {(mask & -mask).bit_length() - 1}"


@check("handler", points=2, title="the log has the pages that were written, and no others")
def log_is_right(judge: Judge) -> None:
    run = judge.run()
    stores_arrive(judge)
    expect_log(run, masks(judge))


@check("handler", points=2, title="it costs one exception for each page and round")
def costs_one_each(judge: Judge) -> None:
    run = judge.run()
    wanted = sum(mask.bit_count() for mask in masks(judge))
    why = "the first store to a page is told, and the others run at full speed until the log is taken"
    run.expect_trap(EC.DATA_ABORT_LOWER, "put", count=wanted, why=why)
    run.expect_no_trap(
        EC.DATA_ABORT_LOWER, "look", why="whoever reads leaves nothing behind: S2AP keeps the right to read"
    )
