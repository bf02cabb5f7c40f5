"""The checks of the lesson about hypercalls."""

from typing import Final

from arm_hyp.course.checks import EC, Judge, Position, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ExceptionReturned, FirmwareCall

MASK_32: Final = (1 << 32) - 1
MASK_64: Final = (1 << 64) - 1
CONDUITS: Final = {"hvc": EC.HVC64, "smc": EC.SMC64}
W_ONLY: Final = "bit <30> of 0x86000100 is clear: numbers are in W registers, and what X has above them means nothing"
ANSWERED: Final = "a call is answered in X0, and the guest goes on behind it, whatever the answer is"
STEP_OVER: Final = "a trapped SMC has not executed: ELR_EL2 is at the SMC itself, and whoever answers it steps over it"
NOT_SUPPORTED: Final = "guests find out what there is by asking: -1 is the answer to what there is not"


@check("off", title="what becomes of the SMC was foreseen")
def foreseen(judge: Judge) -> None:
    run = judge.run()
    firmware = any(call.el == 1 for call in run.of_type(FirmwareCall))
    judge.expect_answer("a" if run.traps(EC.SMC64, "switch_off") else "b" if firmware else "c")


@check("trap", points=2, title="the SMC is taken to EL2, and the firmware does not hear of it")
def trapped(judge: Judge) -> None:
    run = judge.run()
    asked = next((call for call in run.of_type(FirmwareCall) if call.el == 1), None)
    if asked is not None:
        why = "an SMC of EL1 passes EL2 by unless HCR_EL2.TSC is set"
        run.fail(f"the firmware answers the guest: {asked.name}", "an exception to EL2", why, event=asked)
    run.expect_trap(EC.SMC64, "switch_off", count=1)
    run.expect_console("EL2: one guest less\n")


@check("calls", points=2, title="MAX32 takes W registers, by HVC and by SMC")
def larger_32(judge: Judge) -> None:
    run, a, b = judge.run(), judge.seeds["SEED_A"], judge.seeds["SEED_B"]
    for conduit, ec in CONDUITS.items():
        at = _answered(run, f"max32_by_{conduit}", ec)
        found = run.register("X0", at) & MASK_32
        got = f"W0 is {found:#x} after `max32_by_{conduit}`"
        run.expect(found == b, got, f"it is {b:#x}, the larger one of {a:#x} and {b:#x}", W_ONLY, at=at)


@check("calls", points=1, title="MAX64 takes X registers, by HVC and by SMC")
def larger_64(judge: Judge) -> None:
    run, a, b = judge.run(), judge.seeds["SEED_A"], judge.seeds["SEED_B"]
    expected = b << 32 | a
    for conduit, ec in CONDUITS.items():
        at = _answered(run, f"max64_by_{conduit}", ec)
        run.expect_register("X0", expected, at, why="bit <30> of 0xc6000101 is set: numbers are in X registers")


@check("calls", points=2, title="what nobody knows is NOT_SUPPORTED, and the guest gets to its end")
def knows_its_limits(judge: Judge) -> None:
    run = judge.run()
    for conduit, ec in CONDUITS.items():
        at = _answered(run, f"unknown_by_{conduit}", ec)
        run.expect_register("X0", MASK_64, at, why=NOT_SUPPORTED)
    run.expect_end(why="SYSTEM_OFF is a call too, but none of yours: next(vcpu, exit) answers it")


def _answered(run: JudgedRun, label: str, ec: EC) -> Position:
    """Expect a call at a label, which leads back right behind it; return the position there."""
    call = run.expect_trap(ec, label, why=ANSWERED)[0]
    after = run.events[run.events.index(call) + 1 :]
    back = next((event for event in after if isinstance(event, ExceptionReturned)), None)
    if back is None:
        run.fail(f"the guest does not go on after `{label}`: {run.text}", "an answer in X0", event=call)
    got, behind = f"after `{label}` the guest goes on at {back.elr:#x}", call.pc + 4
    why = STEP_OVER if ec is EC.SMC64 else ANSWERED
    run.expect(back.elr == behind, got, f"it goes on at {behind:#x}, behind the call", why, event=back)
    return Position(back.n, back.seq)
