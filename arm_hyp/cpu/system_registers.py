"""The system registers of a core by encoding: who holds each of them, and reads and writes with all their effects.

Read `arch/sysregs.py` and `cpu/controls.py` before this file, `cpu/system.py` after it. A register is a control
register, a device's (a port), kept here, or the core's own; whoever asks here has passed the checks and traps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from unicorn import UcError

from arm_hyp.arch import interrupts, sysregs
from arm_hyp.arch.id_policy import mpidr
from arm_hyp.arch.sysregs import Encoding

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

_M64: Final = (1 << 64) - 1
VBAR: Final = {Encoding(3, 0, 12, 0, 0): 1, Encoding(3, 4, 12, 0, 0): 2}
ISR: Final = Encoding(3, 0, 12, 1, 0)
MPIDR: Final = Encoding(3, 0, 0, 0, 5)
TRANSLATION: Final = frozenset(
    sysregs.by_name(f"{name}_EL{el}").encoding for name in ("TTBR0", "TTBR1", "TCR", "MAIR") for el in (1, 2)
) | {sysregs.by_name("VTTBR_EL2").encoding, sysregs.by_name("VTCR_EL2").encoding}
"""What is written to change a translation."""


def kept_bits(resolution: sysregs.Resolution) -> int | None:
    """Return which bits of a register are kept here; None for one that is not."""
    if resolution.route == "shadow":
        return _M64
    if resolution.route != "emulated" or not isinstance(resolution.target, sysregs.SystemRegister):
        return None
    return resolution.target.keeps


class RegisterPort(NamedTuple):
    """How a device gives a system register to the core. Either may be None: that direction is UNDEFINED."""

    read: Callable[[], int] | None
    write: Callable[[int], None] | None


class SystemRegisters:
    """The system registers of one core. `ports` maps an encoding to the device that implements the register."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.ports: dict[Encoding, RegisterPort] = {}
        self._storage: dict[Encoding, int] = {}

    def resolve(self, encoding: Encoding, is_read: bool) -> sysregs.Resolution:
        """Tell who implements a register on this machine."""
        core = self._core
        return sysregs.resolve(encoding, is_read, core.model, core.gic, core.list_registers)

    def read(self, encoding: Encoding) -> int | None:
        """Read a system register as software would get it, checks aside; None if this machine has none there."""
        control = self._core.controls.encodings.get(encoding)
        if control is not None:
            return self._core.controls.read(control)
        if encoding == MPIDR:
            return mpidr(self._core.index)
        if encoding == ISR:
            core = self._core
            return interrupts.interrupt_status(core.lines, core.el, core.controls.values.hcr_el2)
        port = self.ports.get(encoding)
        if port is not None:
            return port.read() if port.read else None
        resolution = self.resolve(encoding, True)
        if resolution.route == "undefined":
            return None
        if resolution.route == "native":
            return self._read_native(encoding)
        return self._read_stored(encoding, resolution)

    def is_native(self, encoding: Encoding) -> bool:
        """Tell whether the core itself holds a register, so that an MSR may change it without our notice."""
        is_ours = encoding in self._core.controls.encodings or encoding in self.ports
        return not is_ours and self.resolve(encoding, True).route == "native"

    def _read_native(self, encoding: Encoding) -> int | None:
        try:
            return self._core.native.read_cp(encoding)
        except UcError:
            return None

    def _read_stored(self, encoding: Encoding, resolution: sysregs.Resolution) -> int | None:
        if not isinstance(resolution.target, sysregs.SystemRegister):
            return None
        stored = self._storage.get(encoding)
        if stored is not None:
            return stored
        if kept_bits(resolution) is not None or resolution.target.access == "RO":
            core = self._core
            return sysregs.reset_value(resolution.target, core.model, core.gic, core.list_registers)
        return None

    def write(self, encoding: Encoding, value: int) -> bool:
        """Write a system register with all its effects; False if this machine has none there to write."""
        core = self._core
        control = core.controls.encodings.get(encoding)
        if control is not None:
            old = core.controls.read(control)
            core.controls.write_by_software(control, value)
            core.system.controls_changed(control, old, core.controls.read(control))
            return True
        port = self.ports.get(encoding)
        if port is not None:
            if port.write is not None:
                port.write(value)
            return port.write is not None
        return self._write_other(encoding, value)

    def _write_other(self, encoding: Encoding, value: int) -> bool:
        core = self._core
        if encoding in VBAR:
            core.vbar_written.add(VBAR[encoding])
        resolution = self.resolve(encoding, False)
        kept = kept_bits(resolution)
        if kept:
            self._storage[encoding] = value & kept
        if kept is not None:
            return True
        if resolution.route != "native":
            return False
        core.native.write_cp(encoding, value)
        core.native.flush_tlb()
        return True

    def snapshot(self) -> dict[str, int]:
        """Return the registers that are kept here, by generic name."""
        return {encoding.generic_name: value for encoding, value in sorted(self._storage.items())}

    def restore(self, state: dict[str, int]) -> None:
        """Take back what `snapshot` gave."""
        self._storage = {sysregs.parse_name(name): value for name, value in state.items()}
