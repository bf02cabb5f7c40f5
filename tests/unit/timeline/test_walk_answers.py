"""What a walk that is read says beyond its descriptors: its tables' register, how much they cover, why it failed."""

from __future__ import annotations

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import WalkAnswer
from arm_hyp.timeline.process.session import Session

NOT_MAPPED = 0x8000_0000
VCPU = ask.Whose(0, vm=0)


def walked(session: Session, va: int, whose: ask.Whose = ask.CPU0) -> WalkAnswer:
    found = session.send(ask.Walk(va, whose=whose))
    assert isinstance(found, WalkAnswer)
    return found


def test_a_stage_that_is_off_has_no_tables():
    session = Session(Configuration(image=str(guests_directory() / "05-stage2-faults.s"), memory_bytes=4 << 20))
    found = walked(session, 0x4008_0000)
    assert (found.base_register, found.input_bits, found.reason) == ("", 0, "")


def test_a_walk_names_its_tables_and_says_why_it_failed():
    image = str(guests_directory() / "25-demand-paging.s")
    session = Session(Configuration(image=image, hypervisor="", memory_bytes=16 << 20))
    session.send(ask.Seek(Position(91)))
    found = walked(session, NOT_MAPPED, VCPU)
    assert (found.base_register, found.fault, found.reason) == (
        "TTBR0_EL1",
        ("TRANSLATION", 2, 1),
        "its bit 0 is clear, so it is invalid",
    )
    nested = found.steps[0].stage2
    assert nested is not None and (nested.base_register, nested.reason) == ("VTTBR_EL2", "")
    assert nested.input_bits >= 32
