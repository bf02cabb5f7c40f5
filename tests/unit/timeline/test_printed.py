"""Which instruction printed a byte, against a run that is stepped while its console is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from process_support import SMALL, state
from turns_support import OF_VMS

from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Failed, PrintedAnswer
from arm_hyp.timeline.process.session import Session

PRINTS = """
        ldr     x9, =0x09000000
        adr     x8, text
1:      ldrb    w10, [x8], #1
        cbz     w10, 2f
        str     w10, [x9]
        add     x11, x11, #1
        b       1b
2:      ldr     x0, =0x84000008
        hvc     #0
text:   .asciz "one\\ntwo\\n\\nthree"
"""


def made(path: Path, name: str) -> Configuration:
    if name in OF_VMS:
        return OF_VMS[name]
    (path / "g.s").write_text(PRINTS)
    hypervisor = "" if name == "vm" else None
    return Configuration(image=str(path / "g.s"), memory_bytes=SMALL, hypervisor=hypervisor)


def oracle(configuration: Configuration, vm: int) -> list[Position]:
    """Return for each byte the last place where a run that only goes forward has not printed it."""
    timeline, places = Session(configuration).timeline, list[Position]()
    while (before := timeline.position).n < 2000 and timeline.step() > before:
        new = len(timeline.runner.consoles[vm]) - len(places)
        places += [before] * new
    return places


@pytest.mark.parametrize("name", ["bare", "vm", "neighbours"])
def test_a_byte_is_printed_by_the_instruction_that_is_found(name: str, tmp_path: Path) -> None:
    configuration = made(tmp_path, name)
    for vm in range(max(1, len(configuration.vms))):
        places, session = oracle(configuration, vm), Session(configuration)
        session.send(ask.Seek(Position(2000)))
        session.send(ask.StepBack())  # at an end there are two states: the end comes without an event
        before = session.timeline.position, state(session)
        assert len(places) > 5
        found = [session.send(ask.PrintedBy(offset, vm)) for offset in range(len(places))]
        assert found == [PrintedAnswer(place) for place in places]
        assert (session.timeline.position, state(session)) == before


def test_a_byte_of_a_branch_is_found_too(tmp_path: Path) -> None:
    configuration = made(tmp_path, "vm")
    places, session = oracle(configuration, 0), Session(configuration)
    session.send(ask.Seek(Position(2000)))
    session.send(ask.Seek(places[6]))
    session.send(ask.Branch())
    session.send(ask.Seek(Position(2000)))
    assert [session.send(ask.PrintedBy(offset)) for offset in (5, 12)] == [PrintedAnswer(places[i]) for i in (5, 12)]


@pytest.mark.parametrize(("offset", "vm"), [(14, 0), (-1, 0), (0, 1)])
def test_what_is_not_printed_yet_is_refused(offset: int, vm: int, tmp_path: Path) -> None:
    session = Session(made(tmp_path, "bare"))
    session.send(ask.Seek(Position(2000)))
    assert isinstance(session.send(ask.PrintedBy(offset, vm)), Failed)
