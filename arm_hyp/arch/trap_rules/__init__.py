"""The trap rules, by control register: all rows in the order in which the architecture asks them.

Read `trap_rules/model.py` and the row files in the order below; then `trap_rules/requests.py`, `trap_rules/lookup.py`
and `trap_rules/esr.py`; then `arch/traps.py`, which evaluates them.
"""

from __future__ import annotations

from arm_hyp.arch.trap_rules import el1_controls, el2_controls, el3_controls, fine_grained, hcr_el2, states, undefined
from arm_hyp.arch.trap_rules.model import PE, Bits, Fact, Outcome, Rule

__all__ = ["PE", "RULES", "Bits", "Fact", "Outcome", "Rule"]

RULES: tuple[Rule, ...] = (
    *states.BEFORE_DECODING,
    *undefined.RULES,
    *states.WAITS,
    *el1_controls.RULES,
    *hcr_el2.RULES,
    *el2_controls.RULES,
    *fine_grained.RULES,
    *el3_controls.RULES,
    *states.ALIGNMENT,
)
"""Every rule, the first that applies decides.

Within one subject this is the order of the manual's pseudocode: does it exist, is this EL high enough, what does
EL1 say, what does EL2 say, what does EL3 say.
"""
