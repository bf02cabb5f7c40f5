"""What `arm-hyp run` says of a guest that gets nowhere: at the end, and during the run when it is asked (Ctrl-A d).

Read `explain/diagnosis/model.py` before this file, `cli/session.py` after it.
"""

from __future__ import annotations

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
        if not self._always and (answer["status"] == 0 or not self._is_unexpected(answer["reason"])):
            return []
        lines = self.now()
        return lines[1:] if answer["text"] in lines[0] else lines

    def _is_unexpected(self, reason: str) -> bool:
        vms = [] if self._runner.hypervisor is None else self._runner.hypervisor.vms
        return reason in _UNEXPECTED or any(vm.end is not None and vm.end.reason == "crashed" for vm in vms)

    def now(self) -> list[str]:
        """Return what the guest does at this moment. The run is not touched."""
        from arm_hyp.explain.diagnosis.diagnose import diagnose  # here: most runs end without

        return diagnose(self._runner, self.recent).lines()
