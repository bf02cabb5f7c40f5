"""VMs under the hypervisor: each guest's trace is the one in `expected/vms/`, and who watches changes nothing.

`NAME.jsonl` is the whole trace; for `IN_WORDS` there are also `NAME.text` and `NAME.kvm`, as `--trace-format` writes
them. Regenerate with `pytest tests/golden --regenerate-golden`, and read the difference before you commit it.
"""

import io
import json
from pathlib import Path

import pytest
from golden_support import FIRST_FOR_VMS, one_of_each_guest, trace
from test_cut import state as machine_state
from vm_support import CASES, LIMIT, VmCase, hypervisor_for, restore, run, saved

from arm_hyp.cli.trace_sinks import trace_sink
from arm_hyp.cpu import counting
from arm_hyp.debug.exports.formats import Source
from arm_hyp.events import NullSink, RecordingSink
from arm_hyp.hypervisor.hypervisor import Hypervisor
from arm_hyp.resources import guests_directory

EXPECTED = Path(__file__).parent / "expected" / "vms"
IN_WORDS = ("25-demand-paging", "28-vm-smp-1cpu-gicv3")
FORMS = ("text", "kvm")
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_guest = one_of_each_guest(CASES)


def state(hypervisor: Hypervisor) -> dict[str, object]:
    """Everything that a run can have changed."""
    return machine_state(hypervisor.machine) | {"hypervisor": hypervisor.snapshot()}


def without_the_end(lines: list[str]) -> list[str]:
    return [line for line in lines if '"event":"ended"' not in line]


# --- golden -----------------------------------------------------------------------------------------------------------


@every_case
def test_a_guest_of_a_vm_passes_and_produces_its_trace(case: VmCase, regenerate: bool):
    _, hypervisor, outcome, lines = run(case)
    assert (outcome.reason, outcome.status) == ("guest", 0), outcome.text
    assert [bytes(vm.devices.console) for vm in hypervisor.vms] == [b"PASS\n"] * case.vms
    path = EXPECTED / f"{case.name}.jsonl"
    if regenerate:
        path.write_text("".join(line + "\n" for line in lines))
    assert lines == path.read_text().splitlines()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", IN_WORDS)
def test_a_trace_reads_the_same_in_words(name: str, form: str, regenerate: bool):
    case = next(case for case in CASES if case.name == name)
    written = io.StringIO()
    sink = trace_sink(form, written, Source(lambda event: event.n))
    hypervisor_for(case, sink).machine.run(LIMIT)
    sink.close()
    path = EXPECTED / f"{name}.{form}"
    if regenerate:
        path.write_text(written.getvalue())
    assert written.getvalue() == path.read_text()


def test_every_expected_trace_belongs_to_a_case():
    wanted = {f"{case.name}.jsonl" for case in CASES} | {f"{name}.{form}" for name in IN_WORDS for form in FORMS}
    assert {path.name for path in EXPECTED.iterdir()} == wanted


def test_every_guest_for_vms_has_a_case():
    guests = {path.stem for path in guests_directory().glob("*.s") if int(path.name[:2]) >= FIRST_FOR_VMS}
    assert guests == {case.guest for case in CASES}


@every_case
def test_positions_and_time_never_go_back(case: VmCase):
    events = [json.loads(line) for line in run(case)[3]]
    positions = [(event["n"], event["seq"]) for event in events]
    assert positions == sorted(positions)
    times = [event["time_ns"] for event in events if "time_ns" in event and "vcpu" in event]
    assert times == sorted(times)


@pytest.mark.parametrize("list_registers", [1, 2, 4, 16])
@pytest.mark.parametrize("gic", [2, 3])
def test_interrupts_come_in_the_same_order_with_any_number_of_list_registers(gic: int, list_registers: int):
    _, hypervisor, outcome, _ = run(VmCase("", "31-many-spis", gic=gic, list_registers=list_registers))
    assert (outcome.reason, outcome.status) == ("guest", 0), outcome.text
    expected = sorted(range(32, 64), key=lambda intid: (intid * 7 % 31, intid))
    assert [*hypervisor.vms[0].read_ipa(0x4020_0000, 33)] == [*expected, 0]


# --- who watches changes nothing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, *(pytest.param(size, marks=pytest.mark.long) for size in (2, 3))])
@each_guest
def test_cut_in_slices_of_any_size_a_run_is_the_same(case: VmCase, size: int):
    _, uncut, _, expected = run(case)
    sink = RecordingSink()
    cut = hypervisor_for(case, sink)
    while not cut.machine.step(size) and cut.machine.retired < LIMIT:
        assert all(vcpu.pc >= 0 and vcpu.q(0) >= 0 for vcpu in cut.vcpus)  # to look leaves no mark
    assert trace(sink) == without_the_end(expected)
    assert state(cut) == state(uncut)


@every_case
def test_without_a_sink_the_run_is_the_same(case: VmCase):
    _, watched, outcome, _ = run(case)
    silent = hypervisor_for(case, NullSink())
    assert silent.machine.run(LIMIT) == outcome
    assert state(silent) == state(watched)


@pytest.mark.parametrize("size", [1, 7, LIMIT])
@each_guest
def test_ways_of_counting_give_the_same_run(case: VmCase, size: int, monkeypatch: pytest.MonkeyPatch):
    runs = []
    for way in ("python", *filter(counting.is_usable, counting.BY_BLOCK)):
        monkeypatch.setenv(counting.SWITCH, way)
        assert counting.way() == way
        sink = RecordingSink()
        hypervisor, ends = hypervisor_for(case, sink), []
        while not hypervisor.machine.step(size) and hypervisor.machine.retired < LIMIT:
            ends.append((hypervisor.machine.retired, hypervisor.machine.core.pc))
        runs.append((trace(sink), ends, state(hypervisor)))
    assert all(run == runs[0] for run in runs)


# --- state ------------------------------------------------------------------------------------------------------------


def points(length: int, count: int) -> list[int]:
    """Choose so many instructions of a run of a length, evenly."""
    return sorted({1 + (length - 2) * index // count for index in range(count)})


def assert_a_run_goes_on_from_its_states(case: VmCase, count: int) -> None:
    """Run on, go back, run on: the same end and the same trace. To run on does not change what was kept."""
    _, uncut, _, expected = run(case)
    last = state(uncut)
    for point in points(uncut.machine.retired, count):
        sink = RecordingSink()
        hypervisor = hypervisor_for(case, sink)
        hypervisor.machine.step(point)
        kept, heard = saved(hypervisor), len(sink.events)
        text = repr(kept)
        hypervisor.machine.run(LIMIT)
        assert repr(kept) == text, point
        restore(hypervisor, kept)
        assert saved(hypervisor) == kept, point
        again = len(sink.events)
        hypervisor.machine.run(LIMIT)
        assert trace(sink)[again:] == expected[heard:], point
        assert state(hypervisor) == last, point


@each_guest
def test_a_run_goes_on_from_a_state_as_it_went_on_before(case: VmCase):
    assert_a_run_goes_on_from_its_states(case, 6)


@pytest.mark.long
@every_case
def test_a_run_goes_on_from_many_states(case: VmCase):
    assert_a_run_goes_on_from_its_states(case, 12)


def assert_new_ones_go_on_from_its_states(case: VmCase, count: int) -> None:
    """Put the states of one run into machines and hypervisors made anew: the same end and the same trace."""
    _, uncut, _, expected = run(case)
    recorded = RecordingSink()
    first, last = hypervisor_for(case, recorded), state(uncut)
    for point in points(uncut.machine.retired, count):
        first.machine.step(point - first.machine.retired)
        sink = RecordingSink()
        second = hypervisor_for(case, sink)
        restore(second, saved(first))
        heard = len(sink.events)
        second.machine.run(LIMIT)
        assert trace(sink)[heard:] == expected[len(recorded.events) :], point
        assert state(second) == last, point


@each_guest
def test_a_new_machine_and_hypervisor_go_on_from_a_state(case: VmCase):
    assert_new_ones_go_on_from_its_states(case, 9)


@pytest.mark.long
@every_case
def test_new_machines_and_hypervisors_go_on_from_many_states(case: VmCase):
    assert_new_ones_go_on_from_its_states(case, 16)
