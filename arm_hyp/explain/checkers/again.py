"""The rules, asked about a run that is over: it is run again, from its configuration, while they watch.

Read `explain/checkers/watch.py` before this file. For whoever judges a run that nobody watched.
"""

from __future__ import annotations

from collections.abc import Iterable

from arm_hyp.events import FanOut
from arm_hyp.explain.checkers.model import Finding
from arm_hyp.explain.checkers.watch import ALL_CODES, Watch
from arm_hyp.explain.checkers.witness import MachineWitness
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Run
from arm_hyp.runner.runner import Runner


def findings_of(made: Configuration, limit: int, codes: Iterable[str] = ALL_CODES) -> list[Finding]:
    """Run a configuration for `limit` instructions at most; return what breaks a rule. Calls a user's handlers."""
    fan = FanOut()
    runner = Runner(made, fan)
    watch = Watch(MachineWitness(runner.machine), codes)
    fan.sinks = (watch,)
    runner.send(Run(limit))
    return watch.findings
