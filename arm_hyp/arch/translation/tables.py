"""From table to table: the loop that both stages share, and the descriptors that it meets.

Read `arch/translation/results.py` before, `arch/translation/stage1.py` and `stage2.py` after this file.

Simplified: no 52-bit addresses (FEAT_LPA, FEAT_LPA2), no hardware update of descriptors (FEAT_HAFDBS): the machine
claims neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from arm_hyp.arch.iss_faults import FaultKind
from arm_hyp.arch.translation.parameters import LAST_LEVEL, Tables
from arm_hyp.arch.translation.results import Fault, Read64, Step, StepKind, Walk

_HIGHEST_BLOCK_LEVEL = {12: 1, 14: 2, 16: 2}
"""By granule. Ref: AArch64.BlockDescSupported."""
_CONTIGUOUS_BITS = {12: (0, 4, 4, 4), 14: (0, 0, 5, 7), 16: (0, 0, 5, 5)}
"""Log2 of how many entries the Contiguous bit groups, by granule and level. Ref: ContiguousSize."""
_DESCRIPTOR_KINDS = {
    (granule_bits, level): (
        StepKind.INVALID,
        StepKind.BLOCK if highest <= level < LAST_LEVEL else StepKind.INVALID,
        StepKind.INVALID,
        StepKind.PAGE if level == LAST_LEVEL else StepKind.TABLE,
    )
    for granule_bits, highest in _HIGHEST_BLOCK_LEVEL.items()
    for level in range(4)
}
_AF, _CONTIGUOUS = 1 << 10, 1 << 52
_ADDRESS = (1 << 48) - 1

Fetch = Callable[[int], tuple[int | None, Walk | None]]
"""Read a descriptor at an address, through stage 2 if it applies: the descriptor, and the walk of stage 2."""


class Leaf(NamedTuple):
    """The block or page descriptor that ends a walk, and what it says about addresses."""

    descriptor: int
    level: int
    output_address: int
    block_bytes: int
    contiguous_bytes: int


def descriptor_kind(descriptor: int, granule_bits: int, level: int) -> StepKind:
    """Tell a table from a block, a page and an invalid descriptor. Ref: AArch64.DecodeDescriptorType."""
    return _DESCRIPTOR_KINDS[granule_bits, level][descriptor & 3]


def fetch_physical(read64: Read64, is_big_endian: bool) -> Fetch:
    """Return a way to read descriptors at physical addresses. Ref: FetchDescriptor."""

    def fetch(address: int) -> tuple[int | None, Walk | None]:
        return in_order(read64(address), is_big_endian), None

    return fetch


def in_order(word: int | None, is_big_endian: bool) -> int | None:
    """Return a descriptor in the byte order of the walk, SCTLR_ELx.EE."""
    if word is None or not is_big_endian:
        return word
    return int.from_bytes(word.to_bytes(8, "little"), "big")


def walk_tables(address: int, tables: Tables, stage: int, fetch: Fetch) -> tuple[tuple[Step, ...], Leaf | Fault]:
    """Follow the tables from the start level to a block or page, or to what is wrong with them.

    `address` is in range. Ref: the loops of AArch64.S1Walk and AArch64.S2Walk.
    """
    base, granule_bits = tables.base, tables.granule_bits
    rest = address & (1 << tables.input_bits) - 1
    steps: list[Step] = []
    # 1. TTBR: the first table must lie within the output address size.
    if base >> tables.output_bits:
        return (), Fault(FaultKind.ADDRESS_SIZE, 0, stage)
    for level, lsb in tables.levels:
        # 2. The next bits of the address are the index. (At the start level: all that are left of it.)
        index, rest = rest >> lsb, rest & (1 << lsb) - 1
        # 3. Fetch the descriptor, through stage 2 if the table lies in IPA space.
        descriptor, nested = fetch(base | index << 3)
        if descriptor is None:
            steps.append(Step(StepKind.NOT_READ, level, lsb, base, index, None, nested))
            return tuple(steps), _not_read(nested, level, stage)
        kind = descriptor_kind(descriptor, granule_bits, level)
        steps.append(Step(kind, level, lsb, base, index, descriptor, nested))
        # 4. Invalid: a translation fault.
        if kind is StepKind.INVALID:
            return tuple(steps), Fault(FaultKind.TRANSLATION, level, stage)
        # 5. The address in it must lie within the output address size.
        base = descriptor & _ADDRESS & -1 << (granule_bits if kind is StepKind.TABLE else lsb)
        if base >> tables.output_bits:
            return tuple(steps), Fault(FaultKind.ADDRESS_SIZE, level, stage)
        if kind is not StepKind.TABLE:
            return tuple(steps), _leaf(descriptor, granule_bits, level, lsb, base | rest, stage)
    raise AssertionError("level 3 has no table descriptors")


def _leaf(descriptor: int, granule_bits: int, level: int, lsb: int, output_address: int, stage: int) -> Leaf | Fault:
    """Take a block or page; its access flag must be set."""
    if not descriptor & _AF:
        return Fault(FaultKind.ACCESS_FLAG, level, stage)
    run_bits = lsb + (_CONTIGUOUS_BITS[granule_bits][level] if descriptor & _CONTIGUOUS else 0)
    return Leaf(descriptor, level, output_address, 1 << lsb, 1 << run_bits)


def _not_read(nested: Walk | None, level: int, stage: int) -> Fault:
    """Say why a descriptor could not be read: stage 2 refused its address, or nothing answers there."""
    if nested is not None and isinstance(nested.result, Fault):
        return nested.result
    return Fault(FaultKind.EXTERNAL_ON_WALK, level, stage)
