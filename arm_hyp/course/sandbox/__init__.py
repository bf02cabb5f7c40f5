"""Run a student's handlers where they can do no harm, and take nothing back but what they did at each exit.

Read `hypervisor/student/effects.py` before this package, ADR 12 for why it is so. `types.py` (what goes in and comes
out), then `run.py`, which does it from the outside.

    outcome = run_student(Job(configuration, handlers="wfi.py", limit=1_000_000))
    if outcome.status == "ran":
        runner = Runner(job.configuration_for_replay, recorded=outcome.handlers())

Nothing in an outcome is to be believed. What the student's handlers did is judged by a replay in a process that never
imported them.
"""

from arm_hyp.course.sandbox.run import run_student, start_ahead
from arm_hyp.course.sandbox.types import Job, Limits, Outcome, Status

__all__ = ["Job", "Limits", "Outcome", "Status", "run_student", "start_ahead"]
