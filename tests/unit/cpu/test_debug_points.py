"""Breakpoints come back with a state: the core acts on them, wherever it has been meanwhile."""

from pathlib import Path

from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Restore, Run, Snapshot
from arm_hyp.runner.runner import Runner

_GUEST = """
        adr     x0, vectors
        msr     vbar_el2, x0
        adr     x0, watched
        msr     dbgbvr0_el1, x0
        ldr     x0, =0x1e7 | 1 << 13    // enabled, for all levels: E, PMC, BAS, HMC
        msr     dbgbcr0_el1, x0
        msr     oslar_el1, xzr
        msr     mdcr_el2, xzr
        ldr     x0, =0xa000             // KDE, MDE
        mov     x1, #1 << 8             // TDE: debug exceptions go to EL2
        msr     mdcr_el2, x1
        msr     mdscr_el1, x0
        isb
        adr     x0, el1
        mov     x1, #0x5
        msr     elr_el2, x0
        msr     spsr_el2, x1
        mov     x1, #1 << 31
        msr     hcr_el2, x1
        eret
el1:    nop
watched: nop
        hvc     #0
hit:    msr     dbgbcr0_el1, xzr
        mov     x5, #1
        ldr     x0, =0x84000008
        smc     #0
        .balign 2048
vectors: .space 0x400
        b       hit
"""


def _ended(runner: Runner) -> tuple[int, int]:
    runner.send(Run(1_000))
    return runner.machine.retired, runner.machine.core.registers.read(_esr()) >> 26


def _esr() -> object:
    from arm_hyp.arch.sysregs import by_name

    return by_name("ESR_EL2").encoding


def test_a_breakpoint_that_was_taken_away_since_is_there_again(tmp_path: Path) -> None:
    file = tmp_path / "guest.s"
    file.write_text(_GUEST)
    runner = Runner(Configuration(image=str(file)))
    runner.send(Run(21))  # in EL1, before the breakpoint
    state = runner.send(Snapshot())
    first = _ended(runner)
    assert first[1] == 0x30, "a breakpoint exception from a lower level"
    runner.send(Restore(state))
    assert _ended(runner) == first


def test_a_breakpoint_that_was_set_since_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "guest.s"
    file.write_text(_GUEST)
    runner = Runner(Configuration(image=str(file)))
    state = runner.send(Snapshot())
    first = _ended(runner)
    runner.send(Restore(state))
    assert _ended(runner) == first
