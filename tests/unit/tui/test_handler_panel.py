"""The panel `handler`: a handler that counts, one that fails, an exit that none takes, and no hypervisor at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from view_support import check_text, text_of, view_of
from vm_views import SIZES, exceptions, machine_session, seek

from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Run
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.exit_answers import HandlerAnswer
from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.handler import HandlerPanel
from arm_hyp.tui.panels.handler_source import function_range
from arm_hyp.tui.view import View

GUEST = "mov x1, #3\n1: wfi\n sub x1, x1, #1\n cbnz x1, 1b\nldr x0, =0x84000008\nhvc #0\n"
HANDLERS = '''from arm_hyp.hypervisor import *

@handler(EC.WFX)
def wfx(vcpu, exit):
    """Let it wait twice."""
    times = vcpu.data["times"] = vcpu.data.get("times", 0) + 1
    print("look", times)
    if times == 2:
        print("\\x1b[31mred")
        vcpu.skip_instruction()
    elif times == 4:
        print([][times])
    else:
        seen = [1, 2]


LATER = 1
'''
WFX = 1


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder: Path = tmp_path_factory.mktemp("handlers")
    (folder / "mine.py").write_text(HANDLERS)
    (folder / "g.s").write_text(GUEST)
    made = Session(Configuration(image=str(folder / "g.s"), memory_bytes=4 << 20, hypervisor=str(folder / "mine.py")))
    made.send(Run(1000))
    return made


def at_wait(session: Session, panel: HandlerPanel, number: int) -> View:
    """Return a view of an exit for WFI, counted from 1."""
    waits = [row for row in exceptions(session) if row.esr is not None and row.esr >> 26 == WFX]
    seek(session, *waits[number - 1].position)
    return view_of(session, [panel])


@pytest.mark.parametrize("size", SIZES)
def test_an_exit_looks_like_this(session: Session, size: tuple[int, int], regenerate: bool):
    panel = HandlerPanel()
    check_text(f"handler/{size[0]}x{size[1]}", text_of(panel, at_wait(session, panel, 2), *size), regenerate)


def test_the_line_that_ran_last_is_marked_and_prints_stand_at_their_lines(session: Session):
    panel = HandlerPanel()
    lines = text_of(panel, at_wait(session, panel, 1), 80, 30).splitlines()
    assert lines[1] == "@handler(EC.WFX)  wfx mine.py:3"
    assert '7 ●     print("look", times)  prints look 1' in lines[6]
    assert [line.strip() for line in lines if "→" in line] == ["14 →         seen = [1, 2]"]
    assert lines[-2:] == ["locals  times = 1   seen = [1, 2]", "did     nothing to the guest"]


def test_what_it_did_is_said_and_what_it_printed_is_not_obeyed(session: Session):
    panel = HandlerPanel()
    text = text_of(panel, at_wait(session, panel, 2), 80, 30)
    assert "prints ^[[31mred" in text and "did     skip_instruction()" in text


def test_a_failure_stands_before_the_source_and_at_its_line(session: Session):
    panel = HandlerPanel()
    lines = text_of(panel, at_wait(session, panel, 4), 80, 30).splitlines()
    assert lines[2].startswith("✗ IndexError")
    assert any(line.startswith("12 ✗         print([][times])") for line in lines)


def test_the_exit_is_a_place_to_go_to(session: Session):
    panel = HandlerPanel()
    view = at_wait(session, panel, 1)
    style = panel.lines(view, 60, 12, Look())[0].style
    assert style.meta == {"go": tuple(view.position)}  # type: ignore[union-attr]


def test_an_exit_that_is_not_for_the_user_says_so(session: Session):
    panel = HandlerPanel()
    seek(session, *exceptions(session)[0].position)
    text = text_of(panel, view_of(session, [panel]), 60, 12)
    assert text.startswith("the exit at 0.2 of vm0/vcpu0\nThe library's own handlers took this exit")


def test_a_source_that_is_lost_is_said(session: Session):
    panel = HandlerPanel()
    view = at_wait(session, panel, 1)
    message = ask.HandlerAt(view.position)
    found = view.get(message, HandlerAnswer)
    assert found is not None
    view = replace(view, answers={message: structs.replace(found, sources={})})
    assert "The text of its file is not known any more." in text_of(panel, view, 60, 12)


def test_without_a_hypervisor_in_python_it_says_how_to_have_one():
    panel = HandlerPanel()
    assert text_of(panel, view_of(machine_session("05-stage2-faults.s"), [panel]), 60, 12).startswith(
        "No exit was handled"
    )


@pytest.mark.parametrize(
    ("source", "first", "lines"),
    [
        ("@a\n@b\ndef f(\n    x,\n):\n\n    pass\n\n\ny = 1\n", 1, (1, 8)),
        ("x = 1\ndef f(): pass\ndef g(): pass\n", 2, (2, 3)),
        ("class A:\n    def f(self):\n        pass\n    def g(self): pass\n", 2, (2, 4)),
        ("pass\n", 7, (1, 1)),
    ],
)
def test_a_function_ends_where_its_body_ends(source: str, first: int, lines: tuple[int, int]):
    assert function_range(source.splitlines(), first) == lines
