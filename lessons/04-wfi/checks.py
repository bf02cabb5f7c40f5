"""The checks of the lesson about WFI."""

from arm_hyp.course.checks import EC, Judge, check
from arm_hyp.events import Waited
from arm_hyp.kvm_events import VcpuBlocked


@check("predict", title="what happens at the WFI was foreseen")
def foreseen(judge: Judge) -> None:
    run = judge.run(settings=("HCR_EL2.TWI=0",))
    waits = any(run.of_type(Waited))
    trapped = bool(run.traps(EC.WFX, "sleep"))
    judge.expect_answer("b" if waits else "a" if trapped else "c")


@check("bits", points=2, title="the WFI is taken to EL2, and the guest gets to its end")
def taken_to_el2(judge: Judge) -> None:
    run = judge.run()
    run.expect_trap(EC.WFX, "sleep", count=1, why="only a trap tells EL2 that the guest has nothing to do")
    run.expect_end()


@check("handler", points=2, title="the guest ticks and gets to its end")
def ticks(judge: Judge) -> None:
    run, dots = judge.run(), "." * judge.seeds["SEED_ROUNDS"]
    run.expect_end(why="whoever waits for an interrupt needs one that can come: WFE waits for an event, not for that")
    run.expect_console(f"{dots} good morning\n", why="one dot for each time the timer fired")


@check("handler", points=2, title="while the guest sleeps the CPU is free for others")
def gives_the_cpu_away(judge: Judge) -> None:
    run, rounds = judge.run(), judge.seeds["SEED_ROUNDS"]
    why = "whoever steps over a WFI without waiting has a guest that asks again and again, and the CPU is never free"
    run.expect_trap(EC.WFX, "sleep", count=rounds, why=why)
    blocked = len(list(run.of_type(VcpuBlocked)))
    run.expect(blocked == rounds, f"the vCPU waited {blocked} times", f"it waits {rounds} times", why)
