"""The checks of the lesson about the exception levels."""

from arm_hyp.course.checks import EC, Judge, check
from arm_hyp.events import ExceptionReturned

STACK_OF_ITS_OWN = "M<0> chooses the stack pointer: 0 is SP_EL0, which nobody has set here, and 1 is the level's own"
ILLEGAL = "not every value of M names a level below; after any other the CPU stays where it is, in the Illegal state"
MASKS = "nobody but you writes SPSR_EL1: 0x3c0 above M keeps all interrupts away, as the text says"
WHO_DECIDES = "where an ERET goes is in ELR, and the level that it goes to is in SPSR.M"


@check("first", title="the three levels were foreseen")
def foreseen(judge: Judge) -> None:
    answers = {"EL2\nEL1\nEL2\n": "a", "EL0\nEL1\nEL2\n": "b", "EL2\nEL1\nEL0\n": "c"}
    judge.expect_answer(answers[judge.run().console()])


@check("landing", points=2, title="the ERET leads to the kernel at EL1, with the kernel's own stack pointer")
def lands_at_el1(judge: Judge) -> None:
    run = judge.run()
    back = next(run.of_type(ExceptionReturned))
    if back.illegal:
        run.fail(f"the return is illegal: {back.illegal}", "an ERET to EL1", ILLEGAL, event=back)
    where = f"SPSR_EL2.M is {back.spsr & 0xF:#06b}, so the ERET goes to EL{back.to_el}"
    run.expect(back.to_el == 1, where, "an ERET to EL1", WHO_DECIDES, event=back)
    run.expect(bool(back.spsr & 1), where + ", with SP_EL0", "the stack pointer of EL1", STACK_OF_ITS_OWN, event=back)
    run.expect_console("the kernel runs at EL1\n")


@check("kernel", points=1, title="the kernel enters the application at EL0")
def enters_the_application(judge: Judge) -> None:
    run = judge.run()
    down = next((event for event in run.of_type(ExceptionReturned) if event.from_el == 1), None)
    if down is None:
        run.fail(f"the kernel executes no ERET; the run ends: {run.text}", "an ERET from EL1 to EL0", WHO_DECIDES)
    app = run.address("app")
    got = f"with SPSR_EL1 = {down.spsr:#x} and ELR_EL1 = {down.elr:#x} the ERET goes to EL{down.to_el}"
    run.expect(down.to_el == 0 and down.elr == app, got, f"it goes to `app`, {app:#x}, at EL0", WHO_DECIDES, event=down)
    run.expect(down.spsr & 0x3C0 == 0x3C0, f"SPSR_EL1 is {down.spsr:#x}", "it is 0x3c0", MASKS, event=down)


@check("kernel", points=2, title="each question of the application is taken up to the hypervisor")
def asks_the_hypervisor(judge: Judge) -> None:
    run, questions = judge.run(), judge.seeds["SEED_ROUNDS"] + 1
    why = "EL0 can only reach EL1, by SVC; what EL1 does not know it asks EL2, by HVC"
    svcs = run.expect_trap(EC.SVC64, to_el=1, why=why)
    hvcs = run.expect_trap(EC.HVC64, why=why)
    for svc, after in zip(svcs, [*svcs[1:], None], strict=True):
        end = run.end.n if after is None else after.n
        asked = [hvc for hvc in hvcs if svc.n <= hvc.n <= end]
        run.expect(len(asked) == 1, f"{len(asked)} HVCs follow this SVC", "one HVC for each SVC", why, event=svc)
    run.expect(len(svcs) == questions, f"there are {len(svcs)} SVCs", f"there are {questions}", why)


@check("kernel", points=1, title="the application gets its answers, and goes on right behind each SVC")
def answers(judge: Judge) -> None:
    run, rounds, more = judge.run(), judge.seeds["SEED_ROUNDS"], judge.seeds["SEED_MORE"]
    starts = {svc.pc + 4 for svc in run.traps(EC.SVC64, to_el=1)}
    for down in run.of_type(ExceptionReturned):
        if down.to_el == 0 and down.elr not in starts | {run.address("app")}:
            got = f"the kernel returns to {down.elr:#x}"
            why = "an SVC has completed when the kernel hears of it: ELR_EL1 is already behind it"
            run.fail(got, "it returns right behind the SVC", why, event=down)
    stars = "".join("*" * (number + more) + "\n" for number in range(1, rounds + 1))
    run.expect_console(stars, why=f"this hypervisor gives {more} more stars than the number that X0 brings it")


@check("shortcut", title="what becomes of the HVC at EL0 was foreseen")
def no_shortcut(judge: Judge) -> None:
    taken = judge.run().traps(at="shortcut", to_el=None)
    judge.expect_answer({1: "b", 2: "a"}[taken[0].to_el] if taken else "c")
