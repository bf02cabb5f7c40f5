"""The checks of the lesson about building stage-2 tables."""

from arm_hyp.arch.translation import READ, Fault, FaultKind, Translated, Walk, walk_stage2
from arm_hyp.course.checks import EC, Judge, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ExceptionTaken
from arm_hyp.explain.walk_words import Question
from arm_hyp.explain.walks import fault_text
from arm_hyp.runner.translation import view_of_cpu

PAGE, BLOCK = 4096, 2 << 20
CONSOLE, RAM, CARD = 0x0900_0000, 0x4000_0000, 0x4023_4000  # IPAs
HOLES = (0, 0x0800_0000, CONSOLE - PAGE, CONSOLE + PAGE, 0x0A00_0000, CARD - PAGE, CARD + PAGE, RAM + BLOCK)
MORE_HOLES = (RAM + 2 * BLOCK, 0x40C0_0000, 0x40FF_F000, 0x8000_0000, 0xC000_0000)

LEVELS = "a walk takes IPA<31:30> at level 1, IPA<29:21> at level 2, IPA<20:12> at level 3; 8 bytes an entry"
WHY = {
    FaultKind.ACCESS_FLAG: "AF <10> is 1 in all entries of a hypervisor that does not ask which pages are used",
    FaultKind.PERMISSION: "S2AP <7:6> gives rights: 0b01 to read, 0b10 to write; 0b00 is nothing at all",
}
KINDS = "0b01 is a block; 0b11 is a table at this level, and the walk goes on and takes for one whatever lies there"


def walked(run: JudgedRun, ipa: int) -> tuple[Walk, str]:
    """Translate an IPA as it is at the end of a run; with what is wrong in words, if something is."""
    run.timeline.seek(run.end)
    at = view_of_cpu(run.timeline.runner, 0)
    found = walk_stage2(ipa, READ, at.registers, at.read64)
    is_fault = isinstance(found.result, Fault)
    return found, fault_text(Question(found, READ, 1, at.registers)) if is_fault else ""


def ipa_of(event: ExceptionTaken) -> int | None:
    """Return the page that an abort to EL2 is about."""
    return None if event.hpfar is None else event.hpfar << 8


def abort_at(run: JudgedRun, ipa: int) -> ExceptionTaken | None:
    """Return the first abort of a page, where the guest met it; if there is none, the guest's first exception."""
    found = [event for event in run.traps(to_el=None) if event.from_el < 2 and event.ec != EC.HVC64]
    aborts = (event for event in found if event.to_el == 2 and ipa_of(event) == ipa & -PAGE)
    return next(aborts, found[0] if found else None)


def mapped(run: JudgedRun, ipa: int, pa: int, expected: str, why: str = LEVELS) -> Translated:
    """Expect that an IPA leads to a PA, and return how. Raises: CheckFailed."""
    found, wrong = walked(run, ipa)
    result, event = found.result, abort_at(run, ipa)
    if isinstance(result, Fault):
        run.fail(f"IPA {ipa:#x}: {wrong}", expected, WHY.get(result.kind, why), event=event)
    why = "the address in a block or page is the PA that it begins at"
    run.expect(result.pa == pa, f"IPA {ipa:#x} leads to PA {result.pa:#x}", expected, why, event=event)
    return result


def rights(run: JudgedRun, ipa: int, found: Translated, wanted: str, why: str) -> None:
    """Expect exactly these rights at EL1. Raises: CheckFailed."""
    given = zip("rw", (found.permissions.pr, found.permissions.pw), strict=True)
    letters = "".join(letter if is_given else "-" for letter, is_given in given)
    run.expect(letters == wanted, f"IPA {ipa:#x} is {letters}", f"it is {wanted}", why, event=abort_at(run, ipa))


@check("predict", title="what one bit does was foreseen")
def foreseen(judge: Judge) -> None:
    run = judge.run()
    right = "b" if run.traps(EC.INSTRUCTION_ABORT_LOWER, "el1") else "a" if "guest" in run.console() else "c"
    judge.expect_answer(right)


@check("blocks", title="the guest runs to its end")
def runs(judge: Judge) -> None:
    run = judge.run()
    for ipa, what in ((run.address("el1"), "the guest's code"), (CONSOLE, "the console")):
        mapped(run, ipa, ipa, f"{what} is mapped: IPA {ipa:#x} is PA {ipa:#x}", KINDS)
    run.expect_console("the guest is here\n", why="an instruction is fetched and a device is written through stage 2")


@check("blocks", title="devices are Device memory, and RAM is normal memory")
def types(judge: Judge) -> None:
    run = judge.run()
    why = "MemAttr <5:2> is 0b0000 for devices: a store to Normal memory may be merged, repeated, or stay in a cache"
    found = mapped(run, CONSOLE, CONSOLE, "the console is mapped")
    run.expect(found.attributes.is_device, f"IPA {CONSOLE:#x} is normal memory", "it is Device memory", why)
    code = run.address("el1")
    found = mapped(run, code, code, "the guest's code is mapped")
    why = "MemAttr <5:2> is 0b1111 for RAM; the stricter stage wins, so the guest could not make it normal again"
    run.expect(not found.attributes.is_device, f"IPA {code:#x} is Device memory", "it is normal memory", why)


@check("build", points=2, title="the guest's RAM is where EL2 has put it, 2 MiB of it")
def ram(judge: Judge) -> None:
    run, pa = judge.run(), 0x4000_0000 + judge.seeds["SEED_BLOCK"] * BLOCK
    for offset in (run.address("guest") - RAM, 0, 0x12_3000, BLOCK - PAGE):
        found = mapped(run, RAM + offset, pa + offset, f"IPA {RAM + offset:#x} is PA {pa + offset:#x}")
        rights(run, RAM + offset, found, "rw", "S2AP <7:6> is 0b11 for what may be read and written")
        run.expect(not found.attributes.is_device, f"IPA {RAM + offset:#x} is Device memory", "it is normal memory")


@check("build", title="the console is there, as Device memory")
def console(judge: Judge) -> None:
    run = judge.run()
    found = mapped(run, CONSOLE, CONSOLE, f"IPA {CONSOLE:#x} is PA {CONSOLE:#x}")
    rights(run, CONSOLE, found, "rw", "a console is written, and its flags are read")
    why = "a store to Normal memory may be merged, repeated, or stay in a cache: MemAttr <5:2> is 0b0000 here"
    run.expect(found.attributes.is_device, f"IPA {CONSOLE:#x} is normal memory", "it is Device memory", why)


@check("build", title="the card can be read, and no more")
def card(judge: Judge) -> None:
    run, pa = judge.run(), 0x40C0_0000 + judge.seeds["SEED_PAGE"] * PAGE
    found = mapped(run, CARD, pa, f"IPA {CARD:#x} is PA {pa:#x}")
    rights(run, CARD, found, "r-", "S2AP <7:6> is 0b01: the guest's store must come to EL2 as a permission fault")


@check("build", title="nothing else is mapped")
def nothing_else(judge: Judge) -> None:
    run, code = judge.run(), judge.run().address("guest")
    run.expect(not walked(run, code)[1], "nothing is mapped yet, not even the guest's code", "three ranges are")
    for ipa in (*HOLES, *MORE_HOLES):
        result = walked(run, ipa)[0].result
        if isinstance(result, Translated):
            got = f"IPA {ipa:#x} leads to PA {result.pa:#x}, {result.block_bytes:,} bytes mapped as one"
            run.fail(got, "a translation fault", "what is mapped without need is what a guest can reach of others")


@check("build", title="the guest runs, and EL2 is asked twice on the way")
def asked_twice(judge: Judge) -> None:
    run = judge.run()
    run.expect_console("guest: hello\nguest: bye\n", why="each character is a store through your tables")
    for place in ("write_card", "beside"):
        why = "the store has no right, and the load no page: EL2 hears of both"
        run.expect_trap(EC.DATA_ABORT_LOWER, place, count=1, why=why)
    run.expect_trap(EC.DATA_ABORT_LOWER, count=2, why="whatever else the guest does is allowed")
