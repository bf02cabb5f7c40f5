"""The panel `stage2` on a VM that touches memory for the first time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs
from view_support import PLAIN, check_text, text_of, view_of
from vm_views import SIZES, exceptions, machine_session, seek, vms_session

from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Stage2Answer
from arm_hyp.tui.panels.stage2 import Stage2Panel
from arm_hyp.tui.view import View

GUEST = "25-demand-paging.s"


def at_fault(far: int, panel: Stage2Panel) -> View:
    session = vms_session(GUEST, 2)
    row = next(row for row in exceptions(session) if row.far == far)
    seek(session, *row.position)
    return view_of(session, [panel])


@pytest.mark.parametrize("size", SIZES)
def test_a_map_looks_like_this(size: tuple[int, int], regenerate: bool):
    panel = Stage2Panel()
    text = text_of(panel, at_fault(0x4060_0100, panel), *size)
    check_text(f"stage2/{size[0]}x{size[1]}", text, regenerate)


def test_an_address_that_is_not_mapped_is_marked_in_the_bar_and_said():
    panel = Stage2Panel()
    lines = text_of(panel, at_fault(0x4040_0008, panel), 64, 12, PLAIN).splitlines()
    assert lines[1] == "x the abort at the cursor: IPA 4040_0008 is not mapped"
    bar = "@" * 16 + "." * 16 + "x" + "." * 31
    assert lines[2] == bar  # 2 of 8 MiB are mapped, and the fault is in the middle of all


def test_a_forbidden_access_is_marked_at_its_range():
    panel = Stage2Panel()
    lines = text_of(panel, at_fault(0x4060_0100, panel), 60, 12).splitlines()
    assert "is mapped RW- only" in lines[1]
    assert [line[:10] for line in lines if line.startswith("✗")] == ["✗ the abor", "✗4040_0000"]


def test_the_fault_of_one_vm_is_not_shown_in_the_map_of_another():
    panel = Stage2Panel()
    view = at_fault(0x4060_0100, panel)
    assert panel.heading(view) == "stage 2 of a (1 of 2)"
    panel.next_vm(view)
    view = view_of(vms_session(GUEST, 2), [panel])
    assert panel.heading(view) == "stage 2 of b (2 of 2)"
    assert "✗" not in text_of(panel, view, 60, 12)
    panel.next_vm(view)
    assert panel.vm_of(view) == 0


def test_a_vm_with_nothing_mapped_says_what_will_come():
    session, panel = vms_session("27-neighbours.s", 2), Stage2Panel()
    seek(session, 0)
    view = view_of(session, [panel])
    found = view.get(ask.Stage2Map(0), Stage2Answer)
    assert found is not None
    view = replace(view, answers={**view.answers, ask.Stage2Map(0): structs.replace(found, ranges=())})
    assert "Nothing is mapped yet" in text_of(panel, view, 60, 12)


def test_without_vms_it_says_how_to_get_one():
    session, panel = machine_session("05-stage2-faults.s"), Stage2Panel()
    assert text_of(panel, view_of(session, [panel]), 60, 12).startswith("No VM here")
