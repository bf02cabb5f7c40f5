"""Checkers that watch a run live and name the mistakes of software at EL1 and EL2 by stable codes, HYPnnn.

Read `model.py` first, then `returns.py`, `vectors.py`, `interrupts.py` and `list_registers.py`; `watch.py` puts them
together, `catalogue.py` explains each rule, `code_pages.py` shows it.
"""

from arm_hyp.explain.checkers.catalogue import BY_CODE, RULES
from arm_hyp.explain.checkers.code_pages import code_as_data, explain_code
from arm_hyp.explain.checkers.model import Finding, Rule, Witness
from arm_hyp.explain.checkers.watch import ALL_CODES, Watch, parse_codes
from arm_hyp.explain.checkers.witness import MachineWitness

__all__ = [
    "ALL_CODES",
    "BY_CODE",
    "RULES",
    "Finding",
    "MachineWitness",
    "Rule",
    "Watch",
    "Witness",
    "code_as_data",
    "explain_code",
    "parse_codes",
]
