"""A user's handlers in a timeline: called once for what is new, never for what is repeated, and again on a branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from arm_hyp.events import RecordingSink
from arm_hyp.kvm_events import HandlerEffect, HandlerOutput
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Edit, Poke
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.timeline import Timeline

HANDLERS = """
from arm_hyp.hypervisor import *

@handler(EC.WFX)
def wfx(vcpu, exit):
    with open(__file__ + ".called", "a") as file:
        file.write("x")
    vcpu.data["n"] = vcpu.data.get("n", 0) + vcpu.vm.read_ipa(0x40100000, 1)[0] + 1
    print("n is", vcpu.data["n"])
    vcpu.skip_instruction()
"""
GUEST = "mov x1, #6\n1: wfi\n sub x1, x1, #1\n cbnz x1, 1b\nldr x0, =0x84000008\nhvc #0\n"
END = 14


class Made:
    """A timeline of six waits, and of the instruction behind them."""

    def __init__(self, path: Path) -> None:
        (path / "h.py").write_text(HANDLERS)
        (path / "g.s").write_text(GUEST)
        self._mark = path / "h.py.called"
        self.sink = RecordingSink()
        self.timeline = Timeline(Configuration(image=str(path / "g.s"), hypervisor=str(path / "h.py")), sink=self.sink)
        self.timeline.run(END)

    @property
    def calls(self) -> int:
        """How often the user's function was called."""
        return len(self._mark.read_text())

    @property
    def n(self) -> int:
        """What the handler counts."""
        hypervisor = self.timeline.runner.hypervisor
        assert hypervisor is not None
        return int(hypervisor.vms[0].vcpus[0].data.get("n", 0))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_going_back_and_on_calls_nobody(made: Made) -> None:
    timeline = made.timeline
    end, events = repr(timeline.runner.snapshot()), len(made.sink.events)
    for n in (5, 12, 3, 8, 0, 7):
        timeline.seek(Position(n))
    timeline.seek(timeline.frontier)
    assert (made.calls, made.n, len(made.sink.events)) == (6, 6, events)
    assert repr(timeline.runner.snapshot()) == end


def test_a_stretch_that_is_repeated_tells_the_same_events(made: Made) -> None:
    heard = RecordingSink()
    made.timeline.replay(Position(0), made.timeline.frontier, sink=heard)
    kinds = HandlerEffect | HandlerOutput
    told, again = ([e for e in sink.events if isinstance(e, kinds)] for sink in (made.sink, heard))
    assert repr(again) == repr(told) and len(told) == 12 and made.calls == 6


def test_every_effect_has_a_position_to_go_to(made: Made) -> None:
    for index, event in enumerate(e for e in made.sink.events if isinstance(e, HandlerEffect)):
        made.timeline.seek(Position(event.n, event.seq))
        assert made.n == index + 1


def test_a_branch_calls_the_handlers_again_and_the_other_one_keeps_its_own(made: Made) -> None:
    timeline = made.timeline
    end = repr(timeline.runner.snapshot())
    timeline.seek(Position(4))
    before = made.n
    timeline.edit(Poke(0x40100000, b"\x0a", 0))
    timeline.run(END)
    assert (made.calls, made.n) == (6 + 6 - before, before + 11 * (6 - before))
    timeline.switch("main")
    assert repr(timeline.runner.snapshot()) == end
    timeline.switch("branch1")
    assert (made.calls, made.n) == (6 + 6 - before, before + 11 * (6 - before))


def test_an_edit_at_the_end_calls_nobody(made: Made) -> None:
    made.timeline.edit(Edit(("X3=5",)))
    made.timeline.seek(Position(0))
    made.timeline.seek(made.timeline.frontier)
    assert made.calls == 6
