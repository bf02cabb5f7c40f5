"""The devices of a VM: the machine's classes on its bus, with lines into its vGIC and DMA in its IPA space."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.events import ConsoleInput, ConsoleOutput, RecordingSink
from arm_hyp.hypervisor.configuration import VmConfiguration
from arm_hyp.hypervisor.vm_bus import VmBus
from arm_hyp.hypervisor.vm_devices import VmDevices, VmInputs
from arm_hyp.machine import board
from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.machine import Machine
from arm_hyp.machine.pl011 import UARTDR, UARTIMSC, UARTLCR_H
from arm_hyp.machine.pl031 import RTCDR, RTCIMSC, RTCMR
from arm_hyp.machine.seams import BusError
from arm_hyp.machine.virtio.drive import FileDrive, OverlayDrive
from arm_hyp.machine.virtio.mmio import Reg

FEN, RXIM = 1 << 4, 1 << 4
EPOCH_S = 1_000


class NoMemory:
    """Memory that refuses everything, and notes who asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def read(self, address: int, size_bytes: int) -> bytes:
        self.asked.append(address)
        raise BusError("no RAM")

    def write(self, address: int, data: bytes) -> None:
        self.asked.append(address)
        raise BusError("no RAM")


class Rig:
    """The devices of one VM, their bus, and the levels of their lines by INTID."""

    def __init__(self, name: str = "alpha", machine: Machine | None = None, **options: object) -> None:
        self.sink = RecordingSink()
        self.machine = machine or Machine(sink=self.sink, memory_bytes=16 << 20)
        self.bus, self.lines, self.memory = VmBus(), dict[int, bool](), NoMemory()
        made = VmConfiguration(name=name, memory_bytes=16 << 20, plan=BootPlan((), 0), rtc_epoch_s=EPOCH_S, **options)  # type: ignore[arg-type]
        self.devices = VmDevices(made, self.machine, self.bus, self._spi, self.memory)

    def _spi(self, intid: int):
        return lambda level: self.lines.__setitem__(intid, level)

    def device(self, address: int):
        region = self.bus.find(address)
        assert region is not None and region.base == address
        return region.device(0)

    def listens(self) -> "Rig":
        """Do what a guest does that waits for input: enable the FIFO and the receive interrupt."""
        self.device(board.PL011_BASE).write(UARTLCR_H, 4, FEN)
        self.device(board.PL011_BASE).write(UARTIMSC, 4, RXIM)
        return self


def test_devices_are_where_qemu_has_them():
    found = {region.name: region.base for region in Rig().bus.regions}
    slots = {f"virtio-{slot}": 0x0A00_0000 + 0x200 * slot for slot in range(32)}
    assert found == {"pl011": 0x0900_0000, "pl031": 0x0901_0000, "pl061": 0x0903_0000} | slots


def test_what_a_vm_prints_is_its_own_and_the_machines():
    alpha = Rig("alpha")
    beta = Rig("beta", alpha.machine)
    heard = []
    alpha.devices.output = heard.append
    for rig, byte in ((alpha, b"a"), (beta, b"\xff"), (alpha, b"c")):
        rig.device(board.PL011_BASE).write(UARTDR, 4, byte[0])
    assert (alpha.devices.console, beta.devices.console, alpha.machine.console) == (b"ac", b"\xff", b"a\xffc")
    assert heard == [b"a", b"c"]
    printed = [(event.device, event.text) for event in alpha.sink.events if isinstance(event, ConsoleOutput)]
    assert printed == [("alpha/pl011", "a"), ("beta/pl011", "\xff"), ("alpha/pl011", "c")]


def test_input_raises_the_line_of_the_vm_it_is_for_and_is_logged():
    alpha = Rig("alpha").listens()
    beta = Rig("beta", alpha.machine).listens()
    inputs = VmInputs([alpha.devices, beta.devices])
    inputs.feed(b"x")
    assert inputs.select_next() == 1
    inputs.feed(b"yz")
    assert inputs.is_waiting and inputs.deliver(65536, 7) and not inputs.is_waiting
    assert alpha.lines[board.INTID_PL011] and beta.lines[board.INTID_PL011]
    assert [(queue.log[0].data, len(queue.log)) for queue in inputs.queues] == [(b"x", 1), (b"yz", 1)]
    entered = [(event.device, event.text) for event in alpha.sink.events if isinstance(event, ConsoleInput)]
    assert entered == [("alpha/pl011", "x"), ("beta/pl011", "yz")]
    assert inputs.select_next() == 0 and not inputs.deliver(65536, 8)
    with pytest.raises(ValueError, match="a VM's"):
        inputs.restore({"queue": b""})


def test_a_log_that_is_replayed_tells_when_it_goes_on():
    first, again = Rig().listens(), Rig().listens()
    inputs = VmInputs([first.devices])
    inputs.feed(b"q")
    inputs.deliver(65536, 99)
    replayed = VmInputs([again.devices])
    replayed.queues[0].replay(inputs.queues[0].log)
    assert (replayed.next_ns(0), replayed.next_ns(65536)) == (None, 99)
    assert not replayed.deliver(0, 0) and replayed.deliver(65536, 99)


def test_the_clock_is_the_machines_and_the_alarm_is_on_its_agenda():
    rig = Rig()
    rtc = rig.device(board.PL031_BASE)
    assert rtc.read(RTCDR, 4) == EPOCH_S
    rtc.write(RTCMR, 4, EPOCH_S + 2)
    rtc.write(RTCIMSC, 4, 1)
    assert rig.machine.agenda.next_ns() == 2_000_000_000
    rig.machine.clock.idle_ns += 2_000_000_000
    rig.machine.agenda.update()
    assert rig.lines[board.INTID_PL031] and rtc.read(RTCDR, 4) == EPOCH_S + 2


def disk(tmp_path):
    file = tmp_path / "disk"
    file.write_bytes(bytes(1024))
    return OverlayDrive(FileDrive(file))


def test_virtio_devices_take_the_first_slots_and_their_dma_goes_to_the_vm(tmp_path):
    rig = Rig(drives=(disk(tmp_path),), has_rng=True, has_virtio_console=True)
    slots = [rig.device(board.VIRTIO_BASE + board.VIRTIO_BYTES * slot) for slot in range(32)]
    assert [slot.read(Reg.DeviceID, 4) for slot in slots] == [2, 4, 3] + [0] * 29
    rng = slots[1]
    for register, value in (
        (Reg.Status, 3), (Reg.DriverFeaturesSel, 1), (Reg.DriverFeatures, 1), (Reg.Status, 11), (Reg.QueueNum, 8),
        (Reg.QueueDescLow, 0x4000_0000), (Reg.QueueDriverLow, 0x4000_1000), (Reg.QueueDeviceLow, 0x4000_2000),
        (Reg.QueueReady, 1), (Reg.Status, 15), (Reg.QueueNotify, 0),
    ):  # fmt: skip
        rng.write(register, 4, value)
    assert any(0x4000_1000 <= address < 0x4000_2000 for address in rig.memory.asked)
    assert rng.read(Reg.Status, 4) & 64, "the device needs a reset: its ring is outside RAM"
    assert rig.lines[board.INTID_VIRTIO + 1]


def test_a_reset_keeps_what_was_written_to_drives(tmp_path):
    drive = disk(tmp_path)
    rig = Rig(drives=(drive,)).listens()
    drive.write(1, b"x" * 512)
    rig.devices.reset()
    assert drive.read(0, 2) == bytes(512) + b"x" * 512
    assert rig.device(board.PL011_BASE).read(UARTIMSC, 4) == 0


@pytest.fixture(scope="module")
def machine():
    return Machine(memory_bytes=16 << 20)


@settings(max_examples=30, deadline=None)
@given(typed=st.binary(min_size=1, max_size=24), sent=st.integers(0, 255))
def test_a_restored_vm_goes_on_alike(machine, typed, sent):
    rig, other = Rig(machine=machine).listens(), Rig(machine=machine)
    inputs = VmInputs([rig.devices])
    inputs.feed(typed)
    inputs.deliver(65536, 7)
    rig.device(board.PL011_BASE).write(UARTDR, 4, sent)
    other.devices.restore(rig.devices.snapshot())
    assert other.lines[board.INTID_PL011] and other.devices.console == bytes((sent,))
    assert other.devices.snapshot()["devices"] == rig.devices.snapshot()["devices"]
    reads = [[each.device(board.PL011_BASE).read(UARTDR, 4) for _ in range(len(typed))] for each in (rig, other)]
    assert reads[0] == reads[1]
    assert VmInputs([other.devices]).is_waiting == (len(typed) > 16)
