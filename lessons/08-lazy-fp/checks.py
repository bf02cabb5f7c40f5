"""The checks of the lesson about lazy floating point."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from arm_hyp.course.checks import EC, Judge, Position, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ExceptionReturned, ExceptionTaken
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.registers import read_registers

TFP = 1 << 10
KEPT = (*(f"Q{number}" for number in range(32)), "FPCR", "FPSR")
ZERO = dict.fromkeys(KEPT, 0)
MOST = 40
"""So many turns are looked at."""

ITSELF = "CPTR_EL2.TFP traps EL2's own use too: clear it, and an ISB, before you touch a vector register"
OWN = "with TFP clear a guest can read them all: save them for the one that fp_owner names, and load its own, zeros too"
LAZY = "one trap each time that they change hands: none for who never uses them, and none for who still has them"


class Entry(NamedTuple):
    """A guest is entered: what is in the vector registers, whether using them traps, and what it should find there."""

    guest: str
    event: ExceptionReturned
    found: Mapping[str, int]
    wanted: Mapping[str, int]
    is_trapped: bool


def guest_of(run: JudgedRun, pc: int) -> str:
    """Return whose instruction is at an address."""
    starts = [(at, name) for name in ("alpha", "beta", "gamma") if (at := run.address(name)) <= pc]
    return max(starts, default=(0, "nobody"))[1]


def vector_state(run: JudgedRun, event: ExceptionTaken | ExceptionReturned) -> tuple[Mapping[str, int], bool]:
    """Return the vector registers at an event, and whether TFP is set."""
    run.timeline.seek(Position(event.n, event.seq))
    groups = read_registers(run.timeline.runner, ask.Registers(ask.CPU0, ("vector", "el2"))).groups
    values = {
        name: value if isinstance(value, int) else int.from_bytes(value, "little")
        for group in groups
        for name, value in group.values.items()
    }
    return {name: values[name] for name in KEPT}, bool(values["CPTR_EL2"] & TFP)


def entries(run: JudgedRun) -> Iterator[Entry]:
    """Give the entries into guests. What a guest should find is what it had when it was left and could use them."""
    had = dict[str, Mapping[str, int]]()
    user = None
    for event in run.events:
        if isinstance(event, ExceptionReturned) and event.from_el == 2:
            found, is_trapped = vector_state(run, event)
            guest = guest_of(run, event.elr)
            user = None if is_trapped else guest
            yield Entry(guest, event, found, had.get(guest, ZERO), is_trapped)
        elif isinstance(event, ExceptionTaken) and event.to_el == 2 and event.from_el == 1 and user is not None:
            had[user] = vector_state(run, event)[0]


def expect_own(run: JudgedRun, entry: Entry) -> None:
    """Expect that a guest which may use the vector registers finds its own. Raises: CheckFailed at its entry."""
    for name in KEPT:
        found, wanted = entry.found[name], entry.wanted[name]
        got = f"{entry.guest} is entered with TFP clear, and {name} is {found:#x}"
        had = f"{wanted:#x}, as {entry.guest} had it" if entry.wanted is not ZERO else "0: it never had another value"
        run.expect(found == wanted, got, f"{name} is {had}", OWN, event=entry.event)


def expect_not_itself(run: JudgedRun) -> None:
    """Expect that EL2 does not trap itself. Raises: CheckFailed there."""
    for trap in run.traps(EC.FP_ACCESS):
        run.expect(trap.from_el != 2, "EL2 itself is trapped, by its own TFP", "it is not", ITSELF, event=trap)


def handovers(rounds: int, every: int) -> int:
    """Return how often the vector registers change hands: alpha uses them each time, gamma in some rounds."""
    users = [user for n in range(1, rounds + 1) for user in ("alpha", *(("gamma",) if n % every == 0 else ()))]
    return sum(user != before for user, before in zip(users, [None, *users[:-1]], strict=True))


@check("bits", title="the first FMOV is taken to EL2, and the guest gets to its end")
def taken_to_el2(judge: Judge) -> None:
    run = judge.run()
    run.expect_no_trap(EC.SYSREG, why="CPACR_EL1 is the kernel's own business, and no floating point has been used yet")
    run.expect_trap(EC.FP_ACCESS, "first", count=1, why="only this trap tells EL2 that a guest begins to compute")
    run.expect_end()


@check("predict", title="what becomes of the trapped instruction was foreseen")
def foreseen(judge: Judge) -> None:
    run = judge.run()
    judge.expect_answer("c" if run.reason != "guest" else "a" if run.register("X2") == 40 else "b")


@check("lazy", points=3, title="whoever may use the vector registers finds its own in them")
def own(judge: Judge) -> None:
    run = judge.run()
    expect_not_itself(run)
    count = 0
    for entry in entries(run):
        if not entry.is_trapped:
            expect_own(run, entry)
            count += 1
        if count == MOST:
            break
    got = f"every guest is entered with TFP set; the run ends: {run.text}"
    run.expect(count > 0, got, "who asks for the registers gets them", "the instruction runs again, and traps again")


@check("lazy", points=2, title="they are moved only when somebody else uses them")
def lazy(judge: Judge) -> None:
    run = judge.run()
    expect_not_itself(run)
    wanted = handovers(judge.seeds["SEED_ROUNDS"], judge.seeds["SEED_EVERY"])
    run.expect_trap(EC.FP_ACCESS, count=wanted, why=LAZY)


@check("lazy", title="all guests have their turns, and none misses a value")
def all_end(judge: Judge) -> None:
    run = judge.run()
    run.expect_console("all had their turns\n", why="each guest compares what it finds with what it left")
    run.expect_end()
