"""The list of rules that QEMU judges is true: each decides cases that are compared.

Read `judged.py` before. The unit tests read the list and ask for a case by hand of every other rule.
"""

from __future__ import annotations

from judged import LIST, judged_rules
from test_qemu import LONG_CASES

from arm_hyp.arch.traps import RULES

SEED = 20261
"""That of the 10,000 cases of `test_qemu.py`, whatever the environment says: the list belongs to it."""


def test_the_list_of_judged_rules_is_true() -> None:
    """The list may lag behind: a rule that QEMU judges too is named here, and does no harm."""
    judged = judged_rules(SEED, LONG_CASES)
    listed = LIST.read_text().split()
    more = sorted(judged.keys() - set(listed))
    print(
        f"\nQEMU judges {len(judged)} of {len(RULES)} rules by {judged.total()} of {LONG_CASES} cases: {dict(judged)}"
    )
    print(f"not in {LIST.name} yet: {', '.join(more) or 'none'}; the others have cases by hand in tests/unit/arch/")
    assert listed == sorted(set(listed))
    assert set(listed) <= judged.keys()
