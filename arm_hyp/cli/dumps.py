"""`--dump`: which states of each VM are shown at the end of a run.

Read `hypervisor/dumps.py` before this file, `cli/session.py` after it.
"""

from __future__ import annotations

from arm_hyp.errors import UserError
from arm_hyp.hypervisor.dumps import DUMPS


def parse_dumps(text: str, *, has_vms: bool) -> tuple[str, ...]:
    """Parse `--dump`: names with commas between. Raises: UserError."""
    names = tuple(name for name in text.split(",") if name)
    for name in names:
        if name not in DUMPS:
            raise UserError(f"--dump {name}", "there is no such dump", f"use {', '.join(DUMPS)}, with commas between")
    if names and not has_vms:
        raise UserError(f"--dump {text}", "there is no VM to show", "add --hypervisor, or run a file of VMs")
    return names
