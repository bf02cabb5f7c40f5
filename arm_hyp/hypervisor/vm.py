"""A VM: its memory behind stage 2, its interrupt controller, its devices, its vCPUs.

Read `hypervisor/vcpu.py`, `hypervisor/stage2/paging.py` and `hypervisor/configuration.py` before this file,
`hypervisor/hypervisor.py` after it. Compare Linux: `struct kvm` and `struct kvm_arch`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from arm_hyp.arch.gic import FIRST_SPI
from arm_hyp.hypervisor.configuration import VmConfiguration
from arm_hyp.hypervisor.guest_memory import IpaMemory
from arm_hyp.hypervisor.handlers.calls import GuestCalls
from arm_hyp.hypervisor.pvtime import PV_TIME_BASE, PV_TIME_BYTES
from arm_hyp.hypervisor.stage2.descriptors import Attributes, MemoryType, Permission
from arm_hyp.hypervisor.stage2.dirty import MemorySlot
from arm_hyp.hypervisor.stage2.geometry import choose_geometry
from arm_hyp.hypervisor.stage2.mapper import Stage2
from arm_hyp.hypervisor.stage2.paging import PagedMemory
from arm_hyp.hypervisor.student import plain_data
from arm_hyp.hypervisor.vcpu import Vcpu
from arm_hyp.hypervisor.vgic.vgic import Vgic
from arm_hyp.hypervisor.vm_bus import VmBus
from arm_hyp.hypervisor.vm_devices import VmDevices
from arm_hyp.hypervisor.vtimer import VcpuTimers
from arm_hyp.kvm_events import KvmIrqLine, Stage2Changed, Stage2Operation, VgicUpdateIrqPending, VmEnded
from arm_hyp.machine import board
from arm_hyp.machine.seams import BusError

if TYPE_CHECKING:
    from arm_hyp.hypervisor.hypervisor import Hypervisor
    from arm_hyp.kvm_events import VmEvent

IPA_BITS: Final = 40
_DEVICE_RW: Final = Attributes(Permission.RW, MemoryType.DEVICE_nGnRE)


class End(NamedTuple):
    """How a VM ended: `reason` in one word, the exit status that it asks for, and the reason in words."""

    reason: str
    status: int
    text: str


class Vm:
    """One VM. `data` is free for handlers: plain data, which snapshots carry."""

    def __init__(
        self, hypervisor: Hypervisor, index: int, configuration: VmConfiguration, reset_context: dict[str, int]
    ) -> None:
        self.hypervisor, self.index, self.configuration = hypervisor, index, configuration
        self.name = configuration.name
        self.data: dict[str, Any] = {}
        self.end: End | None = None
        self.reset_wanted = False
        self.cntvoff = 0
        self.stage2 = Stage2(choose_geometry(IPA_BITS), hypervisor.tables, hypervisor.tlb, hypervisor.allocator)
        self.stage2.report = self._stage2_changed
        ram = MemorySlot(board.RAM_BASE, configuration.memory_bytes)
        self.memory = PagedMemory(self.stage2, [MemorySlot(PV_TIME_BASE, PV_TIME_BYTES), ram])
        gic = hypervisor.machine.options.gic
        self.vgic = Vgic(gic, configuration.vcpus, self._kick, self._report)
        self.bus = VmBus()
        for name, base, size_bytes, device in self.vgic.frames:
            self.bus.add(name, base, size_bytes, device)
        if gic == 2:  # the guest's CPU interface is the hardware's virtual one
            self.stage2.map(board.GICC_BASE, board.GICV_BASE, board.PAGE_BYTES, _DEVICE_RW)
        self.devices = VmDevices(configuration, hypervisor.machine, self.bus, self.vgic.spi, IpaMemory(self))
        self.vcpus = [Vcpu(self, number, reset_context) for number in range(configuration.vcpus)]
        for vcpu in self.vcpus:
            vcpu.timers = VcpuTimers(vcpu, hypervisor.machine.clock)
            intid = board.INTID_VIRTUAL_TIMER
            self.vgic.map_physical(vcpu.index, intid, intid, vcpu.timers.hardware_level)
        self.calls = GuestCalls(self)
        self._vgic_at_reset = self.vgic.snapshot()

    # --- memory ------------------------------------------------------------------------------------------------------

    def is_ram(self, ipa: int, size_bytes: int = 1) -> bool:
        """Tell whether a range of IPAs is all RAM."""
        return self.memory.slot_of(ipa, size_bytes) is not None

    def read_ipa(self, ipa: int, size_bytes: int) -> bytes:
        """Read RAM at an IPA; pages that are not there yet come. Raises: BusError where it is not RAM."""
        ram = self.hypervisor.machine.ram_device
        return b"".join(ram.read(pa, size) for pa, size in self._pieces(ipa, size_bytes, is_write=False))

    def write_ipa(self, ipa: int, data: bytes) -> None:
        """Write RAM at an IPA, as a device with DMA does. Raises: BusError where it is not RAM, nothing written."""
        ram, start = self.hypervisor.machine.ram_device, 0
        for pa, size in self._pieces(ipa, len(data), is_write=True):
            ram.write(pa, data[start : start + size])
            start += size

    def read64(self, ipa: int) -> int | None:
        """Read a descriptor of the guest's tables; None where there is no RAM."""
        pieces = self.memory.pieces(ipa & ~7, 8, False)
        return None if pieces is None else self.hypervisor.tables.read64(pieces[0][0])

    def _pieces(self, ipa: int, size_bytes: int, *, is_write: bool) -> list[tuple[int, int]]:
        pieces = self.memory.pieces(ipa, size_bytes, is_write)
        if pieces is None:
            raise BusError(f"IPA {ipa:#x}..{ipa + size_bytes:#x} is not RAM of {self.name}")
        return pieces

    def vttbr_on(self, cpu: int) -> int:
        """Return VTTBR_EL2 to run this VM with on a CPU, now: its VMID may change."""
        self.stage2.vmid = self.hypervisor.vmids.update(self.index, cpu)
        return int(self.stage2.vttbr)

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Put everything where the boot plan says, and start vCPU 0 there."""
        plan = self.configuration.plan
        for segment in plan.segments:
            self.write_ipa(segment.address, segment.data)
        boot = self.vcpus[0]
        boot.power_on(plan.entry, 0)
        for name, value in plan.registers.items():
            boot.write(name, value)

    def power_off(self, text: str, *, reason: str = "off", status: int = 0) -> None:
        """End the VM: none of its vCPUs runs on."""
        if self.end is not None:
            return
        self.end = End(reason, status, text)
        for vcpu in self.vcpus:
            vcpu.power_off()
        self.emit(VmEnded, reason=reason, text=text)
        self.hypervisor.vm_ended()

    def crash(self, text: str) -> None:
        """End the VM because it cannot go on."""
        self.power_off(text, reason="crashed", status=1)

    def reset(self) -> None:
        """Have the VM start again, as soon as the exit that is being handled is done with. RAM keeps its contents."""
        self.reset_wanted = True
        for vcpu in self.vcpus:
            vcpu.power_off()

    def finish_reset(self) -> None:
        """Reset devices and interrupt controller, and boot."""
        self.reset_wanted = False
        for vcpu in self.vcpus:
            if vcpu.cpu is not None:
                vcpu.cpu.put()
        self.vgic.restore(self._vgic_at_reset)
        self.devices.reset()
        self.calls.reset()
        self.start()

    # --- connections -------------------------------------------------------------------------------------------------

    def _kick(self, vcpu: int) -> None:
        self.hypervisor.kick(self.vcpus[vcpu])

    def _report(self, vcpu: int, intid: int, level: bool) -> None:
        """Tell that an input of the vGIC changed. The shared ones are lines of the VM's devices."""
        if intid >= FIRST_SPI:
            self.vcpus[vcpu].emit(KvmIrqLine, type="SPI", vcpu_idx=0, irq_num=intid, level=level)
        self.vcpus[vcpu].emit(VgicUpdateIrqPending, vcpu_id=vcpu, irq=intid, level=level)

    def _stage2_changed(self, operation: Stage2Operation, ipa: int, pa: int | None, size_bytes: int) -> None:
        self.emit(Stage2Changed, operation=operation, ipa=ipa, pa=pa, size_bytes=size_bytes)

    def emit(self, make: Callable[..., VmEvent], **fields: Any) -> None:
        """Emit an event of the VM as a whole, if anyone listens."""
        core = self.hypervisor.machine.cpus.current
        if not core.silent:
            core.emit(make, vm=self.name, vcpu=None, time_ns=self.hypervisor.machine.clock.now_ns, **fields)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data; RAM is the machine's."""
        return {
            "data": plain_data.copy(self.data, f"{self.name}.data"),
            "end": None if self.end is None else list(self.end),
            "cntvoff": self.cntvoff,
            "memory": self.memory.snapshot(),
            "vgic": self.vgic.snapshot(),
            "devices": self.devices.snapshot(),
            "calls": self.calls.snapshot(),
            "vcpus": [vcpu.snapshot() for vcpu in self.vcpus],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self.data.clear()
        self.data.update(plain_data.copy(state["data"], f"{self.name}.data"))
        self.end = None if state["end"] is None else End(*state["end"])
        self.cntvoff = state["cntvoff"]
        self.memory.restore(state["memory"])
        for vcpu, saved in zip(self.vcpus, state["vcpus"], strict=True):
            vcpu.restore(saved)
        self.devices.restore(state["devices"])
        self.calls.restore(state["calls"])
        self.vgic.restore(state["vgic"])
