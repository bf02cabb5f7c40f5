"""The checks of the lesson about syndromes."""

from typing import Final

from arm_hyp.arch.iss_classes import EC
from arm_hyp.course.checks import Judge, Position, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ExceptionReturned, ExceptionTaken

COMPLETED: Final = "an HVC has completed when EL2 hears of it: ELR_EL2 is already behind it"
NOT_EXECUTED: Final = "what was trapped has not executed: the guest's PC is at the instruction; EL2 goes on behind it"
RT: Final = "the syndrome names the register, in ISS<9:5>: the guest may use any"
XZR: Final = "31 is XZR, which is no register of the frame: it reads as 0, and what is written to it is lost"
WORD_BYTES: Final = 8


@check("call", title="the syndrome of the call was foreseen")
def foreseen(judge: Judge) -> None:
    answers = {0x5A00_0005: "a", 0x1600_0005: "b", 0x5A00_0000: "c"}
    judge.expect_answer(answers[judge.run().traps(EC.HVC64)[0].esr or 0])


@check("handle", title="the guest goes on right behind each instruction")
def goes_on_behind(judge: Judge) -> None:
    run = judge.run()
    for label in ("write", "read", "sleep", "call"):
        _returned(run, label, COMPLETED if label == "call" else NOT_EXECUTED)


@check("handle", title="the call gets its number, from the immediate")
def call_gets_its_number(judge: Judge) -> None:
    run, number = judge.run(), judge.seeds["SEED_CALL"]
    after = _returned(run, "call", COMPLETED)
    run.expect_register("X0", number, after, why="the immediate of an HVC is ISS<15:0>; EL2 puts it where X0 is kept")


@check("handle", points=2, title="the guest writes and reads its ACTLR_EL1 with whatever register it likes")
def moves_through_rt(judge: Judge) -> None:
    run, value = judge.run(), judge.seeds["SEED_VALUE"]
    source, target = judge.seeds["SEED_FROM"], judge.seeds["SEED_TO"]
    written = _returned(run, "write", NOT_EXECUTED)
    _expect_virtual(run, value, written, f"MSR moves X{source}; {RT}")
    read = _returned(run, "read", NOT_EXECUTED)
    run.expect_register(f"X{target}", value, read, why=f"MRS moves what was written before to X{target}; {RT}")


@check("handle", points=2, title="Rt = 31 is no register")
def knows_xzr(judge: Judge) -> None:
    run = judge.run()
    _returned(run, "discard", XZR)
    _expect_virtual(run, 0, _returned(run, "zero", XZR), XZR)
    run.expect_register(f"X{judge.seeds['SEED_TO']}", 0, _returned(run, "again", NOT_EXECUTED), why=XZR)
    run.expect_end()


@check("abort", title="the instruction was recognized by its syndrome")
def recognized(judge: Judge) -> None:
    answers = {0x9384_0045: "a", 0x9344_0045: "b", 0x9344_0005: "c", 0x9342_0045: "d"}
    (abort,) = judge.run().traps(EC.DATA_ABORT_LOWER)
    judge.expect_answer(answers[abort.esr or 0])


def _returned(run: JudgedRun, label: str, why: str) -> Position:
    """Expect that the exception at a label leads back right behind its instruction; return the position there."""
    trap = next(iter(run.traps(at=label)), None)
    if trap is None:
        run.fail(f"the guest does not get to `{label}`; the run ends: {run.text}", f"it gets to `{label}`", why)
    back = _return_after(run, trap)
    if back is None:
        got = f"EL2 does not return from `{label}`; the run ends: {run.text}"
        run.fail(got, "it handles the exception, and returns", "which class it is says EC, <31:26>", event=trap)
    got = f"after `{label}` the guest goes on at {back.elr:#x}"
    run.expect(back.elr == trap.pc + 4, got, f"it goes on at {trap.pc + 4:#x}", why, event=back)
    return Position(back.n, back.seq)


def _return_after(run: JudgedRun, trap: ExceptionTaken) -> ExceptionReturned | None:
    after = run.events[run.events.index(trap) + 1 :]
    return next((event for event in after if isinstance(event, ExceptionReturned)), None)


def _expect_virtual(run: JudgedRun, value: int, at: Position, why: str) -> None:
    found = int.from_bytes(run.memory(run.address("virtual_actlr"), WORD_BYTES, at), "little")
    run.expect(found == value, f"virtual_actlr is {found:#x}", f"virtual_actlr is {value:#x}", why, at=at)
