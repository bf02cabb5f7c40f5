"""The checks of the lesson about emulating a device."""

from arm_hyp.course.checks import EC, Judge, Position, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ExceptionReturned, ExceptionTaken

ISV = 1 << 24
ID = 0x4845_4154
WIDE = "exit.rt is the register, and a load of W clears the upper half of X"
SIZE = "the lowest bytes of the register, as many as ISS.SAS <23:22> says: exit.size_bytes"
SIGNED = "ISS.SSE <21> asks to extend the sign, ISS.SF <15> says to 64 bits or to 32: then the upper half is 0"


def abort(run: JudgedRun, place: str) -> tuple[ExceptionTaken, ExceptionReturned]:
    """Return the abort of an instruction, and the return to the guest behind it. Raises: CheckFailed."""
    taken = run.expect_trap(EC.DATA_ABORT_LOWER, place, count=1, why="each access is one abort, and is then done")[0]
    later = (event for event in run.of_type(ExceptionReturned) if (event.n, event.seq) > (taken.n, taken.seq))
    returned = next((event for event in later if event.to_el == 1), None)
    if returned is None:
        run.fail(f"EL2 never returns; the run ends: {run.text}", "it returns behind the instruction", event=taken)
    return taken, returned


def at_return(run: JudgedRun, place: str, register: str) -> int:
    """Return a register as it is when the guest goes on behind an abort. Raises: CheckFailed."""
    _, returned = abort(run, place)
    return run.register(register, Position(returned.n, returned.seq), vcpu=0)


def loaded(run: JudgedRun, place: str, register: str, value: int, why: str) -> None:
    """Expect what a load brings, when the guest goes on. Raises: CheckFailed."""
    taken, found = abort(run, place)[0], at_return(run, place, register)
    run.expect(found == value, f"{register} is {found:#x}", f"{register} is {value:#x}", why, event=taken)


def signed(value: int, bits: int) -> int:
    """Return a negative number as a register of so many bits has it."""
    return value & (1 << bits) - 1


@check("predict", title="the load that the syndrome does not describe was foreseen")
def foreseen(judge: Judge) -> None:
    run = judge.run()
    judge.expect_answer(next(form for form in "abc" if not (abort(run, f"form_{form}")[0].esr or 0) & ISV))


@check("device", points=2, title="what is loaded is in the register, as wide as the instruction says")
def loads(judge: Judge) -> None:
    run, cold = judge.run(), -judge.seeds["SEED_COLD"]
    loaded(run, "load_id", "X6", ID, WIDE)
    loaded(run, "load_plain", "X9", signed(cold, 16), "an LDRH loads two bytes; all else of the register becomes 0")


@check("device", points=1, title="what is loaded signed keeps its sign")
def signs(judge: Judge) -> None:
    run, cold = judge.run(), -judge.seeds["SEED_COLD"]
    loaded(run, "load_signed", "X7", signed(cold, 32), SIGNED)
    loaded(run, "load_signed_64", "X8", signed(cold, 64), SIGNED)
    byte = signed(cold, 8)
    why = "an LDRSB loads one byte, and its sign is bit 7"
    loaded(run, "load_low_byte", "X11", signed(byte - 0x100 if byte > 0x7F else byte, 64), why)


@check("device", points=2, title="what is stored gets to the device, and no more than that")
def stores(judge: Judge) -> None:
    run, first, second = judge.run(), judge.seeds["SEED_FIRST"], judge.seeds["SEED_SECOND"]
    why = f"a store gives only {SIZE}; register 31 is XZR, and reads as 0"
    expected = (("word", "X10", first), ("byte", "X12", first + second), ("zero", "X13", first + second))
    abort(run, "store_target")
    for name, register, value in expected:
        stored, _ = abort(run, f"store_{name}")
        found = at_return(run, f"after_{name}", register)
        run.expect(found == value, f"USED is {found:#x} behind it", f"USED is {value:#x}", why, event=stored)


@check("device", points=1, title="each instruction is done once, and all else goes on as before")
def goes_on(judge: Judge) -> None:
    run = judge.run()
    loaded(run, "load_id", "X6", ID, WIDE)
    why = "only the heating is yours: for all other addresses call next, the library's hypervisor knows what is there"
    run.expect_console("it is warm\n", why=why)
    run.expect_end()
    taken, returned = abort(run, "load_id")
    why = "the load is done by you, so the guest goes on behind it"
    got = f"EL2 returns to {returned.elr:#x}"
    run.expect(returned.elr == taken.elr + 4, got, f"it returns to {taken.elr + 4:#x}", why, event=taken)
