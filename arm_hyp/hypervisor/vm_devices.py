"""The devices of a VM: the machine's own classes on the VM's bus, at the same addresses, with lines into its vGIC.

Read `machine/peripherals.py` and `hypervisor/vm_bus.py` before this file, `hypervisor/vm.py` after it. Clock and
agenda are the machine's: there is one virtual time. What a device reads and writes by DMA are IPAs.

Compare Linux: nothing of this is in KVM. There the devices are in user space (QEMU, kvmtool, crosvm), which drives the
same lines by KVM_IRQ_LINE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arm_hyp.events import ConsoleInput as InputEvent
from arm_hyp.events import ConsoleOutput
from arm_hyp.hypervisor.configuration import VmConfiguration
from arm_hyp.machine.console_input import Arrival, ConsoleInput
from arm_hyp.machine.machine import Machine
from arm_hyp.machine.peripherals import AnyBus, Peripherals, Surroundings
from arm_hyp.machine.seams import GuestMemory, IrqLine, Stateful


class VmDevices:
    """The devices of one VM. `console` is all that it printed, `output` hears it, `input` is what is typed for it."""

    def __init__(
        self, made: VmConfiguration, machine: Machine, bus: AnyBus, spi: Callable[[int], IrqLine], memory: GuestMemory
    ) -> None:
        self._name, self._drives, self._machine = made.name, made.drives, machine
        self.console = bytearray()
        self.output: Callable[[bytes], None] = lambda data: None
        self._stateful: dict[str, Stateful] = {}
        around = Surroundings(spi, memory, machine.clock, machine.agenda, self._sent, self._sent_by_virtio)
        self._peripherals = Peripherals(made, around, bus, self._stateful)
        self.input = ConsoleInput(self._peripherals.accept_input, self._entered)
        self._power_on = self._states()

    # --- the console -------------------------------------------------------------------------------------------------

    def _sent(self, byte: int) -> None:
        self.put("pl011", bytes((byte,)))

    def _sent_by_virtio(self, data: bytes) -> None:
        self.put("virtio-console", data)

    def put(self, device: str, data: bytes) -> None:
        """Put bytes on the VM's console; `device` is who sends them."""
        self.console += data
        self._machine.console += data
        text = data.decode("latin-1")
        self._machine.cpus.current.emit(ConsoleOutput, device=f"{self._name}/{device}", text=text)
        self.output(data)

    def _entered(self, arrival: Arrival) -> None:
        device, text = f"{self._name}/{self._peripherals.console_name}", arrival.data.decode("latin-1")
        emit = self._machine.cpus.current.emit
        emit(InputEvent, numbered=True, device=device, text=text, time_ns=arrival.time_ns)

    # --- state -------------------------------------------------------------------------------------------------------

    def _states(self) -> dict[str, Any]:
        return {name: device.snapshot() for name, device in self._stateful.items()}

    def reset(self) -> None:
        """Reset every device to its state at power-on, as the VM is reset; what was written to drives lasts."""
        written = [drive.snapshot() for drive in self._drives]
        for name, device in self._stateful.items():
            device.restore(self._power_on[name])
        for drive, state in zip(self._drives, written, strict=True):
            drive.restore(state)

    def snapshot(self) -> dict[str, Any]:
        """Return the state of every device by name, and of the console."""
        return {"devices": self._states(), "console": bytes(self.console), "input": self.input.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back, and drive the lines. Clock, memory and vGIC must have been restored before."""
        for name, device in self._stateful.items():
            device.restore(state["devices"][name])
        self.console[:] = state["console"]
        self.input.restore(state["input"])


class VmInputs:
    """The machine's input where VMs run: one queue for each VM's console. What is typed goes to the `selected` one.

    Which one that is, is the user's doing and no state of the run: what entered where is logged by each queue.
    """

    def __init__(self, devices: Sequence[VmDevices]) -> None:
        self.queues = [one.input for one in devices]
        self.selected = 0

    def feed(self, data: bytes) -> None:
        """Append to the selected queue."""
        self.queues[self.selected].feed(data)

    def select_next(self) -> int:
        """Have what is typed go to the next VM; return its index."""
        self.selected = (self.selected + 1) % len(self.queues)
        return self.selected

    @property
    def is_waiting(self) -> bool:
        """Tell whether anything is still to enter."""
        return any(queue.is_waiting for queue in self.queues)

    def next_ns(self, n: int) -> int | None:
        """Return when a log being replayed has the next bytes, if no CPU runs until then; in ns of virtual time."""
        return min((at for queue in self.queues if (at := queue.next_ns(n)) is not None), default=None)

    def deliver(self, n: int, time_ns: int) -> bool:
        """Let bytes enter each console that has room. Tell whether any did."""
        return any([queue.deliver(n, time_ns) for queue in self.queues])  # a list: no queue may be left out

    def snapshot(self) -> dict[str, Any]:
        """Return no state: each queue is in the state of its VM."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back: there is none. Raises: ValueError if it is of a machine without VMs."""
        if state:
            raise ValueError("the state is of a machine whose console is its own, not a VM's")
