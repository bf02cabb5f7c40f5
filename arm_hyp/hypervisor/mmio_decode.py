"""Loads and stores as plans: which registers move to or from which bytes, for what a syndrome does not tell.

Read `arch/load_store.py` and `arch/load_store_address.py` before this file, `hypervisor/mmio_emulate.py` after it. A
stage 2 data abort describes the access only where ISV is 1: one general register, no writeback. For a pair, a vector or
writeback the hypervisor must read the instruction. `decode` makes of its word a `Plan`, or says why there is none.

All that one instruction accesses is contiguous in memory: a row of elements of equal size. So a plan is the list of
what each element is: a register, or a lane of a vector register.

Compare Linux: KVM/arm64 decodes no instructions. It gives such an access to user space (KVM_CAP_ARM_NISV_TO_USER) or
injects an external abort.

Ref: Arm ARM C4.1.94 "Loads and Stores", C7.2 for the vector forms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from arm_hyp.arch.load_store import LoadStoreAccess, load_store_access
from arm_hyp.arch.load_store_address import Addressing, load_store_address

ByteOrder = Literal["little", "big"]
ReadRegister = Callable[[int], int]


class Refusal(Enum):
    """Why an access to a device is not emulated, in words."""

    OTHER = "the instruction at the PC does not make this access: the code was changed after it ran"
    EXCLUSIVE = (
        "a device supports no exclusive access: the way through EL2 clears the monitor, no store could ever pass"
    )
    ATOMIC = "a device supports no atomic access"
    AUTHENTICATED = "a load with pointer authentication finds its address by keys, not by the instruction"


class Element(NamedTuple):
    """One element: a general register, or from bit `lane * element size` on a vector register."""

    register: int
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What one load or store does: element i lies at `address + i * access.element_bytes`.

    `signed_bits`: to how many bits a general register is sign-extended, 0 for zero extension. `keeps_lanes`: the rest
    of a loaded vector register stays. `copies`: how many lanes receive the same element (LD1R and the like).
    `addressing` is None for DC ZVA, which zeroes the naturally aligned block around the faulting address.
    """

    access: LoadStoreAccess
    addressing: Addressing | None
    elements: tuple[Element, ...]
    signed_bits: int = 0
    keeps_lanes: bool = False
    copies: int = 1

    def stored(self, read: ReadRegister, order: ByteOrder) -> bytes:
        """Return the bytes that the instruction writes, from the registers that it names."""
        size = self.access.element_bytes
        mask = (1 << 8 * size) - 1
        values = (read(register) >> 8 * size * lane & mask for register, lane in self.elements)
        return b"".join(value.to_bytes(size, order) for value in values)

    def loaded(self, data: bytes, read: ReadRegister, order: ByteOrder) -> dict[int, int]:
        """Return the new values of the registers that the instruction loads from the bytes read."""
        size, result = self.access.element_bytes, dict[int, int]()
        for index, (register, lane) in enumerate(self.elements):
            value = int.from_bytes(data[index * size : (index + 1) * size], order)
            if self.access.is_vector:
                before = result.get(register, read(register) if self.keeps_lanes else 0)
                result[register] = _with_lane(before, self._copied(value), lane, size * self.copies)
            else:
                result[register] = extend(value, size, self.signed_bits)
        return result

    def _copied(self, value: int) -> int:
        return sum(value << 8 * self.access.element_bytes * copy for copy in range(self.copies))


def extend(value: int, size_bytes: int, signed_bits: int) -> int:
    """Sign-extend to a register of `signed_bits` bits; 0 means zero extension."""
    sign = 1 << 8 * size_bytes - 1
    return (value ^ sign) - sign & (1 << signed_bits) - 1 if signed_bits else value


def _with_lane(before: int, value: int, lane: int, size_bytes: int) -> int:
    shift = 8 * size_bytes * lane
    return before & ~((1 << 8 * size_bytes) - 1 << shift) | value << shift


def _one(word: int, access: LoadStoreAccess) -> Plan:
    return Plan(access, load_store_address(word), (Element(access.rt),), _signed_bits(word))


def _pair(word: int, access: LoadStoreAccess) -> Plan:
    elements = (Element(access.rt), Element(word >> 10 & 31))
    return Plan(access, load_store_address(word), elements, _signed_bits(word))


_REPEATS: Final = {0: 1, 2: 4, 4: 1, 6: 3, 7: 1, 8: 1, 10: 2}
"""How often LD1 to LD4 (multiple structures) begin with a next register, by opcode."""


def _structures(word: int, access: LoadStoreAccess) -> Plan:
    """LD1 to LD4, ST1 to ST4 (multiple structures): element by element over the registers of a structure."""
    repeats, register_bytes = _REPEATS[word >> 12 & 15], 8 << (word >> 30 & 1)
    registers = access.size_bytes // register_bytes // repeats
    elements = tuple(
        Element((access.rt + repeat + register) & 31, lane)
        for repeat in range(repeats)
        for lane in range(register_bytes // access.element_bytes)
        for register in range(registers)
    )
    return Plan(access, load_store_address(word), elements)


def _single_structure(word: int, access: LoadStoreAccess) -> Plan:
    """LD1 to LD4, ST1 to ST4 (single structure): one lane of each register; the index is in Q:S:size."""
    place = (word >> 30 & 1) << 3 | word >> 10 & 7
    lane = place >> access.element_bytes.bit_length() - 1
    return Plan(access, load_store_address(word), _in_a_row(access, lane), keeps_lanes=True)


def _replicated(word: int, access: LoadStoreAccess) -> Plan:
    """LD1R to LD4R: the same element to all lanes."""
    copies = (8 << (word >> 30 & 1)) // access.element_bytes
    return Plan(access, load_store_address(word), _in_a_row(access, 0), copies=copies)


def _in_a_row(access: LoadStoreAccess, lane: int) -> tuple[Element, ...]:
    return tuple(Element(access.rt + n & 31, lane) for n in range(access.size_bytes // access.element_bytes))


_TABLE: Final[tuple[tuple[int, int, Callable[[int, LoadStoreAccess], Plan]], ...]] = (
    # mask, value, reader; the first row that matches wins
    (0x3A00_0000, 0x2800_0000, _pair),
    (0xBF00_0000, 0x0C00_0000, _structures),
    (0xBF00_C000, 0x0D00_C000, _replicated),
    (0xBF00_0000, 0x0D00_0000, _single_structure),
    (0x0000_0000, 0x0000_0000, _one),
)
_SIGNED: Final = (
    # mask, value, how many bits the register gets
    (0xFF00_0000, 0x9800_0000, 64),  # LDRSW (literal)
    (0xFE40_0000, 0x6840_0000, 64),  # LDPSW
    (0x3FC0_0000, 0x3980_0000, 64),  # LDRSB, LDRSH, LDRSW: unsigned offset
    (0x3FC0_0000, 0x39C0_0000, 32),
    (0x3FE0_0000, 0x3880_0000, 64),  # unscaled, unprivileged, pre- and post-index
    (0x3FE0_0000, 0x38C0_0000, 32),
    (0x3FE0_0C00, 0x38A0_0800, 64),  # register offset
    (0x3FE0_0C00, 0x38E0_0800, 32),
    (0x3FE0_0C00, 0x1980_0000, 64),  # LDAPURSB, LDAPURSH, LDAPURSW
    (0x3FE0_0C00, 0x19C0_0000, 32),
)


def _signed_bits(word: int) -> int:
    for mask, value, bits in _SIGNED:
        if word & mask == value:
            return bits
    return 0


ZERO_BLOCK_BYTES: Final = 64
"""What DC ZVA zeroes: DCZID_EL0.BS is 4 on all models."""
_XZR: Final = 31
_ZERO_BLOCK: Final = Plan(
    LoadStoreAccess(None, ZERO_BLOCK_BYTES, 8, ZERO_BLOCK_BYTES, _XZR, is_load=False, is_store=True),
    None,
    (Element(_XZR),) * (ZERO_BLOCK_BYTES // 8),
)


@lru_cache(maxsize=1024)
def decode(word: int) -> Plan | Refusal:
    """Return what a load or store does, or why a hypervisor does not do it for the guest.

    Exclusives and atomics need a memory system that supports them; for a device it is IMPLEMENTATION DEFINED whether
    it does (Ref: Arm ARM B2.12.1, DFSC 0b110101), and here none does. A prefetch never faults, so it is none either.
    """
    if word & 0xFFFF_FFE0 == 0xD50B_7420:
        return _ZERO_BLOCK
    access = load_store_access(word)
    if access is None:
        return Refusal.OTHER
    if access.is_exclusive or access.is_atomic:
        return Refusal.EXCLUSIVE if access.is_exclusive else Refusal.ATOMIC
    if load_store_address(word) is None:
        return Refusal.AUTHENTICATED
    return next(reader(word, access) for mask, value, reader in _TABLE if word & mask == value)
