"""The checks of the lesson about two VMs at one address."""

from arm_hyp.course.checks import EC, Judge, Position, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ExceptionReturned
from arm_hyp.explain.checkers.again import findings_of

STALE = ("HYP014", "HYP015")
ABOUT_TLBS = ("HYP012", *STALE)
LETTERS = {ord(letter): letter for letter in "ABC"}


def expect_vmids(run: JudgedRun, wanted: dict[str, int], why: str) -> None:
    """Expect VTTBR_EL2.VMID <55:48> and the tables of each VM, whenever it is entered. Raises: CheckFailed."""
    for event in run.of_type(ExceptionReturned):
        at = Position(event.n, event.seq)
        vm, vttbr = LETTERS.get(run.register("X19", at), "?"), run.register("VTTBR_EL2", at)
        if vm not in wanted:
            continue
        vmid, base = vttbr >> 48 & 0xFF, vttbr & (1 << 48) - 2
        table = run.address(f"table_{vm.lower()}")
        expected = f"it is {wanted[vm]:#x}, as the task says"
        run.expect(vmid == wanted[vm], f"VM {vm} is entered, and the VMID is {vmid:#x}", expected, why, event=event)
        run.expect(base == table, f"VM {vm} is entered with the tables at {base:#x}", f"at {table:#x}", event=event)


def expect_no_stale(judge: Judge, why: str, codes: tuple[str, ...] = ABOUT_TLBS) -> None:
    """Expect that no rule about TLBs is broken. Raises: CheckFailed."""
    run = judge.run()
    for found in findings_of(run.timeline.configuration, judge.task.limit, codes):
        got, expected = f"{found.code}: {found.text}", "nothing that a TLB may still hold is used for another VM"
        entered = next((each for each in run.of_type(ExceptionReturned) if each.n == found.n), None)
        run.fail(got, expected, why, event=entered, at=Position(found.n, found.seq))


def expect_letters(run: JudgedRun, text: str) -> None:
    """Expect what the VMs find in their pages."""
    run.expect_no_trap(EC.DATA_ABORT_LOWER, why="stage 2 of the VM has a page at 0x80000000")
    why = "a VM prints what is in its own page: the other one's letter can only come through the other one's tables"
    run.expect_console(text, why=why)
    run.expect_end()


@check("predict", title="what A finds was foreseen")
def foreseen(judge: Judge) -> None:
    first = judge.run().console()[:1]
    judge.expect_answer({"A": "a", "B": "b"}.get(first, "c"))


@check("load", title="each VM finds its own letter")
def own_letters(judge: Judge) -> None:
    expect_letters(judge.run(), "AB" * judge.seeds["SEED_ROUNDS"])


@check("load", title="no translation of one VM can be used for the other")
def nothing_shared(judge: Judge) -> None:
    own_letters(judge)
    expect_no_stale(judge, "two VMs with one VMID share the entries of a TLB, whatever their tables say")


@check("load", points=2, title="each VM is entered with its own VMID")
def own_vmids(judge: Judge) -> None:
    run, seeds = judge.run(), judge.seeds
    why = "the entries of a TLB are found by VMID and address: only the VMID tells those of A and B apart"
    expect_vmids(run, {"A": seeds["SEED_VMID_A"], "B": seeds["SEED_VMID_B"]}, why)


def expect_heir(judge: Judge) -> None:
    """Expect that C runs in A's place, by A's VMID and with its own tables. Raises: CheckFailed."""
    run, seeds = judge.run(), judge.seeds
    vmids = {"A": seeds["SEED_VMID"], "C": seeds["SEED_VMID"]}
    expect_vmids(run, vmids, "there is no other VMID to give: A's is free, as A has ended")
    expect_letters(run, "A" * seeds["SEED_ROUNDS"] + "C" * seeds["SEED_ROUNDS"])


@check("heir", points=2, title="C runs by A's VMID, and what a TLB knows by it is invalidated before")
def nothing_inherited(judge: Judge) -> None:
    expect_heir(judge)
    why = "what a TLB keeps by a VMID serves whoever has it next; a TLBI before VTTBR_EL2 has C's tables is too early"
    expect_no_stale(judge, why, STALE)


@check("heir", points=2, title="that is complete when C begins")
def complete(judge: Judge) -> None:
    nothing_inherited(judge)
    expect_no_stale(judge, "a TLBI only asks: the entries are gone for certain when a DSB behind it is over")
