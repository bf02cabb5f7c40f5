"""Both stages: from a virtual address to a physical one, as the core translates an access of software.

Read `arch/translation/stage1.py` before and `arch/translation/faults.py` after this file.

A walk with four levels in each stage reads up to 24 descriptors: each of the 4 tables of stage 1 lies at an IPA that
takes 4 reads to translate, and so does the address that comes out.
"""

from __future__ import annotations

from arm_hyp.arch.translation.attributes import combine
from arm_hyp.arch.translation.parameters import Regime, TranslationRegisters, regime_of, stage2_parameters
from arm_hyp.arch.translation.results import Access, Fault, Read64, Translated, Walk
from arm_hyp.arch.translation.stage1 import walk_stage1
from arm_hyp.arch.translation.stage2 import translate_ipa


def walk(va: int, access: Access, el: int, registers: TranslationRegisters, read64: Read64) -> Walk:
    """Translate a virtual address for software at an exception level. EL0 is never privileged.

    The result joins both stages; the walk of stage 2 for the output address is in `stage2`.
    Ref: AArch64.FullTranslate.
    """
    access = access._replace(is_privileged=access.is_privileged and el > 0)
    regime, stage2 = regime_of(el, registers.hcr_el2), stage2_parameters(registers)
    # 1. Stage 1, each of its descriptors through stage 2. Only EL1&0 has a second stage.
    first = walk_stage1(va, access, regime, registers, read64)
    if isinstance(first.result, Fault) or regime is not Regime.EL10 or not stage2.is_enabled:
        return first
    # 2. The address that came out, through stage 2.
    second = translate_ipa(first.result.pa, access, stage2, read64)
    if isinstance(second.result, Fault):
        return first._replace(result=second.result, stage2=second, own=first.result)
    # 3. What both stages together say.
    return first._replace(result=_join(first.result, second.result), stage2=second, own=first.result)


def _join(first: Translated, second: Translated) -> Translated:
    return Translated(
        pa=second.pa,
        attributes=combine(first.attributes, second.attributes),
        permissions=first.permissions.both(second.permissions),
        level=second.level if first.level is None else first.level,
        block_bytes=min(first.block_bytes or second.block_bytes, second.block_bytes),
        contiguous_bytes=min(first.contiguous_bytes or second.contiguous_bytes, second.contiguous_bytes),
        is_guarded=first.is_guarded,
    )
