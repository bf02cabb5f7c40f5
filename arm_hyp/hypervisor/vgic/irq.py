"""One virtual interrupt: all that the vGIC knows of it.

Read `arch/gic.py` before this file and `hypervisor/vgic/list_registers.py` after it.

Ref: Linux, struct vgic_irq; IHI 0048 3.2.4 and IHI 0069 4.1 (states of an interrupt).
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from arm_hyp.arch.gic import FIRST_PPI, FIRST_SPI

_STATE: Final = (
    "enabled", "pending_latch", "line_level", "active", "edge", "priority", "group", "target_vcpu", "targets", "mpidr",
    "source", "active_source", "vcpu", "on_lr",
)  # fmt: skip
_ALL: Final = attrgetter(*_STATE)
LineLevel = Callable[[], bool]


class VgicIrq:
    """One interrupt of a VM. An SGI or PPI belongs to the vCPU `owner`; an SPI has no owner.

    `target_vcpu` gets the interrupt, if anybody does. `vcpu` is the one on whose `ap_list` it is now; `on_lr` says that
    a list register of that vCPU holds it while its guest runs, and so knows its state better.
    `targets` is its byte of GICD_ITARGETSR, `mpidr` its GICD_IROUTER. `source` has a bit for each vCPU that sent an SGI
    of a GICv2 and was not acknowledged yet, `active_source` is the number of the one that was.
    `has_senders` says that it is such an SGI. `read_line` is there if it is linked to the physical `hwintid`.
    """

    def __init__(self, intid: int, owner: int | None, version: int) -> None:
        self.intid, self.owner = intid, owner
        self.has_senders = self.is_sgi and version == 2
        self.enabled = self.pending_latch = self.line_level = self.active = False
        self.edge = self.is_sgi
        self.priority = self.group = 0
        self.target_vcpu: int | None = owner
        self.targets = self.mpidr = 0
        self.source = self.active_source = 0
        self.vcpu: int | None = None
        self.on_lr = False
        self.hwintid = 0
        self.read_line: LineLevel | None = None

    @property
    def is_sgi(self) -> bool:
        """Tell whether this is a software-generated interrupt."""
        return self.intid < FIRST_PPI

    @property
    def is_spi(self) -> bool:
        """Tell whether this interrupt is shared by all vCPUs."""
        return self.intid >= FIRST_SPI

    @property
    def hw(self) -> bool:
        """Tell whether this interrupt is linked to a physical one: LR.HW = 1."""
        return self.read_line is not None

    @property
    def pending(self) -> bool:
        """Tell whether it is pending: latched or, if it is level-sensitive, high. Ref: Linux, irq_is_pending."""
        return self.pending_latch or (self.line_level and not self.edge)

    @property
    def pending_now(self) -> bool:
        """As `pending`, but ask the device of a hardware-linked interrupt for its line."""
        return self.pending if self.read_line is None else self.pending_latch or self.read_line()

    def snapshot(self) -> list[Any]:
        """Return the state as plain data; what it is linked to is not in it."""
        return list(_ALL(self))

    def restore(self, state: list[Any]) -> None:
        """Take a state back. Most of hundreds never change."""
        if list(_ALL(self)) != state:
            for name, value in zip(_STATE, state, strict=True):
                setattr(self, name, value)
