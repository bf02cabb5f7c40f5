"""Which VM a panel shows: that of the vCPU looked at, until its user goes to another one with [ and ].

Read `tui/panels/panel.py` before this file, `tui/panels/stage2.py` after it.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.tui.panels.drawing import visible
from arm_hyp.tui.panels.panel import PanelKey
from arm_hyp.tui.view import View

NEXT_VM_KEYS: Final = (PanelKey("[", "previous_vm", "previous VM"), PanelKey("]", "next_vm", "next VM"))


class VmChoice:
    """What a panel has that shows one VM."""

    vm: int = 0
    """The VM that was shown last."""
    _chosen_vm: int | None = None

    def vm_of(self, view: View) -> int:
        """Return the VM that is shown; 0 where there are none."""
        chosen = (view.whose.vm or 0) if self._chosen_vm is None else self._chosen_vm
        self.vm = min(chosen, max(len(view.status.vms) - 1, 0))
        return self.vm

    def vm_name(self, view: View) -> str:
        """Return its name, and which of how many it is."""
        names = view.status.vms
        count = f" ({self.vm_of(view) + 1} of {len(names)})" if len(names) > 1 else ""
        return visible(names[self.vm_of(view)]) + count if names else ""

    def next_vm(self, view: View) -> None:
        """Show the next VM."""
        self._go(view, 1)

    def previous_vm(self, view: View) -> None:
        """Show the previous VM."""
        self._go(view, -1)

    def _go(self, view: View, by: int) -> None:
        if view.status.vms:
            self._chosen_vm = (self.vm_of(view) + by) % len(view.status.vms)
