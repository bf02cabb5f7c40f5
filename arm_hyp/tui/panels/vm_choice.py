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

    _vm: int | None = None

    def vm(self, view: View) -> int:
        """Return the VM that is shown."""
        chosen = (view.whose.vm or 0) if self._vm is None else self._vm
        return min(chosen, max(len(view.status.vms) - 1, 0))

    def vm_name(self, view: View) -> str:
        """Return its name, and which of how many it is."""
        names = view.status.vms
        count = f" ({self.vm(view) + 1} of {len(names)})" if len(names) > 1 else ""
        return visible(names[self.vm(view)]) + count if names else ""

    def next_vm(self, view: View) -> None:
        """Show the next VM."""
        self._go(view, 1)

    def previous_vm(self, view: View) -> None:
        """Show the previous VM."""
        self._go(view, -1)

    def _go(self, view: View, by: int) -> None:
        if view.status.vms:
            self._vm = (self.vm(view) + by) % len(view.status.vms)
