"""Stage 1: from a virtual address to an IPA, or to a physical address where no stage 2 applies.

Read `arch/translation/stage2.py` before and `arch/translation/combined.py` after this file.
"""

from __future__ import annotations

from arm_hyp.arch.iss_faults import FaultKind
from arm_hyp.arch.translation.attributes import (
    DEFAULT_CACHEABLE,
    FETCH_CACHEABLE,
    NORMAL_NC,
    DEVICE_nGnRnE,
    decode_stage1,
)
from arm_hyp.arch.translation.parameters import (
    Regime,
    Stage1Parameters,
    Stage2Parameters,
    TranslationRegisters,
    stage1_parameters,
    stage2_parameters,
)
from arm_hyp.arch.translation.permissions import is_kept_by_pan, stage1_permissions, table_limits
from arm_hyp.arch.translation.results import (
    ALL_ALLOWED,
    TABLE_WALK,
    Access,
    Fault,
    MemoryAttributes,
    Permissions,
    Read64,
    Step,
    Translated,
    Walk,
)
from arm_hyp.arch.translation.stage2 import translate_ipa
from arm_hyp.arch.translation.tables import Fetch, Leaf, fetch_physical, in_order, walk_tables

_GUARDED = 1 << 50


def walk_stage1(va: int, access: Access, regime: Regime, registers: TranslationRegisters, read64: Read64) -> Walk:
    """Translate a virtual address by stage 1 alone. Its descriptors are read through stage 2 where that is on.

    Ref: AArch64.S1Translate, AArch64.S1Walk.
    """
    parameters = stage1_parameters(regime, bool(va >> 55 & 1), registers)
    stage2 = stage2_parameters(registers)
    is_big_endian = parameters.tables.is_big_endian
    if regime is Regime.EL10 and stage2.is_enabled:
        fetch = _fetch_through(stage2, read64, is_big_endian)
    else:
        fetch = fetch_physical(read64, is_big_endian)
    return _translate(va, access, parameters, fetch)


def _fetch_through(stage2: Stage2Parameters, read64: Read64, is_big_endian: bool) -> Fetch:
    """Return a way to read descriptors at IPAs."""

    def fetch(ipa: int) -> tuple[int | None, Walk | None]:
        nested = translate_ipa(ipa, TABLE_WALK, stage2, read64)
        if isinstance(nested.result, Fault):
            return None, nested
        return in_order(read64(nested.result.pa), is_big_endian), nested

    return fetch


def _translate(va: int, access: Access, parameters: Stage1Parameters, fetch: Fetch) -> Walk:
    # 1. Stage 1 off: the address as it is.
    if not parameters.is_enabled:
        return Walk(1, va, parameters, (), _flat(va, access, parameters))
    # 2. The bits above the range must all be equal to bit 55 (or 0), and walks must not be disabled.
    if _is_out_of_range(va, access, parameters) or parameters.walks_disabled:
        return Walk(1, va, parameters, (), Fault(FaultKind.TRANSLATION, 0, 1))
    # 3. Follow the tables.
    steps, found = walk_tables(va, parameters.tables, 1, fetch)
    # 4. A block or page: do it and the tables on the way allow the access?
    result = _judge(found, steps, access, parameters) if isinstance(found, Leaf) else found
    return Walk(1, va, parameters, steps, result)


def _flat(va: int, access: Access, parameters: Stage1Parameters) -> Translated | Fault:
    """Ref: AArch64.S1DisabledOutput."""
    address = va & (2 << _top_bit(access, parameters)) - 1
    if address >> parameters.pa_bits:
        return Fault(FaultKind.ADDRESS_SIZE, 0, 1)
    return Translated(address, _flat_attributes(access, parameters), ALL_ALLOWED, None, 0, 0)


def _flat_attributes(access: Access, parameters: Stage1Parameters) -> MemoryAttributes:
    if parameters.default_cacheable:
        return DEFAULT_CACHEABLE
    if access.is_fetch:
        return FETCH_CACHEABLE if parameters.is_fetch_cacheable else NORMAL_NC
    return DEVICE_nGnRnE


def _top_bit(access: Access, parameters: Stage1Parameters) -> int:
    """Ref: AArch64.AddrTop."""
    return parameters.fetch_top_bit if access.is_fetch else parameters.top_bit


def _is_out_of_range(va: int, access: Access, parameters: Stage1Parameters) -> bool:
    """Ref: AArch64.VAIsOutOfRange."""
    bits = parameters.tables.input_bits
    ones = (2 << _top_bit(access, parameters) - bits) - 1
    return va >> bits & ones != (ones if parameters.is_upper else 0)


def _judge(leaf: Leaf, steps: tuple[Step, ...], access: Access, parameters: Stage1Parameters) -> Translated | Fault:
    """Check the permissions of a block or page. Ref: AArch64.S1CheckPermissions."""
    permissions = _permissions(leaf, steps, parameters)
    if is_kept_by_pan(permissions, access) or not permissions.allow(access):
        return Fault(FaultKind.PERMISSION, leaf.level, 1)
    attributes = _as_used(decode_stage1(parameters.mair, leaf.descriptor), access, parameters)
    return Translated(
        leaf.output_address,
        attributes,
        permissions,
        leaf.level,
        leaf.block_bytes,
        leaf.contiguous_bytes,
        bool(leaf.descriptor & _GUARDED),
    )


def _permissions(leaf: Leaf, steps: tuple[Step, ...], parameters: Stage1Parameters) -> Permissions:
    limits = 0 if parameters.ignores_table_permissions else table_limits(steps)
    return stage1_permissions(leaf.descriptor, limits, parameters.regime is not Regime.EL2, parameters.wxn)


def _as_used(attributes: MemoryAttributes, access: Access, parameters: Stage1Parameters) -> MemoryAttributes:
    """Apply SCTLR_ELx.C and I, and what makes Device memory Normal for a fetch. Ref: AArch64.S1Translate."""
    if access.is_fetch:
        uncached = attributes.is_device or not parameters.is_fetch_cacheable
    else:
        uncached = not attributes.is_device and not parameters.is_data_cacheable
    return NORMAL_NC if uncached else attributes
