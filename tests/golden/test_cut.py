"""Who watches changes nothing: a run cut at every instruction, and one without a sink, end in the same state."""

import hashlib

import pytest
from golden_support import CASES, LIMIT, Case, machine_for, one_of_each_guest, run, trace

from arm_hyp.arch import sysregs
from arm_hyp.arch.sysregs import SystemRegister
from arm_hyp.events import NullSink, RecordingSink
from arm_hyp.machine.machine import Machine

WATCHED = [
    f"{name}_EL{el}" for el in (1, 2) for name in ("ELR", "SPSR", "ESR", "FAR", "VBAR", "SCTLR", "TTBR0", "TCR", "MAIR")
] + ["HPFAR_EL2", "HCR_EL2", "CPTR_EL2", "MDCR_EL2", "CPACR_EL1", "MDSCR_EL1", "VTTBR_EL2", "SP_EL0", "SP_EL1"]


def state(machine: Machine) -> dict[str, object]:
    """Everything that a run can have changed."""
    core = machine.core
    registers = {f"x{index}": core.x(index) for index in range(31)}
    registers |= {"pc": core.pc, "pstate": core.pstate, "sp": core.sp, "event_register": core.event_register}
    registers |= {name: core.registers.read(_encoding(name)) for name in WATCHED}
    position = {"retired": machine.retired, "position": core.position(numbered=False)}
    ram = hashlib.sha256(machine.ram).hexdigest()
    return registers | position | {"ram": ram, "console": bytes(machine.console), "all": machine.snapshot()}


def _encoding(name: str) -> sysregs.Encoding:
    register = sysregs.by_name(name)
    assert isinstance(register, SystemRegister)
    return register.encoding


def run_cut(machine: Machine) -> None:
    """Stop after every instruction, look at the state, go on."""
    while not machine.step() and machine.retired < LIMIT:
        assert machine.core.pc is not None
        assert machine.core.x(0) is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cut_at_every_instruction_ends_the_same(case: Case):
    uncut, _, expected = run(case)
    sink = RecordingSink()
    cut = machine_for(case, sink)
    run_cut(cut)
    assert trace(sink) == [line for line in expected if '"event":"ended"' not in line]
    assert state(cut) == state(uncut)


@pytest.mark.parametrize("size", [7, *(pytest.param(size, marks=pytest.mark.long) for size in (2, 3))])
@one_of_each_guest(CASES)
def test_slices_of_any_size_end_the_same(case: Case, size: int):
    uncut, _, _ = run(case)
    cut = machine_for(case, NullSink())
    while not cut.step(size) and cut.retired < LIMIT:
        pass
    assert state(cut) == state(uncut)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_without_a_sink_the_run_is_the_same(case: Case):
    watched, outcome, _ = run(case)
    silent = machine_for(case, NullSink())
    assert silent.run(LIMIT) == outcome
    assert state(silent) == state(watched)


@pytest.mark.long
def test_a_new_machine_runs_on_from_every_7th_instruction():
    """The CPUs hold a lock by LDAXR and STXR: what the exclusive monitor holds is part of a snapshot."""
    case = next(case for case in CASES if case.name == "19-smp-gicv2")
    uncut, _, expected = run(case)
    recorded = RecordingSink()
    first, last = machine_for(case, recorded), state(uncut)
    while not first.step(7) and first.retired < LIMIT:
        sink = RecordingSink()
        second = machine_for(case, sink)
        second.restore(first.snapshot())
        before, heard = len(trace(recorded)), len(sink.events)
        second.run(LIMIT)
        assert trace(sink)[heard:] == expected[before:], first.retired
        assert state(second) == last
