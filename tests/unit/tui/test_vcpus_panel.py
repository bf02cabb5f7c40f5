"""The panel `vcpus`: two VMs on one CPU, and the rule of who is next."""

from __future__ import annotations

from dataclasses import replace

import pytest
from view_support import PLAIN, check_text, text_of, view_of
from vm_views import SIZES, exceptions, machine_session, seek, vms_session

from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import VcpusAnswer, VcpuState
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.vcpus import VcpusPanel, next_on
from arm_hyp.tui.view import View

GUEST = "26-virtual-timer.s"


def two_vms(panel: VcpusPanel, n: int = 350) -> View:
    session = vms_session(GUEST, 2)
    seek(session, n)
    return view_of(session, [panel], ask.Whose(0, vm=0))


def vcpu(
    name: str, runtime_ns: int, state: str = "ready", cpu: int | None = None, pins: tuple[int, ...] = ()
) -> VcpuState:
    return VcpuState(0, 0, name, state, cpu, 0, 1024, pins, runtime_ns, runtime_ns, 0)


@pytest.mark.parametrize("size", SIZES)
def test_two_vcpus_look_like_this(size: tuple[int, int], regenerate: bool):
    panel = VcpusPanel()
    check_text(f"vcpus/{size[0]}x{size[1]}", text_of(panel, two_vms(panel), *size), regenerate)


def test_the_next_vcpu_is_the_ready_one_that_ran_least():
    a, b, c = vcpu("a", 300), vcpu("b", 100, "blocked"), vcpu("c", 200)
    assert next_on(0, (a, b, c)) is c
    assert next_on(0, (b,)) is None


def test_a_vcpu_that_is_pinned_or_loaded_elsewhere_is_not_next():
    pinned, loaded, free = vcpu("p", 1, pins=(1,)), vcpu("l", 2, cpu=1), vcpu("f", 3)
    assert next_on(0, (pinned, loaded, free)) is free
    assert next_on(1, (pinned, loaded, free)) is pinned


def test_who_is_next_is_said_at_the_vcpu_and_at_the_cpu():
    panel = VcpusPanel()
    view = two_vms(panel)
    vcpus = VcpusAnswer((vcpu("a/vcpu0", 300, "running", cpu=0), vcpu("b/vcpu0", 100)))
    text = text_of(panel, replace(view, answers={ask.Vcpus(): vcpus}), 100, 12, PLAIN)
    assert "b/vcpu0  o ready, next" in text and "with a/vcpu0, next b/vcpu0" in text
    assert " 75%" in text and " 25%" in text


def test_a_cpu_at_el2_runs_python_not_code():
    session, panel = vms_session(GUEST, 2), VcpusPanel()
    row = next(row for row in exceptions(session) if row.to_el == 2)
    seek(session, *row.position)
    assert "CPU 0 EL2 Python with a/vcpu0, next b/vcpu0" in text_of(panel, view_of(session, [panel]), 60, 12)


def test_names_stand_for_their_vcpus_and_the_one_looked_at_is_marked():
    panel, look = VcpusPanel(), Look()
    lines = panel.lines(two_vms(panel), 60, 12, look)
    metas = [span.style.meta.get("look") for line in lines for span in line.spans if not isinstance(span.style, str)]
    assert [meta for meta in metas if meta] == [(0, 0), (1, 0), (None, 0)]
    assert "reverse" in str(lines[1].spans[0].style) and "reverse" not in str(lines[2].spans[0].style)


def test_without_vcpus_the_cpus_are_shown_and_how_to_get_some():
    session, panel = machine_session("05-stage2-faults.s"), VcpusPanel()
    text = text_of(panel, view_of(session, [panel]), 60, 12)
    assert text.startswith("CPU 0 EL") and "No vCPUs here" in text


def test_a_view_has_the_symbols_of_the_vm_that_is_looked_at():
    assert two_vms(VcpusPanel()).subject.symbols.address_of("_start") is not None
    on_cpu = view_of(vms_session(GUEST, 2), [])
    assert on_cpu.status.cpus[0].vm is not None
    assert on_cpu.subject.symbols.address_of("_start") is not None


def test_what_a_vcpu_ran_counts_while_it_runs():
    seek(vms_session(GUEST, 2), 100)
    earlier, later = two_vms(VcpusPanel(), 100), two_vms(VcpusPanel(), 101)
    ran = [sum(one.ran_ns for one in view.get(ask.Vcpus(), VcpusAnswer).vcpus) for view in (earlier, later)]
    assert ran[1] - ran[0] == later.status.time_ns - earlier.status.time_ns > 0
