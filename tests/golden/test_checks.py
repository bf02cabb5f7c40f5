"""Each rule of `--check` has a guest that breaks it and one that looks alike and is right; nothing else raises any.

Guests of `guests/checks/`: `hypNNN-wrong.s` and `hypNNN-right.s`, by the code of the rule in their name.
"""

import pytest
from golden_support import BASE, CASES, LIMIT, Case, machine_for
from golden_support import trace as lines_of

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import Barrier, EventSink, FanOut, RecordingSink, TranslationWrite
from arm_hyp.explain.checkers import ALL_CODES, RULES, Finding, MachineWitness, Watch
from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.loader import Segment
from arm_hyp.machine.machine import Machine
from arm_hyp.resources import guests_directory

FOLDER = guests_directory() / "checks"
ON_REQUEST = (Barrier, TranslationWrite)
"""What is told only while a checker wants it; everybody hears it then."""
CODES = [rule.code for rule in RULES]
BREAKS_RULES_ON_PURPOSE = {
    "06-tge": {"HYP003"},
    "09-illegal-return": {"HYP003"},
    "11-undefined": {"HYP006"},
    "12-stale-tlb": {"HYP013"},
}
"""Guests that show what the hardware does then. Each finding is real."""


def machine_of(name: str, sink: EventSink) -> Machine:
    """Make a machine that is about to run a guest of `guests/checks/`."""
    path = FOLDER / f"{name}.s"
    code = assemble(path.read_text(), filename=path.name, base=BASE, path=path).code
    machine = Machine(sink=sink, memory_bytes=32 << 20, gic=3)
    machine.boot(BootPlan((Segment(BASE, code),), BASE))
    return machine


def watched(machine: Machine, fan: FanOut, *others: EventSink) -> Watch:
    """Run a machine to its end with all rules, and return what was found."""
    watch = Watch(MachineWitness(machine))
    fan.sinks = (*others, watch)
    machine.run(LIMIT)
    return watch


def found_in(name: str) -> list[Finding]:
    fan = FanOut()
    return watched(machine_of(name, fan), fan).findings


@pytest.mark.parametrize("code", CODES)
def test_a_guest_that_breaks_the_rule_is_found(code: str):
    findings = found_in(f"{code.lower()}-wrong")
    assert [finding.code for finding in findings] == [code], findings


@pytest.mark.parametrize("code", CODES)
def test_a_guest_that_looks_alike_raises_nothing_and_powers_off(code: str):
    fan = FanOut()
    machine = machine_of(f"{code.lower()}-right", fan)
    assert watched(machine, fan).findings == []
    assert machine.cpus.off is not None


def test_every_guest_belongs_to_a_rule():
    names = {path.stem for path in FOLDER.glob("*.s")}
    assert names == {f"{code.lower()}-{kind}" for code in ALL_CODES for kind in ("wrong", "right")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_other_guests_break_only_what_they_mean_to(case: Case):
    fan = FanOut()
    findings = watched(machine_for(case, fan), fan).findings
    assert {finding.code for finding in findings} == BREAKS_RULES_ON_PURPOSE.get(case.guest, set()), findings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_checkers_change_nothing(case: Case):
    alone, beside, fan = RecordingSink(), RecordingSink(), FanOut()
    unchecked, checked = machine_for(case, alone), machine_for(case, fan)
    unchecked.run(LIMIT)
    watched(checked, fan, beside)
    beside.events = [event for event in beside.events if not isinstance(event, ON_REQUEST)]
    assert lines_of(beside) == lines_of(alone)
    assert checked.snapshot() == unchecked.snapshot()
