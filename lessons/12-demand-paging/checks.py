"""The checks of the lesson about demand paging."""

from typing import NamedTuple

from arm_hyp.arch.translation import READ, WRITE, Access, Fault, FaultKind, Translated, Walk, walk_stage2
from arm_hyp.course.checks import EC, Judge, Position, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ExceptionReturned, ExceptionTaken
from arm_hyp.explain.walk_words import Question
from arm_hyp.explain.walks import fault_text
from arm_hyp.runner.translation import view_of_cpu

WINDOW, PAGES, PAGE = 0x8000_0000, 512, 4096
MOST = 16
"""So many aborts are looked at; a guest that has more of them gets no further."""

PLACE = "FAR_EL2 {:#x} is a VA of the guest; HPFAR_EL2 {:#x} has IPA<51:12> in <43:4>, and that page is missing"
WHY = {
    FaultKind.ACCESS_FLAG: "AF <10> is 1 in all entries of a hypervisor that does not ask which pages are used",
    FaultKind.PERMISSION: "S2AP <7:6> gives rights: 0b01 to read, 0b10 to write, and the guest needs both",
}


class Answered(NamedTuple):
    """An abort in the guest's memory, the return behind it, and what stage 2 says of the page then."""

    abort: ExceptionTaken
    returned: ExceptionReturned
    ipa: int
    walk: Walk
    wrong: str

    @property
    def after(self) -> Position:
        """The position of the return."""
        return Position(self.returned.n, self.returned.seq)


def walked(run: JudgedRun, ipa: int, access: Access, at: Position) -> tuple[Walk, str]:
    """Translate an IPA as it is at a position; with what is wrong in words, if something is."""
    run.timeline.seek(at)
    view = view_of_cpu(run.timeline.runner, 0)
    found = walk_stage2(ipa, access, view.registers, view.read64)
    is_fault = isinstance(found.result, Fault)
    return found, fault_text(Question(found, access, 1, view.registers)) if is_fault else ""


def answered(run: JudgedRun) -> list[Answered]:
    """Return the first aborts in the guest's memory with their answers. Raises: CheckFailed if there is none."""
    made, abort = list[Answered](), None
    for event in run.events:
        if isinstance(event, ExceptionTaken) and event.ec == EC.DATA_ABORT_LOWER and event.hpfar is not None:
            abort = event if 0 <= (event.hpfar << 8) - WINDOW < PAGES * PAGE else None
        elif isinstance(event, ExceptionReturned) and event.to_el == 1 and abort is not None and len(made) < MOST:
            ipa = (abort.hpfar or 0) << 8
            found, wrong = walked(run, ipa, WRITE, Position(event.n, event.seq))
            made.append(Answered(abort, event, ipa, found, wrong))
            abort = None
    if not made:
        run.fail(f"EL2 never returns from an abort; the run ends: {run.text}", "it returns to the guest", event=abort)
    return made


def frame(run: JudgedRun, each: Answered) -> Translated:
    """Return where the page of an abort is when EL2 returns. Raises: CheckFailed if it is nowhere."""
    result = each.walk.result
    if isinstance(result, Fault):
        index = each.ipa - WINDOW >> 12
        table = run.memory(run.address("window3"), PAGE, each.after)
        written = [at for at in range(PAGES) if any(table[at * 8 : at * 8 + 8])]
        told = f"; what is written is entry {written[-1]}" if written and index not in written else ""
        got = f"when EL2 returns, IPA {each.ipa:#x} still faults: {each.wrong}{told}"
        why = WHY.get(result.kind) or PLACE.format(each.abort.far, each.abort.hpfar)
        run.fail(got, f"entry {index} of window3 is a page that can be read and written", why, event=each.abort)
    return result


@check("predict", title="what is in the two registers was foreseen")
def foreseen(judge: Judge) -> None:
    first = judge.run().expect_trap(EC.DATA_ABORT_LOWER, "load_first")[0]
    found = {(0xC000_0008, 0x80_0050): "a", (0x8000_5008, 0x80_0050): "b", (0xC000_0008, 0x8000_5008): "c"}
    judge.expect_answer(found[first.far or 0, first.hpfar or 0])


@check("pager", points=2, title="when EL2 returns, the page that was missing is there")
def page_is_there(judge: Judge) -> None:
    run = judge.run()
    for each in answered(run):
        frame(run, each)


@check("pager", title="the instruction that aborted runs again, and a page aborts once")
def runs_again(judge: Judge) -> None:
    run, seen = judge.run(), set[int]()
    for each in answered(run):
        why = "the load or store has not happened: ELR_EL2 points at it, and with the page there it will work"
        got = f"EL2 returns to {each.returned.elr:#x}, behind the instruction"
        run.expect(each.returned.elr == each.abort.elr, got, "it runs again", why, event=each.abort)
        why = "a page that is there needs no second one; this abort says that what was written was not it"
        got = f"IPA {each.ipa:#x} aborts a second time"
        run.expect(each.ipa not in seen, got, "a page aborts once", why, event=each.abort)
        seen.add(each.ipa)
    pages = judge.seeds["SEED_PAGES"]
    run.expect(
        len(seen) == pages,
        f"{len(seen)} page{'s' * (len(seen) != 1)} came",
        f"{pages} pages come, as many as the guest uses",
    )


@check("pager", title="each page is in a free frame of its own")
def own_frame(judge: Judge) -> None:
    run, first, taken = judge.run(), 0x4040_0000 + judge.seeds["SEED_FRAME"] * PAGE, dict[int, int]()
    for each in answered(run):
        pa = frame(run, each).pa
        other = taken.setdefault(pa, each.ipa)
        got = f"IPA {each.ipa:#x} is in frame {pa:#x}, where IPA {other:#x} is already"
        why = "two pages in one frame are one page: next_frame has to move on"
        run.expect(other == each.ipa, got, "each page has its own frame", why, event=each.abort)
        is_free = first <= pa < first + MOST * PAGE and pa % PAGE == 0
        got = f"IPA {each.ipa:#x} is in frame {pa:#x}"
        run.expect(
            is_free, got, f"a free frame, {first:#x} or behind it", "all else belongs to others", event=each.abort
        )


@check("pager", title="a new page has nothing in it")
def is_empty(judge: Judge) -> None:
    run = judge.run()
    for each in answered(run):
        pa = frame(run, each).pa
        data = run.memory(pa, PAGE, each.after)
        at = next((index for index in range(0, PAGE, 8) if any(data[index : index + 8])), None)
        if at is not None:
            word = int.from_bytes(data[at : at + 8], "little")
            got = f"the guest gets frame {pa:#x} with {word:#x} at {pa + at:#x}: what its last owner left"
            run.fail(got, "4096 bytes of zeros", "what one VM leaves, another must not read", event=each.abort)


@check("pager", title="the guest gets to its end, and what is not its memory is refused")
def gets_to_its_end(judge: Judge) -> None:
    run, dots = judge.run(), "." * judge.seeds["SEED_PAGES"]
    run.expect_end()
    why = (
        "the guest finds all that it wrote; then IPA 0x90000000 is behind its memory: there x0 is 0, and no page comes"
    )
    run.expect_console(f"{dots} kept\nEL2: this is not the guest's memory\n", why=why)
    _, wrong = walked(run, 0x9000_0000, READ, run.end)
    run.expect(bool(wrong), "IPA 0x90000000 is mapped", "it is not", why)
