"""Guests, handlers and helpers for the tests of the machine process."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from pathlib import Path

from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Answer, ConsoleAnswer, Hash
from arm_hyp.timeline.process.pipe import Progress
from arm_hyp.timeline.process.process import MachineProcess
from arm_hyp.timeline.process.session import Session

SMALL = 4 << 20
FOREVER = 1 << 60
PATIENCE_S, MOST_HEARD = 120, 1000
"""A test that would hang fails instead: where nothing is heard, and where it is the same for ever."""
BUSY = """
_start: adr     x1, table
1:      add     x0, x0, #1
        str     x0, [x1, x0, lsl #3]
        and     x0, x0, #0xfff
        b       1b
        .balign 4096
table:  .space  65536
"""
ECHO = """
_start: ldr     x1, =0x09000000
1:      ldr     w2, [x1, #0x18]         // FR
        tbnz    w2, #4, 2f              // nothing there
        ldr     w0, [x1]
        strb    w0, [x1]
2:      add     x11, x11, #1
        b       1b
"""
WAITING_ECHO = """
_start: ldr     x1, =0x09000000
        mov     w2, #0x10
        str     w2, [x1, #0x38]         // IMSC: receive
        ldr     x3, =0x08000000         // GICD
        mov     w2, #1
        str     w2, [x3]
        mov     w2, #2
        str     w2, [x3, #0x104]        // ISENABLER1: INTID 33
        ldr     x4, =0x08010000         // GICC
        mov     w2, #0xff
        str     w2, [x4, #4]
        mov     w2, #1
        str     w2, [x4]
        mov     w5, #0x821
        strb    w2, [x3, x5]            // ITARGETSR: CPU 0
        mov     x5, #0x38               // physical interrupts come here
        msr     hcr_el2, x5
1:      wfi
        ldr     w0, [x1]
        strb    w0, [x1]
        b       1b
"""
WAITS = "mov x1, #6\n1: wfi\n sub x1, x1, #1\n cbnz x1, 1b\nldr x0, =0x84000008\nhvc #0\n"
HANDLERS = """
from arm_hyp.hypervisor import *

@handler(EC.WFX)
def wfx(vcpu, exit):
    n = vcpu.data["n"] = vcpu.data.get("n", 0) + 1
    with open(__file__ + ".called", "a") as file:
        file.write("x")
    if n == HANGS_AT:
        with open(__file__ + ".fifo", "w") as file:
            file.write("x")
        sum(range(10 ** 12))
    vcpu.skip_instruction()
"""
HANGING_LINES = range(10, 13)
"""From the `with` at whose end the test goes on."""


def hear(process: MachineProcess) -> Iterator[None]:
    """Wait for what a process says, again and again; the answer is not expected."""
    for _ in range(MOST_HEARD):
        assert select.select([process], [], [], PATIENCE_S)[0], "nothing is heard"
        assert process.poll() is None
        yield
    raise AssertionError("what was waited for does not come")


def wait_for_progress(process: MachineProcess, is_enough: Callable[[Progress], bool]) -> Progress:
    """Wait until something was heard of what is being done."""
    return next(progress for _ in hear(process) if (progress := process.progress) is not None and is_enough(progress))


def wait_for_text(process: MachineProcess, end: str) -> None:
    """Wait until the guest has printed something, whose events are subscribed to."""
    heard = ""
    for _ in hear(process):
        heard += "".join(str(event["text"]) for event in process.take_events().events)
        if heard.endswith(end):
            return


def has_advanced(progress: Progress) -> bool:
    return progress.position.n > 0


def state(who: MachineProcess | Session) -> bytes:
    answer = who.send(ask.StateHash())
    assert isinstance(answer, Hash)
    return answer.digest


def straight(configuration: Configuration, position: Position) -> bytes:
    """Return the state of a run that only went forward."""
    session = Session(configuration)
    session.send(ask.Seek(position))
    return state(session)


def text_of(answer: Answer) -> bytes:
    assert isinstance(answer, ConsoleAnswer)
    return b"".join(chunk.data for chunk in answer.chunks)


def with_handlers(path: Path, hangs_at: int) -> Configuration:
    (path / "h.py").write_text(HANDLERS.replace("HANGS_AT", str(hangs_at)))
    (path / "g.s").write_text(WAITS)
    return Configuration(image=str(path / "g.s"), memory_bytes=SMALL, hypervisor=str(path / "h.py"))


def calls(path: Path) -> int:
    return len((path / "h.py.called").read_text())
