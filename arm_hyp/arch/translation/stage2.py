"""Stage 2: from an IPA to a physical address.

Read `arch/translation/tables.py`, `attributes.py` and `permissions.py` before, `arch/translation/stage1.py` after.
"""

from __future__ import annotations

from arm_hyp.arch.iss_faults import FaultKind
from arm_hyp.arch.translation.attributes import NORMAL_NC, decode_stage2
from arm_hyp.arch.translation.parameters import Stage2Parameters, TranslationRegisters, stage2_parameters
from arm_hyp.arch.translation.permissions import stage2_permissions
from arm_hyp.arch.translation.results import Access, Fault, MemoryAttributes, Read64, Translated, Walk
from arm_hyp.arch.translation.tables import Leaf, fetch_physical, walk_tables


def walk_stage2(ipa: int, access: Access, registers: TranslationRegisters, read64: Read64) -> Walk:
    """Translate an IPA. The attributes are those of stage 2 alone. HCR_EL2.VM is taken as 1.

    Ref: AArch64.S2Translate, AArch64.S2Walk.
    """
    return translate_ipa(ipa, access, stage2_parameters(registers), read64)


def translate_ipa(ipa: int, access: Access, parameters: Stage2Parameters, read64: Read64) -> Walk:
    """Do what `walk_stage2` does, with the registers already decoded."""
    tables = parameters.tables
    # 1. Is there a legal set of tables, and is the IPA within what they cover?
    if not parameters.is_legal or ipa >> tables.input_bits:
        return Walk(2, ipa, parameters, (), Fault(FaultKind.TRANSLATION, 0, 2, access.is_table_walk, ipa))
    # 2. Follow them.
    steps, found = walk_tables(ipa, tables, 2, fetch_physical(read64, tables.is_big_endian))
    result = _judge(found, access, parameters) if isinstance(found, Leaf) else found
    # 3. A fault names the IPA, and says whether it was met on the way through stage 1.
    if isinstance(result, Fault):
        result = result._replace(is_s1ptw=access.is_table_walk, ipa=ipa)
    return Walk(2, ipa, parameters, steps, result)


def _judge(leaf: Leaf, access: Access, parameters: Stage2Parameters) -> Translated | Fault:
    """Check the permissions of a block or page. Ref: AArch64.S2CheckPermissions."""
    permissions = stage2_permissions(leaf.descriptor, parameters.has_xnx)
    attributes = decode_stage2(leaf.descriptor)
    protected = access.is_table_walk and parameters.protects_walks and attributes.is_device
    if protected or not permissions.allow(access):
        return Fault(FaultKind.PERMISSION, leaf.level, 2)
    attributes = _as_used(attributes, access, parameters)
    return Translated(leaf.output_address, attributes, permissions, leaf.level, leaf.block_bytes, leaf.contiguous_bytes)


def _as_used(attributes: MemoryAttributes, access: Access, parameters: Stage2Parameters) -> MemoryAttributes:
    """Apply HCR_EL2.CD and ID, and what makes Device memory Normal. Ref: AArch64.S2Translate."""
    if access.is_fetch:
        uncached = attributes.is_device or not parameters.is_fetch_cacheable
    elif attributes.is_device:
        uncached = access.is_table_walk
    else:
        uncached = not parameters.is_data_cacheable
    return NORMAL_NC if uncached else attributes
