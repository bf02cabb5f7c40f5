"""Sessions of VMs and of machines with other parts, for the panels that show those."""

from __future__ import annotations

from functools import lru_cache

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration, VirtualMachine
from arm_hyp.runner.messages import Run
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import ExceptionRow, ExceptionsAnswer
from arm_hyp.timeline.process.session import Session

SIZES = ((38, 8), (60, 12), (100, 30))
"""Width and height of the pictures of every panel."""


@lru_cache(maxsize=8)
def vms_session(guest: str, vms: int = 1, gic: int = 3, vcpus: int = 1, cpus: int = 1) -> Session:
    """Return a session of a guest in several VMs, called a, b, c, that has run to its end."""
    image = str(guests_directory() / guest)
    made = tuple(
        VirtualMachine(name="abc"[index], image=image, memory_bytes=16 << 20, vcpus=vcpus) for index in range(vms)
    )
    session = Session(Configuration(hypervisor="", gic=gic, cpus=cpus, vms=made))
    session.send(Run(200_000))
    return session


@lru_cache(maxsize=8)
def machine_session(guest: str, gic: int = 2, cpus: int = 1) -> Session:
    """Return a session of a guest on the bare machine that has run to its end."""
    image = str(guests_directory() / guest)
    session = Session(Configuration(image=image, memory_bytes=4 << 20, gic=gic, cpus=cpus))
    session.send(Run(200_000))
    return session


def seek(session: Session, n: int, seq: int = 0) -> None:
    session.send(ask.Seek(Position(n, seq)))


def exceptions(session: Session) -> tuple[ExceptionRow, ...]:
    """Return the exceptions of a run, without the returns."""
    found = session.send(ask.Exceptions())
    assert isinstance(found, ExceptionsAnswer)
    return tuple(row for row in found.rows if row.what == "taken")
