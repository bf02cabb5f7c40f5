"""The checks of the lesson about a hypervisor of one's own."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from arm_hyp.course.checks import EC, Judge, Position, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ExceptionReturned, ExceptionTaken
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.registers import read_registers

DONE = 2
MOST = 24
"""So many exits are looked at: the guests do the same over and over."""
KEPT = (*(f"X{number}" for number in range(31)), "SP_EL1", "VBAR_EL1", "ELR_EL1", "SPSR_EL1")

SAVE = "the CPU has one set of registers: what the guest has at `exit` must be written down before anybody uses them"
SWITCH = "this register is the CPU's, and not the VM's: keep it in the context with the others, each VM has its own"
PLACE = "an HVC has completed, and ELR_EL2 is behind it; a trapped WFI has not, and ELR_EL2 is at it: add 4"
STATE = "SPSR_EL2 has the guest's flags, and the level that ERET goes to: it is kept as ELR_EL2 is"
LEFT = "the machine is switched off when the last guest is done, and this one is not: it has not called HVC #2"
CALL = "an ERET goes where ELR_EL2 says, to the level that SPSR_EL2.M says"


class Visit(NamedTuple):
    """What EL2 did for a guest once: it was left, and entered again later; `back` is None if it never was."""

    guest: str
    left: ExceptionTaken
    back: ExceptionReturned | None

    @property
    def is_done(self) -> bool:
        """Tell whether the guest said that it is done."""
        return self.left.ec == EC.HVC64 and (self.left.esr or 0) & 0xFFFF == DONE


def guest_of(run: JudgedRun, pc: int) -> str:
    """Return whose instruction is at an address."""
    starts = [(at, name) for name in ("alpha", "beta") if (at := run.symbols.address_of(name)) is not None]
    return max(((at, name) for at, name in starts if at <= pc), default=(0, "nobody"))[1]


def entries(run: JudgedRun) -> list[ExceptionReturned]:
    """Return the returns from EL2 into guests."""
    return [event for event in run.of_type(ExceptionReturned) if event.from_el == 2]


def visits(run: JudgedRun) -> Iterator[Visit]:
    """Give the exits of each guest with the entry behind each."""
    backs = entries(run)
    for left in run.traps()[:MOST]:
        if left.from_el == 1:
            guest = guest_of(run, left.pc)
            later = (back for back in backs if (back.n, back.seq) > (left.n, left.seq))
            yield Visit(guest, left, next((back for back in later if guest_of(run, back.elr) == guest), None))


def registers(run: JudgedRun, event: ExceptionTaken | ExceptionReturned) -> Mapping[str, int]:
    """Return what a VM must keep, as it is at an event."""
    run.timeline.seek(Position(event.n, event.seq))
    groups = read_registers(run.timeline.runner, ask.Registers(ask.CPU0, ("general", "el1"))).groups
    found = {name: value for group in groups for name, value in group.values.items() if isinstance(value, int)}
    return {name: found[name] for name in KEPT}


def expect_kept(run: JudgedRun, visit: Visit) -> None:
    """Expect that a guest finds what it had. Raises: CheckFailed at its entry."""
    back, left = visit.back, visit.left
    if back is None:
        told = f"{visit.guest} is left by this instruction, and never entered again; the run ends: {run.text}"
        run.fail(told, "it goes on when its turn comes", LEFT, event=left)
    going_on = left.elr + (4 if left.ec == EC.WFX else 0)
    got = f"{visit.guest} goes on at {back.elr:#x}"
    run.expect(back.elr == going_on, got, f"it goes on at {going_on:#x}, behind its instruction", PLACE, event=back)
    before, after = registers(run, left), registers(run, back)
    for name in KEPT:
        got = f"{visit.guest}'s {name} was {before[name]:#x} when it was left, and is {after[name]:#x} when it goes on"
        why = SAVE if name.startswith("X") else SWITCH
        run.expect(before[name] == after[name], got, "nothing of the guest's has changed", why, event=back)
    got = f"{visit.guest}'s PSTATE was {left.spsr:#x} when it was left, and is {back.spsr:#x} when it goes on"
    run.expect(back.spsr == left.spsr, got, "nothing of the guest's has changed", STATE, event=back)


def expect_entered(run: JudgedRun) -> None:
    """Expect that the first guest is entered as it should be. Raises: CheckFailed."""
    first = next(iter(entries(run)), None)
    if first is None:
        run.fail(f"EL2 executes no ERET; the run ends: {run.text}", "an ERET into alpha", CALL)
    alpha = run.address("alpha")
    if first.illegal:
        run.fail(f"the return is illegal: {first.illegal}", "an ERET to EL1", CALL, event=first)
    got = f"with ELR_EL2 = {first.elr:#x} and SPSR_EL2 = {first.spsr:#x} the ERET goes to EL{first.to_el}"
    wanted = f"it goes to `alpha`, {alpha:#x}, with 0x3c5: EL1h, all interrupts masked"
    run.expect(first.elr == alpha and first.spsr == 0x3C5, got, wanted, CALL, event=first)


@check("stranger", title="what the second guest finds was foreseen")
def foreseen(judge: Judge) -> None:
    judge.expect_answer({0: "a", 111: "b", 222: "c"}[judge.run().register("X20")])


@check("one", title="the guest is entered at `alpha`, at EL1")
def enters(judge: Judge) -> None:
    expect_entered(judge.run())


@check("one", points=2, title="behind each call the guest finds all that it had")
def keeps(judge: Judge) -> None:
    run = judge.run()
    run.expect_trap(EC.HVC64, "alpha_calls")
    for visit in visits(run):
        if not visit.is_done:
            expect_kept(run, visit)


@check("one", title="what the guest says is printed, and then the machine is switched off")
def answers(judge: Judge) -> None:
    run, rounds = judge.run(), judge.seeds["SEED_ROUNDS"]
    text = "".join(str(number) for number in range(rounds, 0, -1)) + "\n"
    run.expect_console(text, why="HVC #1 prints the character that the guest has in W0: at EL2 it is in the context")
    run.expect_end(why="HVC #2 is the guest's last one")


@check("two", title="each WFI is taken to EL2, and the other guest goes on")
def gives_turns(judge: Judge) -> None:
    run = judge.run()
    expect_entered(run)
    why = "HCR_EL2.TWI <13> is what takes a WFI to EL2; else the CPU sleeps, and all guests with it"
    for wfi in run.expect_trap(EC.WFX, why=why)[:MOST]:
        if any(visit.is_done for visit in visits_before(run, wfi)):
            break
        after = next((back for back in entries(run) if (back.n, back.seq) > (wfi.n, wfi.seq)), None)
        if after is None:
            run.fail(f"nobody is entered behind this WFI; the run ends: {run.text}", "the other guest", event=wfi)
        who, left = guest_of(run, after.elr), guest_of(run, wfi.pc)
        why = "who waits has nothing to do: CTX_NEXT says whose turn it is, and SP is all that has to change"
        run.expect(who != left, f"{left} waits, and {who} goes on", "the other guest goes on", why, event=wfi)


def visits_before(run: JudgedRun, event: ExceptionTaken) -> list[Visit]:
    """Return the exits before an event."""
    return [Visit(guest_of(run, left.pc), left, None) for left in run.traps(EC.HVC64) if left.n < event.n]


@check("two", points=3, title="each guest comes back to what it had")
def switches(judge: Judge) -> None:
    run = judge.run()
    run.expect_trap(EC.WFX)
    for visit in visits(run):
        if not visit.is_done:
            expect_kept(run, visit)


@check("two", title="both guests get to their ends")
def both_end(judge: Judge) -> None:
    run, alpha, beta = judge.run(), judge.seeds["SEED_ALPHA"], judge.seeds["SEED_BETA"]
    first = [str(number) for number in range(alpha, 0, -1)]
    second = [chr(ord("A") + number) for number in range(beta - 1, -1, -1)]
    both = min(alpha, beta)
    turns = [letter for pair in zip(first, second, strict=False) for letter in pair]
    why = "the guests take turns; when one is done the other one goes on alone, and its turn is always next"
    run.expect_console("".join((*turns, *first[both:], *second[both:])), why=why)
    run.expect_end(why="when the last guest is done, PSCI SYSTEM_OFF: there is nobody to go on with")
