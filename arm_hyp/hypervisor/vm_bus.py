"""The bus of a VM: which device answers at which IPA.

Read `machine/bus.py` before this file and `hypervisor/mmio_emulate.py` after it. The devices are the machine's own
classes. Over them may lie handlers that a user wrote (`@mmio(range)`): the newest wins, its `next` is what lies below.

Compare Linux: `virt/kvm/` kvm_io_bus, which has one sorted list of ranges too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.machine.bus import Region
from arm_hyp.machine.seams import BusError, Device

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu

_IPA_BITS: Final = 52
_DEVICE_BYTES: Final = 4


class MmioAccess(NamedTuple):
    """One access of a guest to a device: 1, 2, 4 or 8 bytes at an IPA. `value` is what is written, 0 for a read.

    `base` is the lowest IPA of who is asked.
    """

    ipa: int
    size_bytes: int
    is_write: bool
    value: int = 0
    base: int = 0

    @property
    def offset(self) -> int:
        """Where in the range of who is asked."""
        return self.ipa - self.base


Answer = Callable[["Vcpu", MmioAccess], int]
"""Answer an access: the value read, 0 for a write. Raises: BusError, for an external abort."""

Override = Callable[["Vcpu", MmioAccess, Answer], int]
"""Answer an access in place of what lies below, which the third parameter reaches."""


class _Over(NamedTuple):
    name: str
    addresses: range
    override: Override


class VmBus:
    """The devices of one VM by IPA. It has no state but its regions; the devices have their own."""

    def __init__(self) -> None:
        self.regions: list[Region] = []  # sorted by base
        self._bases: list[int] = []
        self._over: list[_Over] = []  # the newest first

    def add(self, name: str, base: int, size_bytes: int, device: Device | Callable[[int], Device]) -> None:
        """Add a device, or `device(vcpu_index)`. Raises: ValueError if the range is empty, too high, or overlaps."""
        _check(name, base, size_bytes)
        region = Region(name, base, size_bytes, device if callable(device) else lambda _vcpu: device)
        for other in self.regions:
            if region.base < other.end and other.base < region.end:
                raise ValueError(f"{name} at {base:#x} overlaps {other.name} at {other.base:#x}")
        at = bisect_right(self._bases, base)
        self.regions.insert(at, region)
        self._bases.insert(at, base)

    def override(self, name: str, addresses: range, override: Override) -> None:
        """Lay a handler over what answers now in a range. Raises: ValueError if the range is no range of IPAs."""
        _check(name, addresses.start, len(addresses))
        if addresses.step != 1:
            raise ValueError(f"{name}: a range of addresses has no step")
        self._over.insert(0, _Over(name, addresses, override))

    def take_overrides_away(self) -> None:
        """Let the devices answer everywhere again."""
        self._over.clear()

    def find(self, ipa: int) -> Region | None:
        """Return the device's region that holds an IPA."""
        at = bisect_right(self._bases, ipa) - 1
        return self.regions[at] if at >= 0 and ipa < self.regions[at].end else None

    def access(self, vcpu: Vcpu, access: MmioAccess) -> int:
        """Carry out one access. Raises: BusError where nobody answers, or who answers refuses."""
        return self._answer(vcpu, access, 0) if self._over else self._device(vcpu, access)

    def _answer(self, vcpu: Vcpu, access: MmioAccess, first: int) -> int:
        for index in range(first, len(self._over)):
            over = self._over[index]
            if access.ipa in over.addresses:
                below = partial(self._answer, first=index + 1)
                return over.override(vcpu, access._replace(base=over.addresses.start), below)
        return self._device(vcpu, access)

    def _device(self, vcpu: Vcpu, access: MmioAccess) -> int:
        """Access a device. 8 bytes are two accesses of 4, the lower half first, as on the machine's bus."""
        ipa, size_bytes, is_write, value, _ = access
        region = self.find(ipa)
        if region is None or ipa + size_bytes > region.end:
            raise BusError(f"nothing is at {ipa:#x}")
        device, offset = region.device(vcpu.index), ipa - region.base
        if size_bytes > _DEVICE_BYTES:
            return _two_halves(device, offset, is_write, value)
        if is_write:
            device.write(offset, size_bytes, value)
            return 0
        return device.read(offset, size_bytes)


def _two_halves(device: Device, offset: int, is_write: bool, value: int) -> int:
    if is_write:
        device.write(offset, 4, value & 0xFFFF_FFFF)
        device.write(offset + 4, 4, value >> 32)
        return 0
    low = device.read(offset, 4)
    return low | device.read(offset + 4, 4) << 32


def _check(name: str, base: int, size_bytes: int) -> None:
    if size_bytes <= 0 or base < 0 or base + size_bytes > 1 << _IPA_BITS:
        raise ValueError(f"{name}: {size_bytes:#x} bytes at {base:#x} are no range of IPAs")
