"""Each rule of `--check` has a guest that breaks it and one that looks alike and is right; nothing else raises any.

Guests of `guests/checks/`: `hypNNN-wrong.s` and `hypNNN-right.s`, by the code of the rule in their name.
"""

import pytest
from golden_support import BASE, CASES, LIMIT, Case, machine_for, one_of_each_guest
from golden_support import trace as lines_of
from vm_support import CASES as VM_CASES
from vm_support import LIMIT as VM_LIMIT
from vm_support import VmCase, hypervisor_for

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import Barrier, EventSink, FanOut, RecordingSink, TranslationWrite
from arm_hyp.explain.checkers import ALL_CODES, RULES, Finding, MachineWitness, Watch
from arm_hyp.hypervisor.stage2.tlb import MachineTlb
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


@one_of_each_guest(CASES)
def test_cut_at_every_instruction_they_hear_and_find_the_same(case: Case):
    heard: list[list[str]] = []
    found: list[list[Finding]] = []
    for size in (LIMIT, 1):
        sink, fan = RecordingSink(), FanOut()
        machine = machine_for(case, fan)
        watch = Watch(MachineWitness(machine))
        fan.sinks = (sink, watch)
        while not machine.step(size) and machine.retired < LIMIT:
            pass
        heard.append(lines_of(sink))
        found.append(watch.findings)
    assert heard[0] == heard[1]
    assert found[0] == found[1]


# --- virtual machines, and the hypervisor in Python -------------------------------------------------------------------


@pytest.mark.parametrize("case", VM_CASES, ids=lambda case: case.name)
def test_the_hypervisor_in_python_and_its_guests_break_no_rule_and_are_not_changed(case: VmCase):
    alone, beside = RecordingSink(), RecordingSink()
    fan = FanOut(beside)  # it hears how the hypervisor is made, too
    unchecked, checked = hypervisor_for(case, alone), hypervisor_for(case, fan)
    unchecked.machine.run(VM_LIMIT)
    watch = Watch(MachineWitness(checked.machine))
    fan.sinks = (beside, watch)
    checked.machine.run(VM_LIMIT)
    assert watch.findings == []
    beside.events = [event for event in beside.events if not isinstance(event, ON_REQUEST)]
    assert lines_of(beside) == lines_of(alone)
    assert checked.snapshot() == unchecked.snapshot()
    assert checked.machine.snapshot() == unchecked.machine.snapshot()


@pytest.mark.parametrize("forgotten", [(), ("TLBI IPAS2E1IS",), ("TLBI VMALLE1IS",)])
def test_a_hypervisor_that_takes_a_page_and_forgets_a_tlbi_is_found(
    forgotten: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    fan = FanOut()
    hypervisor = hypervisor_for(next(case for case in VM_CASES if case.name == "25-demand-paging"), fan)
    watch = Watch(MachineWitness(hypervisor.machine), {"HYP014"})
    fan.sinks = (watch,)
    hypervisor.machine.step(60)
    execute = MachineTlb._execute

    def forget(tlb: MachineTlb, name: str, operand: int) -> None:
        if name not in forgotten:
            execute(tlb, name, operand)

    monkeypatch.setattr(MachineTlb, "_execute", forget)
    hypervisor.vms[0].stage2.unmap(0x40A0_0000, 2 << 20)  # the guest has used it, and will not again
    hypervisor.machine.run(VM_LIMIT)
    assert [finding.code for finding in watch.findings] == (["HYP014"] if forgotten else [])
