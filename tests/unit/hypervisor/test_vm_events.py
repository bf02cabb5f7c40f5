"""Tracepoints that few guests reach: a device's line, and an access flag fault."""

from guest_support import Guest

from arm_hyp.kvm_events import KvmAccessFault, KvmIrqLine
from arm_hyp.machine.board import RAM_BASE

BLOCK_BYTES = 2 << 20


def test_the_line_of_a_device_is_told_when_it_moves() -> None:
    guest = Guest("nop\n")
    line = guest.vm.vgic.spi(33)
    for level in (True, True, False):
        line(level)
    told = [(event.type, event.irq_num, event.level) for event in guest.events(KvmIrqLine)]
    assert told == [("SPI", 33, True), ("SPI", 33, False)]


def test_an_access_flag_fault_is_told() -> None:
    guest = Guest("ldr x0, =0x40200000\n ldr x1, [x0]\n", run=False)
    guest.vm.write_ipa(RAM_BASE + BLOCK_BYTES, b"\1")
    guest.vm.stage2.age(RAM_BASE + BLOCK_BYTES, BLOCK_BYTES)
    guest.run()
    assert [event.ipa for event in guest.events(KvmAccessFault)] == [RAM_BASE + BLOCK_BYTES]


def test_the_timers_have_names_too() -> None:
    vcpu = Guest("nop\n", run=False).vcpu()
    values = {"CNTV_CVAL_EL0": 1 << 40, "CNTP_CVAL_EL0": 1 << 41, "CNTV_CTL_EL0": 3, "CNTP_CTL_EL0": 2}
    for name, value in values.items():
        vcpu[name] = value
        assert vcpu[name] == value
