"""Each guest of `guests/hangs` gives its sentence, word for word; the same guest, put right, is not said to hang."""

from typing import Any, NamedTuple

import pytest

from arm_hyp.explain.diagnosis.diagnose import diagnose
from arm_hyp.explain.diagnosis.model import HANGS, Diagnosis
from arm_hyp.explain.diagnosis.recent import Recent
from arm_hyp.resources import guests_directory
from arm_hyp.runner.runner import Configuration, Run, Runner, Snapshot

LIMIT = 150_000
RIGHT = 1
"""With X19 = 1 every guest does it right."""


class Case(NamedTuple):
    """A guest, what it forgets, and the sentence. `reasons` are the lines that must be among those below it."""

    guest: str
    x19: int
    sentence: str
    reasons: tuple[str, ...] = ()
    advice: str = ""
    options: dict[str, Any] = {}  # noqa: RUF012  never changed
    kind: str = "wait"


TIMER = "the EL2 physical timer (CNTHP, INTID 26)"
WAIT = "CPU 0 waits in WFI at EL2 (0x400800a8 <wait>) for ever: "
PENDING = f"{WAIT}{TIMER} is pending, but"
LOCK = "0x40080080 <lock_word>"
BLOCKED = "vm0/vcpu0 is blocked in WFI at EL1 (0x40080020 <wait>) for ever"
VIRTUAL = "CPU 0 waits in WFI at EL1 (0x40080074 <wait>) for ever: virtual INTID 40 is pending in a list register, but"
SPIN = "CPU 1 repeats 4 instructions at EL2 for ever (0x40080054 <lock>): it wants the lock in the word at"
WANTS = (
    "CPU 0 repeats 2 instructions at EL2 for ever (0x400800ac <again>): it wants the lock in the word at 0x400800c0 "
    "<lock_word>, which stays 0x1"
)
TWO = {"cpus": 2}
THREE = {"cpus": 3}
V3 = {"gic": 3}
VM = {"hypervisor": ""}

CASES = (
    Case(
        "vbar",
        0,
        "CPU 0 cannot run on: exception from EL2 to EL2 at 0x40080010: nothing is mapped at 0x200, VBAR_EL2 + 0x200; "
        "VBAR_EL2 was never written.",
        ("It began at 0x4008000c <_start+0xc>: HVC #0 at EL2 is a call to EL2: no control bit has to ask for it.",),
        "write the address of a vector table to VBAR_EL2, before anything can raise an exception",
        kind="dead",
    ),
    Case(
        "vector-faults",
        0,
        "CPU 0 cannot run on: exception loop: the exception from 0x40080a00 to the vector at 0x40080a00 raises itself "
        "again.",
        ("It began at 0x40080010 <_start+0x10>: HVC #0 at EL2 is a call to EL2: no control bit has to ask for it.",),
        "see that VBAR_EL2 leads to code that raises no exception itself",
        kind="dead",
    ),
    Case(
        "scr-el3",
        0,
        "CPU 0 repeats 4 instructions at EL2 for ever (0x40080008 <again>): MSR SCR_EL3, X0 at 0x40080010 <again+0x8> "
        "raises an exception to EL2, and the handler leads to it again.",
        (
            "0x40080010  msr scr_el3, x0",
            "MSR SCR_EL3, X0 at EL2 is UNDEFINED and goes to EL2: This register or operation is for a higher exception "
            "level.",
        ),
        "have the handler add 4 to ELR_EL2, or remove what raises it",
        kind="loop",
    ),
    Case("timer", 0, f"{WAIT}{TIMER} is enabled at the GIC, but is off: CNTHP_CTL_EL2.ENABLE is 0."),
    Case("timer", 2, f"{WAIT}{TIMER} is enabled at the GIC, but is masked: CNTHP_CTL_EL2.IMASK is 1."),
    Case("timer", 3, f"{PENDING} is not enabled: GICD_ISENABLER0<26> is 0."),
    Case("timer", 3, f"{PENDING} is not enabled: GICR_ISENABLER0<26> is 0.", options=V3),
    Case("timer", 4, f"{PENDING} is of Group 0, which is off in the distributor: GICD_CTLR.EnableGrp0 is 0."),
    Case(
        "timer", 4, f"{PENDING} is of Group 1, which is off in the distributor: GICD_CTLR.EnableGrp1 is 0.", options=V3
    ),
    Case("timer", 5, f"{PENDING} has priority 0x00, and GICC_PMR is 0x00: only lower values pass."),
    Case("timer", 5, f"{PENDING} has priority 0x00, and ICC_PMR_EL1 is 0x00: only lower values pass.", options=V3),
    Case("timer", 6, f"{PENDING} is of Group 0, which is off in the CPU interface: GICC_CTLR.EnableGrp0 is 0."),
    Case(
        "timer",
        6,
        f"{PENDING} is of Group 1, which is off in the CPU interface: ICC_IGRPEN1_EL1.Enable is 0.",
        options=V3,
    ),
    Case("timer", 7, f"{PENDING} has priority 0xf0, and GICC_PMR is 0x80: only lower values pass."),
    Case(
        "timer",
        8,
        f"{PENDING} is for EL1, as HCR_EL2.IMO and TGE are 0, and at EL2 it stays pending.",
        advice="set HCR_EL2.IMO",
    ),
    Case(
        "timer",
        9,
        f"CPU 0 repeats one instruction at EL2 for ever (0x400800bc <spin>): it branches to itself, and {TIMER} is "
        "pending, but is masked: PSTATE.I is 1.",
        ("0x400800bc  cbz x20, 0x400800bc <spin>",),
        "clear PSTATE.I: msr daifclr, #2",
        kind="loop",
    ),
    Case(
        "timer",
        10,
        f"CPU 0 waits in WFI at EL2 (0x400800d4 <again>) for ever: {TIMER} is pending, but is active already: it was "
        "acknowledged and not ended.",
        advice="write its INTID to GICC_EOIR",
    ),
    Case(
        "timer-trap",
        0,
        "CPU 0 waits in WFI at EL1 (0x40080058 <wait>) for ever: the physical timer (CNTP, INTID 30) is enabled at the "
        "GIC, but is off: CNTP_CTL_EL0.ENABLE is 0, as the access of CNTP_CTL_EL0 at EL1 went to EL2 instead.",
        (
            "MSR CNTP_CTL_EL0, X0 at EL1 traps to EL2 because CNTHCTL_EL2.EL1PCEN is 0: CNTHCTL_EL2.EL1PCEN is 0, "
            "which traps the physical timer from EL1 and EL0.",
        ),
    ),
    Case(
        "target",
        0,
        "CPU 0 waits in WFI at EL2 (0x4008002c <wait>) for ever: INTID 40 is pending, but is not for this CPU: see "
        "GICD_ITARGETSR10.",
        options=TWO,
    ),
    Case("list-register", 0, f"{VIRTUAL} the virtual CPU interface is off: GICH_HCR.En is 0."),
    Case("list-register", 2, f"{VIRTUAL} HCR_EL2.IMO is 0, and only with it are there virtual IRQs."),
    Case("list-register", 3, f"{VIRTUAL} has priority 0x00, and the guest's GICV_PMR is 0x00: only lower values pass."),
    Case("list-register", 4, f"{VIRTUAL} is of Group 0, which its guest has not enabled: GICV_CTLR.EnableGrp0 is 0."),
    Case(
        "poll",
        0,
        "CPU 0 repeats 2 instructions at EL2 for ever (0x4008000c <poll>): it polls pl011+0x18, which stays 0x90.",
        ("0x4008000c  ldr w0, [x1, #0x18]", "reads pl011+0x18, which stays 0x90"),
        "type something, at a terminal or with --input: UARTFR<4> says that no byte has come",
        kind="loop",
    ),
    Case(
        "no-skip",
        0,
        "CPU 0 repeats 8 instructions at EL1 for ever (0x40080028 <el1>): WFI at 0x40080028 <el1> traps to EL2, and "
        "the handler leads to it again.",
        (
            "WFI at EL1 traps to EL2 because HCR_EL2.TWI is 1: HCR_EL2.TWI traps a WFI that would wait from EL1 "
            "and EL0.",
        ),
        "have the handler add 4 to ELR_EL2, or remove what raises it",
        kind="loop",
    ),
    Case(
        "handler",
        0,
        "CPU 0 repeats one instruction at EL2 for ever (0x4008001c <give_up>): it branches to itself, in the handler "
        "of an exception from 0x40080014 <_start+0x14> (data abort: synchronous external abort, read).",
        kind="loop",
    ),
    Case(
        "wfe",
        0,
        "CPU 0 waits in WFE at EL2 (0x40080008 <_start+0x8>) for ever: no event comes, as there is no other CPU.",
    ),
    Case(
        "lock",
        0,
        f"{SPIN} {LOCK}, which stays 0x1; only CPU 0, which waits in WFI, or CPU 1 itself can have taken it.",
        options=TWO,
        kind="lock",
    ),
    Case(
        "lock",
        3,
        f"{SPIN} {LOCK}, which stays 0x1; only CPU 0, which is off, or CPU 1 itself can have taken it.",
        advice="have whoever holds the lock store 0 there (STLR), before it waits or goes off",
        options=TWO,
        kind="lock",
    ),
    Case(
        "lock",
        2,
        f"CPU 1 waits in WFE at EL2 (0x40080064 <lock+0x10>) for ever: it wants the lock in {LOCK}, which is 0x1; "
        "only CPU 0, which waits in WFI, or CPU 1 itself can have taken it.",
        ("CPU 0 waits in WFI at EL2 (0x40080038 <sleep>) for ever: no timer is on, and no interrupt is enabled.",),
        options=TWO,
        kind="lock",
    ),
    Case(
        "lock-owner",
        0,
        f"{WANTS}; only CPU 1, which is off, or CPU 0 itself can have taken it.",
        ("CPU 1 is off.", "CPU 2 has never run."),
        "have whoever holds the lock store 0 there (STLR), before it waits or goes off",
        options=THREE,
        kind="lock",
    ),
    Case(
        "lock-owner",
        2,
        f"{WANTS}; only CPU 0 itself can have taken it.",
        ("CPU 1 has never run.", "CPU 2 has never run."),
        "see that the word is 0 at the start, and that nobody takes the lock twice: a handler must not either",
        options=THREE,
        kind="lock",
    ),
    Case(
        "lock-owner",
        3,
        f"{WANTS}; only CPU 1, which is off, or CPU 2, which is off, or CPU 0 itself can have taken it.",
        options=THREE,
        kind="lock",
    ),
    Case(
        "cpu-on",
        0,
        "CPU 0 repeats 2 instructions at EL2 for ever (0x40080020 <await>): it polls the word at 0x40080040 <word>, "
        "which stays 0x0, and CPU 1 has never run.",
        ("CPU_ON at 0x4008001c <_start+0x1c> answered INVALID_ADDRESS.",),
        "see what the firmware answers, before you wait for what it should do",
        options=TWO,
        kind="loop",
    ),
    Case(
        "cpu-off",
        0,
        "Every CPU is off: nobody is left to switch one on.",
        advice="end with SYSTEM_OFF instead of CPU_OFF",
        kind="off",
    ),
    Case(
        "vm-timer",
        0,
        f"{BLOCKED}: the virtual timer (CNTV, INTID 27) is pending, but is not enabled: GICD_ISENABLER0<27> is 0.",
        options=VM,
    ),
    Case(
        "vm-crash",
        0,
        "vm0 crashed: exception loop: the exception from 0x200 to the vector at 0x200 raises itself again.",
        (
            "It began at 0x40080004 <_start+0x4>: SVC #0 at EL1 is a system call: it is taken to EL1, and no control "
            "bit has to ask for it.",
        ),
        options=VM,
        kind="dead",
    ),
)
GUESTS = sorted({(case.guest, tuple(case.options.items())) for case in CASES})


def run(guest: str, x19: int, limit: int = LIMIT, **options: Any) -> tuple[Runner, Recent]:
    """Run a guest of `guests/hangs` up to a limit."""
    recent = Recent()
    image = str(guests_directory() / "hangs" / f"{guest}.s")
    runner = Runner(Configuration(image=image, settings=(f"X19={x19}",), memory_bytes=8 << 20, **options), recent)
    runner.send(Run(limit))
    return runner, recent


def diagnosed(guest: str, x19: int, limit: int = LIMIT, **options: Any) -> Diagnosis:
    """Run a guest, and diagnose it."""
    return diagnose(*run(guest, x19, limit, **options))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.guest}-{case.x19}-gicv{case.options.get('gic', 2)}")
def test_a_guest_that_hangs_gives_its_sentence(case: Case):
    diagnosis = diagnosed(case.guest, case.x19, **case.options)
    assert diagnosis.sentence == case.sentence
    assert diagnosis.kind == case.kind and diagnosis.kind in HANGS
    assert set(case.reasons) <= set(diagnosis.reasons)
    assert not case.advice or diagnosis.advice == case.advice


@pytest.mark.parametrize(("guest", "options"), GUESTS, ids=lambda value: str(value))
def test_the_same_guest_put_right_is_fine(guest: str, options: tuple[tuple[str, Any], ...]):
    diagnosis = diagnosed(guest, RIGHT, 3_000_000, **dict(options))
    assert diagnosis.kind == "ended"
    assert diagnosis.sentence == "The run has ended by itself: the guest powered off (PSCI SYSTEM_OFF)."


def test_every_guest_that_hangs_is_tested():
    assert {path.stem for path in guests_directory().glob("hangs/*.s")} == {case.guest for case in CASES}


def test_a_guest_cut_short_is_making_progress():
    diagnosis = diagnosed("timer", RIGHT, 30)
    assert (diagnosis.kind, diagnosis.advice) == ("progress", "")
    assert diagnosis.sentence.startswith("The run is making progress: it ends by itself ")


def test_a_lock_that_is_given_back_later_is_no_hang():
    diagnosis = diagnosed("lock-owner", RIGHT, 20_000, **THREE)
    assert diagnosis.kind == "progress"
    assert diagnosis.sentence.startswith("The run is making progress: it ends by itself ")


def test_a_vcpu_that_polls_while_another_waits_for_its_turn_is_no_hang():
    assert diagnosed("lock-owner", 0, 10_000, hypervisor="", vcpus=3).kind == "progress"


def test_a_lock_of_a_vcpu_that_is_off():
    diagnosis = diagnosed("lock-owner", 0, hypervisor="", vcpus=3, cpus=2)
    assert diagnosis.kind == "lock"
    assert diagnosis.sentence.endswith("; only vm0/vcpu1, which is off, or vm0/vcpu0 itself can have taken it.")
    assert "vm0/vcpu2 has never run." in diagnosis.reasons


def test_a_loop_that_counts_may_end():
    diagnosis = diagnosed("poll", RIGHT, 1000)
    assert diagnosis.kind == "progress"
    assert diagnosis.sentence == (
        "CPU 0 repeats 2 instructions at EL2 and has not left them (0x40080018 <count>): X2 changes each time, so it "
        "may end."
    )


def test_a_run_that_hangs_later_is_told_so():
    assert diagnosed("timer", 0, 20).sentence == diagnosed("timer", 0).sentence


@pytest.mark.parametrize(("guest", "options"), [("lock", TWO), ("timer", {}), ("vm-timer", VM), ("poll", {})])
def test_a_diagnosis_changes_nothing(guest: str, options: dict[str, Any]):
    runner, recent = run(guest, RIGHT, 15, **options)
    before = runner.send(Snapshot())
    first = diagnose(runner, recent)
    assert runner.send(Snapshot()) == before
    assert diagnose(runner, recent) == first
    assert runner.send(Run(3_000_000))["n"] == run(guest, RIGHT, 3_000_000, **options)[0].machine.retired


def test_without_recent_events_the_state_alone_speaks():
    runner, _ = run("timer-trap", 0)
    assert diagnose(runner).sentence.endswith("is off: CNTP_CTL_EL0.ENABLE is 0.")


def test_a_stop_that_was_asked_for_before_the_run_does_not_matter():
    runner = Runner(Configuration(image=str(guests_directory() / "02-wfi.s"), memory_bytes=8 << 20))
    runner.machine.request_stop("ended by SIGTERM", 143)
    assert diagnose(runner).kind == "wait"
    assert runner.send(Run(LIMIT))["text"] == "ended by SIGTERM", "the run is not touched"
