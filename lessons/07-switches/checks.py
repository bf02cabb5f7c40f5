"""The checks of the lesson about the MMU's switches."""

from arm_hyp.course.checks import EC, Judge, check

OFTEN = 3
BEFORE = ("types", "format", "tables", "name", "mmu", "unname", "caches")


@check("predict", title="what a handler that does not skip leads to was foreseen")
def foreseen(judge: Judge) -> None:
    run = judge.run()
    judge.expect_answer("b" if len(run.traps(EC.SYSREG, "write")) > OFTEN else "c" if run.traps(to_el=1) else "a")


@check("bits", title="each write of the MMU's registers is taken to EL2")
def writes(judge: Judge) -> None:
    run = judge.run()
    for place in ("set_table", "set_types", "set_switches"):
        run.expect_trap(EC.SYSREG, place, count=1, why="TVM traps the writes of all registers that control the MMU")
    run.expect_end()


@check("bits", title="nothing else is")
def nothing_else(judge: Judge) -> None:
    run = judge.run()
    run.expect_trap(EC.SYSREG, "set_table", why="no write traps yet: that comes first")
    for place in ("get_table", "get_switches"):
        why = "reads cost as much as writes, and EL2 learns nothing from them: the registers hold what EL1 wrote"
        run.expect_no_trap(EC.SYSREG, place, why=why)
    for place in ("get_extra", "forget"):
        run.expect_no_trap(EC.SYSREG, place, why="this is no write of a register that controls the MMU")


@check("handler", title="the guest gets past each write, and finds what it wrote")
def writes_arrive(judge: Judge) -> None:
    run = judge.run()
    why = "whoever traps a write owes it to the guest: the MSR did not execute, and is not executed after a skip"
    run.expect_console("caches on\ngood bye\n", why=why)
    run.expect_end()


@check("handler", points=2, title="EL2 sees all writes until MMU and caches are on")
def sees_all(judge: Judge) -> None:
    run = judge.run()
    for place in BEFORE:
        why = "until M and C are both on, the caches are still off, and EL2 has yet to see them go on"
        run.expect_trap(EC.SYSREG, place, count=1, why=why)


@check("handler", title="then it lets go: a switch of processes does not trap")
def lets_go(judge: Judge) -> None:
    run = judge.run()
    run.expect_trap(EC.SYSREG, "caches", why="the guest does not get as far as to switch its caches on")
    why = "a guest writes TTBR0_EL1 and CONTEXTIDR_EL1 at each switch of processes: that must not cost a trap"
    run.expect_no_trap(EC.SYSREG, "switch", why=why)
