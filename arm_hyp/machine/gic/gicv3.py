"""GICv3: one distributor, a redistributor and a CPU interface for each CPU, as on QEMU's `virt` with `secure=off`.

Read `machine/gic/cpu_interface.py` and `machine/gic/icc.py` before this file, `machine/gic/gicv3_frames.py` after it.

As there: one Security state (GICD_CTLR.DS is 1), affinity routing always (ARE is 1), system registers always
(ICC_SRE_ELx is fixed), 5 bits of priority, 1 of N not supported (GICD_TYPER.No1N is 1).

Simplified: no ITS and no LPIs. GICD_TYPER.LPIS and GICR_TYPER.PLPIS are 0, and their registers do not exist.
Simplified: GICR_WAKER keeps what is written, but a redistributor marked asleep still forwards interrupts, as on QEMU:
there is no power controller that WakeRequest could go to.

Ref: IHI 0069 chapters 4 and 12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from arm_hyp.arch.registers.gic import ICC_SGI1R_EL1
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.gic.cpu_interface import CpuInterface, CpuLines
from arm_hyp.machine.gic.distributor import Distributor
from arm_hyp.machine.gic.gicv3_frames import Redistributors, Routes, distributor_frame
from arm_hyp.machine.gic.icc import PRIORITY_BITS, SystemRegisters
from arm_hyp.machine.gic.inputs import Inputs
from arm_hyp.machine.gic.register_ports import select_ports
from arm_hyp.machine.seams import CpuView, Device

FIXED_CONTROLS: Final[Mapping[str, int]] = {"icc_sre_el1": 0b0111, "icc_sre_el2": 0b1111, "icc_sre_el3": 0b1111}
"""ICC_SRE_ELx: no legacy interface, so SRE, DFB, DIB and (above EL1) Enable are RAO/WI. Ref: IHI 0069 3.4; as QEMU."""


class Gicv3(Inputs):
    """A GICv3. `lines[cpu]` are the inputs of each CPU that it drives, `views[cpu]` what it may know of the CPU.

    `affinities[cpu]` is Aff3.Aff2.Aff1.Aff0 of MPIDR_EL1 in 8 bits each; by default Aff0 is the CPU's number.
    """

    def __init__(
        self, lines: Sequence[CpuLines], views: Sequence[CpuView], affinities: Sequence[int] | None = None
    ) -> None:
        cpus = len(lines)
        self._affinities = tuple(range(cpus) if affinities is None else affinities)
        self._views = views
        self._distributor = Distributor(cpus, PRIORITY_BITS, self._update)
        self._interfaces = [CpuInterface(cpu, self._distributor, PRIORITY_BITS, lines[cpu]) for cpu in range(cpus)]
        for interface in self._interfaces:
            interface.fiq_enabled = True
        self._interface_at_reset = self._interfaces[0].snapshot()
        self._routes = Routes(self._distributor, self._affinities)
        self._gicd = distributor_frame(self._distributor, self._routes)
        self._gicr = Redistributors(self._distributor, self._affinities)
        self._icc = [SystemRegisters(interface, self._generate) for interface in self._interfaces]
        self._virtual: dict[int, Mapping[Encoding, RegisterPort]] = {}
        for view in views:
            self._fix_controls(view)

    def _fix_controls(self, view: CpuView) -> None:
        for name, value in FIXED_CONTROLS.items():
            view.set_control(name, value)

    def _update(self, cpu: int) -> None:
        self._interfaces[cpu].update()

    # --- what the board connects -------------------------------------------------------------------------------

    def distributor(self) -> Device:
        """Return GICD: 64 KiB, the same for every CPU."""
        return self._gicd

    def redistributors(self) -> Device:
        """Return GICR of all CPUs: 128 KiB each, RD_base and SGI_base."""
        return self._gicr

    def connect_virtual(self, cpu: int, ports: Mapping[Encoding, RegisterPort]) -> None:
        """Take the ICV_* registers of one CPU, under the encodings of ICC_*. Call it before `ports`."""
        self._virtual[cpu] = ports

    def ports(self, cpu: int) -> dict[Encoding, RegisterPort]:
        """Return the ICC_* registers of one CPU, which are ICV_* where HCR_EL2 says so."""
        return select_ports(self._icc[cpu].ports(), self._virtual.get(cpu, {}), self._views[cpu])

    def filter_control(self, name: str, old: int, new: int) -> int:
        """Return what a control register keeps of a written value: ICC_SRE_ELx never changes."""
        return FIXED_CONTROLS.get(name, new)

    def reset_cpu_interface(self, cpu: int) -> None:
        """Reset the ICC_* registers of one CPU, ICC_SRE_ELx too, which reset with it. Ref: IHI 0069 2.3."""
        interface = self._interfaces[cpu]
        interface.restore(self._interface_at_reset)
        interface.redrive()
        self._fix_controls(self._views[cpu])

    # --- software-generated interrupts -------------------------------------------------------------------------

    def _generate(self, sender: int, value: int, groups: tuple[int, ...]) -> None:
        """Send an SGI: to all others (IRM) or to those listed. RS is RES0, as ICC_CTLR_EL1.RSS is 0."""
        request = ICC_SGI1R_EL1(value)
        for cpu, affinity in enumerate(self._affinities):
            if (cpu != sender) if request.IRM else _listed(request, affinity):
                self._pend_sgi(cpu, request.INTID, groups)

    def _pend_sgi(self, cpu: int, intid: int, groups: tuple[int, ...]) -> None:
        if self._distributor.group_of(cpu, intid) in groups:
            self._distributor.private[cpu].latch |= 1 << intid
            self._distributor.changed(cpu)

    # --- state -------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain data."""
        return {
            "distributor": self._distributor.snapshot(),
            "interfaces": [interface.snapshot() for interface in self._interfaces],
            "routes": self._routes.snapshot(),
            "wakers": self._gicr.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back and drive all lines accordingly."""
        self._distributor.restore(state["distributor"])
        self._routes.restore(state["routes"])
        self._gicr.restore(state["wakers"])
        for interface, saved in zip(self._interfaces, state["interfaces"], strict=True):
            interface.restore(saved)
        for interface in self._interfaces:
            interface.redrive()


def _listed(request: ICC_SGI1R_EL1, affinity: int) -> bool:
    cluster = request.Aff3 << 16 | request.Aff2 << 8 | request.Aff1
    aff0 = affinity & 0xFF
    return affinity >> 8 == cluster and aff0 < 16 and bool(request.TargetList >> aff0 & 1)
