"""A heating that is not there: data aborts of the guest, turned into loads and stores."""

from collections.abc import Callable

from arm_hyp.hypervisor import EC, DataAbortExit, Vcpu, handler

HEATING = range(0x0B00_0000, 0x0B00_1000)


def read(vcpu: Vcpu, offset: int) -> int:
    """Return what the device has at an offset."""
    return int({0: 0x4845_4154, 4: vcpu.vm.data.get("target", 0), 8: vcpu.vm.data.get("used", 0)}.get(offset, 0))


def write(vcpu: Vcpu, offset: int, value: int) -> None:
    """Give the device a number that the guest has stored."""
    if offset == 4:
        vcpu.vm.data["target"] = value
    elif offset == 8:
        vcpu.vm.data["used"] = vcpu.vm.data.get("used", 0) + value & 0xFFFF_FFFF


@handler(EC.DATA_ABORT_LOWER)
def on_abort(vcpu: Vcpu, exit: DataAbortExit, next: Callable[[Vcpu, DataAbortExit], None]) -> None:
    bits = 8 * exit.size_bytes
    mask = (1 << bits) - 1
    if exit.is_write:
        write(vcpu, exit.ipa - HEATING.start, vcpu.x(exit.rt) & mask)
    else:
        value = read(vcpu, exit.ipa - HEATING.start) & mask
        if exit.sign_extend and value >> bits - 1:
            value -= 1 << bits
        vcpu.set_x(exit.rt, value & (1 << (64 if exit.is_64bit else 32)) - 1)
    vcpu.skip_instruction()
