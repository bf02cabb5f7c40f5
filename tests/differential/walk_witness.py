"""The core's own translations: the result of AT, and the record of a fetch, over memory that is made up as it is read.

Read `arm_hyp/cpu/native.py` before and `test_walks.py` after this file.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import NamedTuple

from unicorn import arm64_const as a64

from arm_hyp.arch.registers import HPFAR_EL2
from arm_hyp.arch.sysregs import by_name
from arm_hyp.arch.translation import TranslationRegisters
from arm_hyp.arch.translation.parameters import REGISTER_NAMES
from arm_hyp.cpu import probe
from arm_hyp.cpu.native import READ, SCR_EL3_LEAVE, WRITE, NativeCore

TABLE_BYTES = 8 << 20
"""Tables and pages lie at 0 to here; the code that the core runs lies behind."""
CODE = TABLE_BYTES
_EL3H = 0x3CD
# AT: op1, CRm, op2
AT = {
    "S1E1R": (0, 8, 0),
    "S1E1W": (0, 8, 1),
    "S1E0R": (0, 8, 2),
    "S1E0W": (0, 8, 3),
    "S1E2R": (4, 8, 0),
    "S1E2W": (4, 8, 1),
    "S12E1R": (4, 8, 4),
    "S12E1W": (4, 8, 5),
    "S12E0R": (4, 8, 6),
    "S12E0W": (4, 8, 7),
}
_PAR_EL1 = (3, 0, 7, 4, 0)
_HPFAR_EL2 = (3, 4, 6, 0, 4)
_FETCH_ABORTED = 3


class Abort(NamedTuple):
    """What the core noted about a fetch that failed: ISS, the level that takes it, and the IPA's page."""

    iss: int
    target_el: int
    ipa: int


class Ram:
    """Memory of the core that is made up when it is first read: by `make_up`, if there is any."""

    def __init__(self, size_bytes: int) -> None:
        self._buffer = ctypes.create_string_buffer(size_bytes + 0x1000)
        self.host_address = (ctypes.addressof(self._buffer) + 0xFFF) & ~0xFFF
        self.view = memoryview((ctypes.c_char * size_bytes).from_address(self.host_address)).cast("B")
        self.make_up: Callable[[int], int] = lambda address: 0
        self.known: dict[int, int] = {}

    def forget(self) -> None:
        """Make every table word zero and unknown again."""
        self.known.clear()
        ctypes.memset(self.host_address, 0, TABLE_BYTES)

    def read64(self, address: int) -> int | None:
        """Read a word as a table walk does."""
        if not 0 <= address < TABLE_BYTES:
            return None
        if address not in self.known:
            word = self.known[address] = self.make_up(address)
            struct.pack_into("<Q", self.view, address, word)
        return self.known[address]


class WalkWitness:
    """A bare core with RAM at 0, asked for translations. AT runs at EL3, where no stage of its own applies."""

    def __init__(self, model: str) -> None:
        self.ram = Ram(TABLE_BYTES + 0x1000)
        self.core = NativeCore(model, probe.internals())
        self.core.map_ram(0, TABLE_BYTES + 0x1000, self.ram.host_address)
        self.core.write_cp((3, 6, 1, 1, 0), SCR_EL3_LEAVE[model])
        for index, (op1, crm, op2) in enumerate(AT.values()):
            word = 0xD508_7000 | op1 << 16 | crm << 8 | op2 << 5
            struct.pack_into("<I", self.ram.view, CODE + 4 * index, word)
        self._code = {name: CODE + 4 * index for index, name in enumerate(AT)}
        self._names = [name for name in REGISTER_NAMES if model == "max" or name != "TTBR1_EL2"]  # VHE only
        self._registers = self.core.batch([by_name(name).encoding for name in self._names])
        self._state = self.core.batch([a64.UC_ARM64_REG_PSTATE, a64.UC_ARM64_REG_X0, _HPFAR_EL2])
        self._abort: Abort | None = None
        self.core.on_interrupt(self._note)

    def load(self, registers: TranslationRegisters) -> None:
        """Load the registers that decide a walk."""
        self._state.write(_EL3H, 0, 0)
        self._registers.write(*(getattr(registers, name.lower()) for name in self._names))
        self.core.flush_tlb()

    def at(self, name: str, va: int) -> int:
        """Run an AT instruction; return PAR_EL1."""
        self._state.write(_EL3H, va, 0)
        self.core.write_cp(_PAR_EL1, 0xBAD << 12)
        self.core.start(self._code[name], 1)
        return self.core.read_cp(_PAR_EL1)

    def fetch(self, va: int, el: int) -> Abort | None:
        """Fetch an instruction at an exception level; None if the fetch was translated."""
        self._abort = None
        self.core.flush_tlb()  # what a data access has left there serves fetches too, TBID or not
        self._state.write(0x3C0 | el << 2 | (el > 0), 0, 0)
        self.core.start(va, 1)
        return self._abort

    def data(self, va: int, el: int, is_write: bool, pan: bool = False) -> int | None:
        """Translate for a data access at an exception level; return the physical address, None for a fault."""
        self._state.write(0x3C0 | el << 2 | (el > 0) | pan << 22, 0, 0)
        return self.core.translate(va, WRITE if is_write else READ)

    def _note(self, number: int) -> None:
        if number == _FETCH_ABORTED:
            record = self.core.record()
            ipa = HPFAR_EL2(self.core.read_cp(_HPFAR_EL2)).FIPA << 12
            self._abort = Abort(record.syndrome & 0x1FF_FFFF, record.target_el, ipa)
        self.core.stop()
