"""The checks of the lesson about a guest's idea of its CPU."""

import zlib
from typing import Final

from arm_hyp.arch.bitfields import Register
from arm_hyp.arch.registers.features import ID_AA64ISAR0_EL1, ID_AA64PFR0_EL1
from arm_hyp.arch.registers.identification import MIDR_EL1, MPIDR_EL1
from arm_hyp.course.checks import EC, Judge, Position, check
from arm_hyp.course.judged_run import JudgedRun
from arm_hyp.events import ExceptionReturned

A53_R0P4: Final = 0x410F_D034
MASK_32: Final = (1 << 32) - 1
NONE: Final = 0xF
MODEL: Final = {"PartNum": 0xD03, "Variant": 0, "Revision": 4}
PLACE: Final = {"Aff1": 1, "Aff0": 2}
FROM_EL2: Final = "at EL1 {} reads what EL2 has written to {}"
SIGNED: Final = "FP and AdvSIMD are signed fields: 0 is plain FP, which is there, and 15, as -1, is none"
OTHERS: Final = "a guest believes each field: change the one that you mean, and leave all others as they are"


@check("disguise", title="the guest takes its CPU for a Cortex-A53 r0p4")
def wrong_model(judge: Judge) -> None:
    run = judge.run()
    _expect_fields(run, MIDR_EL1(run.register("X19")), MODEL, FROM_EL2.format("MIDR_EL1", "VPIDR_EL2"))


@check("disguise", title="and for CPU 2 of cluster 1")
def wrong_place(judge: Judge) -> None:
    run = judge.run()
    _expect_fields(run, MPIDR_EL1(run.register("X20")), PLACE, FROM_EL2.format("MPIDR_EL1", "VMPIDR_EL2"))


@check("mirror", title="what EL2 itself reads was foreseen")
def mirrored(judge: Judge) -> None:
    run = judge.run()
    undefined = run.traps(EC.UNKNOWN, "look")
    judge.expect_answer("c" if undefined else "a" if run.register("X20") == A53_R0P4 else "b")


@check("features", points=2, title="the guest sees no CRC32 instructions, and makes its checksums without")
def hides_crc32(judge: Judge) -> None:
    run, words = judge.run(), judge.seeds["SEED_WORDS"]
    _expect_told(judge, "isar", ID_AA64ISAR0_EL1, {"CRC32": 0}, "0 says that there are no such instructions")
    data = judge.seeds["SEED_WORD"].to_bytes(4, "little") * words
    run.expect_register("X21", zlib.crc32(data) ^ MASK_32, _after(run, "pfr"), why="the loop makes the same checksum")


@check("features", points=2, title="the guest sees no FP and no vectors, and never touches them")
def hides_fp(judge: Judge) -> None:
    run = judge.run()
    _expect_told(judge, "pfr", ID_AA64PFR0_EL1, {"FP": NONE, "AdvSIMD": NONE}, SIGNED)
    run.expect_no_trap(EC.FP_ACCESS, "fp", why="a guest that was told of no FP does not use it")
    run.expect_end()


def _expect_told(judge: Judge, label: str, kind: type[Register], wanted: dict[str, int], why: str) -> None:
    """Expect some fields of what the guest reads at a label, and all others as the solution leaves them."""
    run, right = judge.run(), judge.solution.run()
    at = _after(run, label)
    told, truth = kind(run.register("X0", at)), kind(right.register("X0", _after(right, label)))
    _expect_fields(run, told, wanted, why, at)
    for name in (field.name for field in kind.FIELDS):
        found, left = getattr(told, name), getattr(truth, name)
        run.expect(found == left, f"{kind.__name__}.{name} is {found:#x}", f"it stays {left:#x}", OTHERS, at=at)


def _expect_fields(
    run: JudgedRun, found: Register, wanted: dict[str, int], why: str, at: Position | None = None
) -> None:
    for name, value in wanted.items():
        got = getattr(found, name)
        run.expect(got == value, f"{type(found).__name__}.{name} is {got:#x}", f"it is {value:#x}", why, at=at)


def _after(run: JudgedRun, label: str) -> Position:
    """Return the position behind the read at a label. Raises: CheckFailed if the guest does not get there."""
    read = run.expect_trap(EC.SYSREG, label, why="HCR_EL2.TID3 traps the reads of these registers")[0]
    after = run.events[run.events.index(read) + 1 :]
    back = next((event for event in after if isinstance(event, ExceptionReturned)), None)
    if back is None:
        run.fail(f"the guest does not go on after `{label}`: {run.text}", "a value in X0", event=read)
    return Position(back.n, back.seq)
