"""What the bus refuses: synchronous external aborts, and vectors that cannot be fetched.

Read `cpu/core.py` before this file. Unicorn stops at the instruction with all registers as they were, but says neither
the virtual address nor the syndrome; both are worked out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from unicorn import unicorn_const as uc_const

from arm_hyp.arch import exceptions
from arm_hyp.arch.exceptions import Cause, Kind
from arm_hyp.arch.load_store import load_store_access
from arm_hyp.arch.syndromes import EC
from arm_hyp.cpu import entry
from arm_hyp.cpu.effective_address import effective_address
from arm_hyp.cpu.native import WRITE

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

_FETCH: Final = (uc_const.UC_ERR_FETCH_UNMAPPED, uc_const.UC_ERR_FETCH_PROT)
_WRITE: Final = (uc_const.UC_ERR_WRITE_UNMAPPED, uc_const.UC_ERR_WRITE_PROT)
_READ: Final = (uc_const.UC_ERR_READ_UNMAPPED, uc_const.UC_ERR_READ_PROT)
_SYNC_EXTERNAL_ABORT: Final = 0x10


class RomStore(NamedTuple):
    """A store of one register to memory that cannot be written: physical address, size in bytes, value."""

    address: int
    size_bytes: int
    value: int


class BusFaults:
    """Refused physical accesses of one core."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def failed(self, status: int) -> None:
        """Turn Unicorn's status into an exception, or into the diagnosis of a vector that cannot be fetched."""
        core = self._core
        pc, pstate = core.pc, core.pstate
        if status == uc_const.UC_ERR_WRITE_PROT and core.rom_written is not None:
            if self._stored_into_rom(pc, pstate):
                return
            if core.rom_written(None):
                core.discount()
                return
        if status in _FETCH:
            if pc == core.vector:
                core.die(self._lost_vector(pc, pstate))
            else:
                self._abort(pc, pstate, far=pc, is_fetch=True, is_write=False)
        elif status in _WRITE or status in _READ:
            core.discount()
            self._abort(pc, pstate, far=effective_address(core, pc), is_fetch=False, is_write=status in _WRITE)
        else:
            core.die(f"the core gave up at {pc:#x} (Unicorn error {status})")

    def _stored_into_rom(self, pc: int, pstate: int) -> bool:
        """Hand a plain store of one register to whoever owns the memory; False if it is none, or not taken.

        So code may run from the memory that it writes to: a device cannot be run from.
        """
        core = self._core
        word = core.native.fetch_word(pc)
        access = None if word is None else load_store_access(word)
        if access is None or not access.is_store or access.is_load or access.size_bytes > 8 or core.rom_written is None:
            return False
        if access.is_pair or access.is_vector or access.is_exclusive or access.has_writeback:
            return False
        physical = core.native.translate(effective_address(core, pc), WRITE)
        if physical is None:
            return False
        value = core.x(access.rt) & (1 << 8 * access.size_bytes) - 1
        if not core.rom_written(RomStore(physical, access.size_bytes, value)):
            return False
        core.complete(pc, pstate)
        return True

    def refused(self, is_write: bool) -> None:
        """Take the external abort of the instruction at the PC, whose access a device refused."""
        core = self._core
        pc, pstate = core.place()
        core.discount()
        self._abort(pc, pstate, far=effective_address(core, pc), is_fetch=False, is_write=is_write)

    def _lost_vector(self, pc: int, pstate: int) -> str:
        native, el = self._core.native, entry.level(pstate)
        vbar, spsr, elr = native.read_cp(entry.VBAR[el]), native.read_cp(entry.SPSR[el]), native.read(entry.ELR[el])
        never = "" if el in self._core.vbar_written else f"; VBAR_EL{el} was never written"
        return (
            f"exception from EL{entry.level(spsr)} to EL{el} at {elr:#x}: nothing is mapped at {pc:#x}, "
            f"VBAR_EL{el} + {pc - vbar:#x}{never}"
        )

    def _abort(self, pc: int, pstate: int, *, far: int, is_fetch: bool, is_write: bool) -> None:
        """Take a synchronous external abort. Ref: pseudocode AArch64.Abort; ISV is 0, as at stage 1."""
        values, el = self._core.controls.values, entry.level(pstate)
        target = min(exceptions.route_sync(Cause.EXTERNAL_ABORT, el, values.hcr_el2, values.scr_el3), 2)
        ec = (EC.INSTRUCTION_ABORT_LOWER if is_fetch else EC.DATA_ABORT_LOWER) + (target == el)
        esr = ec << 26 | 1 << 25 | is_write << 6 | _SYNC_EXTERNAL_ABORT
        self._core.exceptions.take(Kind.SYNC, target, esr=esr, elr=pc, far=far)
