"""What `arm-hyp run` says of a guest that gets nowhere: at the end, and during the run when it is asked (Ctrl-A d).

Read `explain/diagnosis/model.py` before this file, `cli/session.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from arm_hyp.explain.diagnosis.recent import Recent
from arm_hyp.runner.runner import Runner

_UNEXPECTED: Final = frozenset({"limit", "idle", "dead", "stopped"})
"""These ends are not the guest's own, or it did not mean them; with status 0 the user had waited for it."""


class Diagnoses:
    """The diagnoses of one run. `recent` listens to it, where anyone does. `always`: also of a run that ended well."""

    def __init__(self, runner: Runner, *, always: bool) -> None:
        self._runner, self._always, self.recent = runner, always, Recent()

    def at_end(self, answer: dict[str, Any]) -> list[str]:
        """Return what is to be said when a run has ended; nothing where all went well."""
        vms = [] if self._runner.hypervisor is None else self._runner.hypervisor.vms
        reasons = [vm.end.reason for vm in vms if vm.end is not None]
        return without_end(self.now(), answer) if self._always or is_unexpected(answer, reasons) else []

    def now(self) -> list[str]:
        """Return what the guest does at this moment. The run is not touched."""
        from arm_hyp.explain.diagnosis.diagnose import diagnose  # here: most runs end without

        return diagnose(self._runner, self.recent).lines()


def is_unexpected(answer: dict[str, Any], vms: Iterable[str]) -> bool:
    """Tell whether a run has ended as its user did not mean it. `vms` are the reasons of those VMs that ended."""
    return answer["status"] != 0 and (answer["reason"] in _UNEXPECTED or "crashed" in vms)


def without_end(lines: Sequence[str], answer: dict[str, Any]) -> list[str]:
    """Return a diagnosis without its first line, if that says what the end says."""
    return list(lines[1:] if answer["text"] in lines[0] else lines)
