"""A guest that needs handlers, and jobs for the sandbox with handlers from a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arm_hyp.course.sandbox import Job, Limits, Outcome, run_student
from arm_hyp.runner.configuration import Configuration

GUEST = """
_start: ldr     x0, =0xC6000001         // a call: X0 = X1 + X2
        mov     x1, #40
        mov     x2, #2
        hvc     #0
        mov     x20, x0
        wfi
        ldr     x0, =0x84000008         // PSCI SYSTEM_OFF
        hvc     #0
"""
GOOD = """
from arm_hyp.hypervisor import *

@hypercall(0xC600_0001)
def add(vcpu, call):
    return call.args[0] + call.args[1]

@handler(EC.WFX)
def on_wfx(vcpu, exit):
    vcpu.skip_instruction()
"""
QUICK = Limits(cpu_s=2)


def job(folder: Path, text: str, **others: Any) -> Job:
    """Return a job with these handlers."""
    guest, handlers = folder / "guest.s", folder / "handlers.py"
    guest.write_text(GUEST)
    handlers.write_text(text)
    made = Configuration(image=str(guest), memory_bytes=16 << 20)
    return Job(configuration=made, handlers=str(handlers), limit=10_000, **others)


def run(folder: Path, text: str, limits: Limits = QUICK, **others: Any) -> Outcome:
    """Run handlers in the sandbox."""
    return run_student(job(folder, text, **others), limits)
