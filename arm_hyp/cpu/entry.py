"""Carry the exception model's verdicts into the core: entry, return, and the banks that Unicorn does not keep in step.

Read `arch/exceptions.py` before this file and `cpu/core.py` after it. The current stack pointer lives in x31 and the
banks SP_EL0..2 change only when the core itself changes level, so every change made here saves and loads them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from unicorn import arm64_const as a64

from arm_hyp.cpu.batch import Batch
from arm_hyp.cpu.native import NativeCore

SP_BANKS: Final = (a64.UC_ARM64_REG_SP_EL0, a64.UC_ARM64_REG_SP_EL1, a64.UC_ARM64_REG_SP_EL2)
SPSR: Final = {1: (3, 0, 4, 0, 0), 2: (3, 4, 4, 0, 0)}
ELR: Final = {1: a64.UC_ARM64_REG_ELR_EL1, 2: a64.UC_ARM64_REG_ELR_EL2}
ESR: Final = {1: a64.UC_ARM64_REG_ESR_EL1, 2: a64.UC_ARM64_REG_ESR_EL2}
FAR: Final = {1: a64.UC_ARM64_REG_FAR_EL1, 2: a64.UC_ARM64_REG_FAR_EL2}
VBAR: Final = {1: (3, 0, 12, 0, 0), 2: (3, 4, 12, 0, 0)}
HPFAR_EL2: Final = (3, 4, 6, 0, 4)


def level(pstate: int) -> int:
    """Return the exception level of a PSTATE or SPSR value, PSTATE.M<3:2>."""
    return pstate >> 2 & 3


def bank(pstate: int) -> int:
    """Return which SP_ELx a PSTATE selects: 0 with SPSel clear, else its level."""
    return level(pstate) if pstate & 1 else 0


class Before(NamedTuple):
    """What an entry needs to know of the core."""

    pc: int
    pstate: int
    sp: int
    new_sp: int
    vbar: int


class Leaving(NamedTuple):
    """What an ERET needs to know of the core."""

    pc: int
    pstate: int
    sp: int
    spsr: int
    elr: int
    sp_el0: int
    sp_el1: int
    sp_el2: int


class Transfers:
    """The prepared register batches of one core for every kind of change of level."""

    def __init__(self, native: NativeCore) -> None:
        self._native = native
        self._before = {el: native.batch(self._before_ids(el)) for el in (1, 2)}
        self._entries: dict[tuple[int, bool, bool, int], Batch] = {}
        self._leaving = {
            el: native.batch(
                [a64.UC_ARM64_REG_PC, a64.UC_ARM64_REG_PSTATE, a64.UC_ARM64_REG_SP, SPSR[el], ELR[el], *SP_BANKS]
            )
            for el in (1, 2)
        }
        self._returns: dict[tuple[int, int, int], Batch] = {}

    @staticmethod
    def _before_ids(el: int) -> list[int | tuple[int, int, int, int, int]]:
        return [a64.UC_ARM64_REG_PC, a64.UC_ARM64_REG_PSTATE, a64.UC_ARM64_REG_SP, SP_BANKS[el], VBAR[el]]

    def before(self, target: int) -> Before:
        """Read what an entry to `target` needs."""
        return Before(*self._before[target].read())

    def enter(
        self, target: int, old: Before, *, elr: int, spsr: int, pstate: int, pc: int, esr: int | None, far: int | None
    ) -> int:
        """Write the state of an exception entry and return the new SP."""
        from_bank = bank(old.pstate)
        new_sp = old.sp if from_bank == target else old.new_sp
        key = (target, esr is not None, far is not None, from_bank)
        batch = self._entries.get(key) or self._prepare_entry(*key)
        if far is not None:
            batch.write(old.sp, elr, pstate, spsr, new_sp, esr or 0, far, pc)
        elif esr is not None:
            batch.write(old.sp, elr, pstate, spsr, new_sp, esr, pc)
        else:
            batch.write(old.sp, elr, pstate, spsr, new_sp, pc)
        return new_sp

    def _prepare_entry(self, target: int, has_esr: bool, has_far: bool, from_bank: int) -> Batch:
        ids = [SP_BANKS[from_bank], ELR[target], a64.UC_ARM64_REG_PSTATE, SPSR[target], a64.UC_ARM64_REG_SP]
        ids += [ESR[target]] if has_esr else []
        ids += [FAR[target]] if has_far else []
        batch = self._native.batch([*ids, a64.UC_ARM64_REG_PC])
        self._entries[target, has_esr, has_far, from_bank] = batch
        return batch

    def leaving(self, el: int) -> Leaving:
        """Read what an ERET at `el` needs."""
        return Leaving(*self._leaving[el].read())

    def leave(self, el: int, old: Leaving, *, pstate: int, pc: int) -> int:
        """Write the state after an ERET from `el` and return the new SP."""
        from_bank, to_bank = bank(old.pstate), bank(pstate)
        new_sp = old.sp if from_bank == to_bank else old[5 + to_bank]
        key = (el, from_bank, to_bank)
        batch = self._returns.get(key)
        if batch is None:
            batch = self._native.batch(
                [SP_BANKS[from_bank], a64.UC_ARM64_REG_PSTATE, SPSR[el], a64.UC_ARM64_REG_SP, a64.UC_ARM64_REG_PC]
            )
            self._returns[key] = batch
        batch.write(old.sp, pstate, old.spsr, new_sp, pc)
        return new_sp
