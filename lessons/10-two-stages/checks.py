"""The checks of the lesson about two translations."""

from arm_hyp.arch.translation import READ, WRITE, Access, Fault, Regime, Translated, Walk, walk_stage1, walk_stage2
from arm_hyp.course.checks import Judge, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.explain.walk_words import Question
from arm_hyp.explain.walks import fault_text
from arm_hyp.runner.translation import View, view_of_cpu

CONSOLE, PAGE, GUEST_PAGES = 0x0900_0000, 4096, 0x8000_0000
FIRST_VA, FIRST_IPA = 0xC000_1000, 0x8000_4000  # VA and IPA of first.s


def view(run: JudgedRun) -> View:
    """Return translation as it is at the end of a run."""
    run.timeline.seek(run.end)
    return view_of_cpu(run.timeline.runner, 0)


def stage1(run: JudgedRun, va: int, access: Access = READ) -> Walk:
    """Translate a VA of EL1 by stage 1 alone; its tables are read through stage 2."""
    at = view(run)
    return walk_stage1(va, access, Regime.EL10, at.registers, at.read64)


def stage2(run: JudgedRun, ipa: int, access: Access = READ) -> Walk:
    """Translate an IPA."""
    at = view(run)
    return walk_stage2(ipa, access, at.registers, at.read64)


def places(judge: Judge) -> tuple[int, int, int]:
    """Return VA, IPA and PA, as places.inc has them."""
    seeds = judge.seeds
    return (
        0xC000_0000 + seeds["SEED_VA_PAGE"] * PAGE,
        GUEST_PAGES + seeds["SEED_IPA_PAGE"] * PAGE,
        0x4020_0000 + seeds["SEED_PA_PAGE"] * PAGE,
    )


def expect_way(run: JudgedRun, name: str, found: Walk, to: int, access: Access, expected: str, why: str) -> None:
    """Expect that a walk leads to an address. The first exception at `read` or `write` is the place."""
    result = found.result
    event = next((event for at in ("read", "write") for event in run.traps(at=at, to_el=None)), None)
    if isinstance(result, Fault):
        run.fail(f"{name}: {fault_text(Question(found, access, 1, view(run).registers))}", expected, why, event=event)
    run.expect(result.pa == to, f"{name} leads to {result.pa:#x}", expected, why, event=event)


@check("predict", title="where the guest's tables are read was foreseen")
def foreseen(judge: Judge) -> None:
    first = stage1(judge.run(), CONSOLE).steps[0]
    judge.expect_answer("a" if first.stage2 is None else "c" if isinstance(first.stage2.result, Translated) else "b")


@check("maps", points=2, title="stage 1 takes VA to IPA")
def first_stage(judge: Judge) -> None:
    run, (va, ipa, pa) = judge.run(), places(judge)
    found = stage1(run, va, WRITE)
    why = "AF must be 1, or the first use faults; AP 0b00 lets EL1 read and write; a page has 0b11 in its lowest bits"
    if isinstance(found.result, Translated) and found.result.pa == pa:
        why = "a guest's table holds IPAs: the guest does not know that there is anything else"
    expect_way(run, f"stage 1: VA {va:#x}", found, ipa, WRITE, f"VA {va:#x} is IPA {ipa:#x}, read and write", why)


@check("maps", points=2, title="stage 2 takes IPA to PA, for reads and writes")
def second_stage(judge: Judge) -> None:
    run, (va, ipa, pa) = judge.run(), places(judge)
    why = "bits <7:6> are S2AP here, 0b01 to read and 0b10 to write; <5:2> are MemAttr; AF and page as in stage 1"
    expected = f"IPA {ipa:#x}, of VA {va:#x}, is PA {pa:#x}, read and write"
    expect_way(run, f"stage 2: IPA {ipa:#x}", stage2(run, ipa, WRITE), pa, WRITE, expected, why)
    expect_way(run, f"stage 2: IPA {ipa:#x}", stage2(run, ipa), pa, READ, expected, why)
    memory = stage2(run, ipa).result
    assert isinstance(memory, Translated)
    why = "the stricter stage wins: with MemAttr 0b0000 the guest's memory is Device, whatever its own table says"
    run.expect(not memory.attributes.is_device, f"stage 2: IPA {ipa:#x} is Device memory", "it is normal memory", why)


@check("maps", title="the guest finds the letter, and EL2 finds what the guest wrote")
def both_stages(judge: Judge) -> None:
    run, letter = judge.run(), chr(judge.seeds["SEED_LETTER"])
    why = "a load goes through both stages, and so does a store"
    run.expect_console(f"EL1 reads {letter}\nEL2 finds {letter.lower()}\n", why=why)
    run.expect_end()


def count(walk: Walk) -> int:
    """Count the descriptors that a walk reads, those of the walks inside it too."""
    return sum(1 + (0 if step.stage2 is None else count(step.stage2)) for step in walk.steps)


@check("count", points=2, title="the descriptors of one load are counted")
def counted(judge: Judge) -> None:
    run, found = judge.run(), judge.answer()
    right = count(stage1(run, FIRST_VA)) + count(stage2(run, FIRST_IPA))
    why = "each descriptor of stage 1 lies at an IPA, which stage 2 must translate first; and so does the page itself"
    if str(found).strip() != str(right):
        judge.fail(got=f"you counted {found}", expected="another number", why=why)
