"""The tree of a walk: what each stage, each table entry and each field says.

Read `explain/walk_words.py` and `arch/translation/descriptors.py` before this file, `explain/walks.py` after it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from arm_hyp.arch.bitfields import FieldValue
from arm_hyp.arch.registers import HCR_EL2
from arm_hyp.arch.registers.translation import SHAREABILITY, memory_attribute
from arm_hyp.arch.translation import (
    Fault,
    MemoryAttributes,
    Regime,
    Stage1Parameters,
    Stage2Parameters,
    Step,
    StepKind,
    Translated,
    Walk,
)
from arm_hyp.arch.translation.attributes import decode_stage1, decode_stage2
from arm_hyp.arch.translation.descriptors import InvalidDescriptor, layout_of_descriptor
from arm_hyp.explain.walk_reasons import base_register, size_field
from arm_hyp.explain.walk_words import (
    Fact,
    Node,
    Question,
    at_instruction,
    memory_text,
    par_after_at,
    permissions_text,
)

_ALWAYS: Final = frozenset({"UXN", "PXN", "XN", "AF", "SH", "AP", "S2AP", "AttrIndx", "MemAttr", "nG", "ADDRESS"})
"""Fields that say something when they are zero too."""
_SAID: Final = frozenset({"TYPE", "VALID"})
"""Fields that the step's own line has said."""
_SIZES: Final = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_ADDRESS_MASK: Final = (1 << 48) - 1


def nodes_of(asked: Question) -> tuple[Node, ...]:
    """Return the parts of the explanation in order: stage 1, stage 2, what both make."""
    walk = asked.walk
    nodes = [_stage1(asked)]
    if walk.stage2 is not None:
        nodes.append(_stage2(walk.stage2, "Stage 2", is_folded=False))
    elif isinstance(walk.result, Translated) and asked.regime is Regime.EL10:
        nodes.append(Node("stage", "Stage 2 is off (HCR_EL2.VM and DC are 0): this is the physical address"))
    if isinstance(walk.result, Translated) and walk.own is not None:
        nodes.append(_both(asked, walk.own, walk.result))
    par = par_after_at(asked)
    if par is not None:
        name = at_instruction(asked)
        nodes.append(Node("par", f"{name} leaves PAR_EL1 = {par:#x}", {"instruction": name, "par_el1": par}))
    return tuple(nodes)


def size_text(size_bytes: int) -> str:
    """Return a size that is a power of two, as 2 MiB."""
    unit_bytes, unit = next((row for row in _SIZES if size_bytes >= row[0]), (1, "bytes"))
    return f"{size_bytes // unit_bytes} {unit}"


# --- one stage --------------------------------------------------------------------------------------------------------


def _stage1(asked: Question) -> Node:
    walk, parameters = asked.walk, asked.walk.parameters
    assert isinstance(parameters, Stage1Parameters)
    own = walk.own or walk.result
    children = [_step(walk, number) for number in range(len(walk.steps))]
    if isinstance(own, Translated):
        children.append(_stage1_result(asked, own))
    elif own.stage == 1:
        children.append(_fault(own))
    return Node("stage", _stage1_header(asked, parameters), _stage_facts(walk), tuple(children))


def _stage1_header(asked: Question, parameters: Stage1Parameters) -> str:
    regime = f"the {parameters.regime.value} regime"
    if parameters.is_enabled:
        half = "" if parameters.regime is Regime.EL2 else f", {'upper' if parameters.is_upper else 'lower'} range"
        return f"Stage 1, {regime}{half}: {_tables(parameters)}"
    hcr = HCR_EL2(asked.registers.hcr_el2)
    el = asked.privileged_el
    bits = ((el == 1 and hcr.DC, "HCR_EL2.DC is 1"), (el == 1 and hcr.TGE, "HCR_EL2.TGE is 1"))
    why = next((text for is_so, text in bits if is_so), f"SCTLR_EL{el}.M is 0")
    return f"Stage 1, {regime}, is off ({why}): the address stays as it is"


def _tables(parameters: Stage1Parameters | Stage2Parameters) -> str:
    tables = parameters.tables
    level, lsb = tables.levels[0]
    extra_bits = max(tables.input_bits - lsb - (tables.granule_bits - 3), 0)
    first = f", {1 << extra_bits} concatenated tables" if extra_bits else ""
    return (
        f"{base_register(parameters)} leads to {tables.base:#x}; {size_text(1 << tables.granule_bits)} granule, "
        f"{tables.input_bits} bits ({size_field(parameters)}) from level {level}{first}"
    )


def _stage2(walk: Walk, title: str, is_folded: bool) -> Node:
    assert isinstance(walk.parameters, Stage2Parameters)
    header = f"{title} of IPA {walk.input_address:#x}"
    steps = tuple(_step(walk, number) for number in range(len(walk.steps)))
    if isinstance(walk.result, Fault):
        text, last = f"{header}: {_tables(walk.parameters)}", _fault(walk.result)
        return Node("stage", text, _stage_facts(walk), (*steps, last))
    text = f"{header}: PA {walk.result.pa:#x}" + ("" if is_folded else f"; {_tables(walk.parameters)}")
    return Node("stage", text, _stage_facts(walk), (*steps, _stage2_result(walk, walk.result)), is_folded)


def _stage_facts(walk: Walk) -> dict[str, Fact]:
    tables = walk.parameters.tables
    return {
        "stage": walk.stage,
        "input_address": walk.input_address,
        "table": tables.base,
        "granule_bytes": 1 << tables.granule_bits,
        "input_bits": tables.input_bits,
        "start_level": tables.levels[0][0],
    }


def _fault(fault: Fault) -> Node:
    walked = ", on a stage 1 walk (S1PTW)" if fault.is_s1ptw else ""
    facts = {"fault": fault.kind.value, "level": fault.level, "stage": fault.stage, "s1ptw": fault.is_s1ptw}
    return Node("fault", f"{fault.kind.value}, level {fault.level}{walked}", facts | {"ipa": fault.ipa})


# --- one step ---------------------------------------------------------------------------------------------------------


def _step(walk: Walk, number: int) -> Node:
    step, tables = walk.steps[number], walk.parameters.tables
    msb = tables.input_bits - 1 if number == 0 else walk.steps[number - 1].lsb - 1
    name = "VA" if walk.stage == 1 else "IPA"
    space = "PA" if step.stage2 is None else "IPA"
    text = (
        f"level {step.level}: {name}<{msb}:{step.lsb}> is index {step.table_index} of the table at {space} "
        f"{step.table_address:#x}: {_found(walk, step)}"
    )
    facts: dict[str, Fact] = {
        "level": step.level,
        "msb": msb,
        "lsb": step.lsb,
        "index": step.table_index,
        "table": step.table_address,
        "address": step.descriptor_address,
        "pa": step.descriptor_pa,
        "descriptor": step.descriptor,
        "found": step.kind.value,
    }
    nested = () if step.stage2 is None else (_stage2(step.stage2, "stage 2", is_folded=True),)
    return Node("step", text, facts, (*nested, *_fields(walk, step)))


def _found(walk: Walk, step: Step) -> str:
    if step.descriptor is None:
        return "it cannot be read"
    if step.kind is StepKind.INVALID:
        return f"{step.descriptor:#x}, {InvalidDescriptor.TYPE.text(step.descriptor & 3)}"
    what = "a table" if step.kind is StepKind.TABLE else f"a {step.kind.value} of {size_text(1 << step.lsb)}"
    return f"{step.descriptor:#x}, {what} at {_address_in(walk, step):#x}"


def _address_lsb(walk: Walk, step: Step) -> int:
    return walk.parameters.tables.granule_bits if step.kind is StepKind.TABLE else step.lsb


def _address_in(walk: Walk, step: Step) -> int:
    return (step.descriptor or 0) & _ADDRESS_MASK & -1 << _address_lsb(walk, step)


def _fields(walk: Walk, step: Step) -> tuple[Node, ...]:
    """Return the fields of a descriptor, most significant first."""
    if step.descriptor is None:
        return ()
    lsb, parameters = _address_lsb(walk, step), walk.parameters
    if isinstance(parameters, Stage1Parameters):
        return _described(step.descriptor, step.kind, lsb, parameters.regime, parameters.mair)
    return _described(step.descriptor, step.kind, lsb, None, 0)


@lru_cache(maxsize=512)
def _described(descriptor: int, kind: StepKind, lsb: int, regime: Regime | None, mair: int) -> tuple[Node, ...]:
    """Do what `_fields` does; walks of one guest meet the same descriptors again and again."""
    nodes: list[Node] = []
    for row in layout_of_descriptor(kind, regime)(descriptor).describe():
        if row.name == "ADDRESS":
            nodes += map(_field, _address_rows(row, descriptor, lsb))
        elif row.name == "AttrIndx":
            nodes.append(_field(_with_mair(row, regime, mair)))
        else:
            nodes.append(_field(row))
    return tuple(nodes)


def _address_rows(row: FieldValue, descriptor: int, lsb: int) -> list[FieldValue]:
    """Return the address, which begins where a block or table of that size does, and what is wrongly set below it."""
    mask = (1 << row.msb + 1) - 1
    rows = [FieldValue(row.name, row.msb, lsb, descriptor & mask & -1 << lsb, row.meaning)]
    below = (descriptor & (1 << lsb) - 1) >> row.lsb
    return [*rows, FieldValue("RES0", lsb - 1, row.lsb, below, "should be zero, and is ignored")] if below else rows


def _with_mair(row: FieldValue, regime: Regime | None, mair: int) -> FieldValue:
    """Say what MAIR_ELx has at an index."""
    attribute, name = mair >> 8 * row.value & 0xFF, "MAIR_EL1" if regime is Regime.EL10 else "MAIR_EL2"
    text = f"{name}.Attr{row.value} is {attribute:#04x}: {memory_attribute(attribute)}"
    return FieldValue(row.name, row.msb, row.lsb, row.value, text)


def _field(row: FieldValue) -> Node:
    bits = f"<{row.msb}>" if row.msb == row.lsb else f"<{row.msb}:{row.lsb}>"
    width = row.msb - row.lsb + 1
    value = f"0b{row.value:0{width}b}" if width <= 4 else f"{row.value:#x}"
    facts: dict[str, Fact] = {"field": row.name, "msb": row.msb, "lsb": row.lsb, "value": row.value}
    is_quiet = row.name in _SAID if row.value else row.name not in _ALWAYS
    return Node("field", f"{row.name} {bits} {value}  {row.meaning}", facts, is_quiet=is_quiet)


# --- results ----------------------------------------------------------------------------------------------------------


def _stage1_result(asked: Question, own: Translated) -> Node:
    space = "IPA" if asked.has_stage2 else "PA"
    children = (
        Node("memory", f"memory: {memory_text(own.attributes)}{_changed(asked, own)}"),
        Node("permissions", f"allowed: {_permissions(asked, own)}"),
    )
    return Node("result", f"{space} {own.pa:#x}{_size(own)}", _result_facts(own), children)


def _changed(asked: Question, own: Translated) -> str:
    """Say why the attributes are others than the descriptor's."""
    walk, parameters = asked.walk, asked.walk.parameters
    assert isinstance(parameters, Stage1Parameters)
    if not walk.steps:
        return ""
    said = decode_stage1(parameters.mair, walk.steps[-1].descriptor or 0)
    if said == own.attributes:
        return ""
    if said.is_device:
        return f", for a fetch from {memory_text(said)}"
    bit = "I" if asked.access.is_fetch else "C"
    return f", because SCTLR_EL{asked.privileged_el}.{bit} is 0 (the descriptor: {memory_text(said)})"


def _permissions(asked: Question, result: Translated) -> str:
    return permissions_text(result.permissions, asked.privileged_el, asked.regime is not Regime.EL2)


def _stage2_result(walk: Walk, result: Translated) -> Node:
    said = decode_stage2(walk.steps[-1].descriptor or 0)
    changed = "" if said == result.attributes else f" (the descriptor: {memory_text(said)})"
    children = (
        Node("memory", f"memory: {memory_text(result.attributes)}{changed}"),
        Node("permissions", f"allowed: {permissions_text(result.permissions, 1)}"),
    )
    return Node("result", f"PA {result.pa:#x}{_size(result)}", _result_facts(result), children)


def _size(result: Translated) -> str:
    if not result.block_bytes:
        return ""
    run = f", contiguous with others to {size_text(result.contiguous_bytes)}"
    is_run = result.contiguous_bytes > result.block_bytes
    return f", in {size_text(result.block_bytes)} mapped as one{run if is_run else ''}"


def _result_facts(result: Translated) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"address": result.pa, "attr": result.attributes.attr}
    allowed = result.permissions._asdict()
    return facts | {"shareability": result.attributes.shareability, "block_bytes": result.block_bytes} | allowed


def _both(asked: Question, own: Translated, both: Translated) -> Node:
    """Return what the two stages make together, and which of them it comes from."""
    second = asked.walk.stage2
    assert second is not None and isinstance(second.result, Translated)
    children = [
        Node("memory", f"memory: {_combined_type(own.attributes, second.result.attributes, both.attributes)}"),
        Node("memory", f"shareability: {_combined_sharing(own.attributes, second.result.attributes, both.attributes)}"),
        Node("permissions", f"allowed by both: {_permissions(asked, both)}"),
    ]
    return Node("both", f"Together: PA {both.pa:#x}{_size(both)}", _result_facts(both), tuple(children))


def _combined_type(first: MemoryAttributes, second: MemoryAttributes, both: MemoryAttributes) -> str:
    return f"{memory_attribute(both.attr)} ({_winner(first.attr, second.attr, both.attr)})"


def _combined_sharing(first: MemoryAttributes, second: MemoryAttributes, both: MemoryAttributes) -> str:
    name = SHAREABILITY.get(both.shareability, "Non-shareable")
    who = _winner(first.shareability, second.shareability, both.shareability)
    return f"{name} ({who})"


def _winner(first: int, second: int, both: int) -> str:
    """Say whose value it is. Ref: S2CombineS1MemAttrs: the more restrictive of both."""
    rows = (
        (both == first == second, "both stages say so"),
        (both == first, "stage 1 is stricter and wins"),
        (both == second, "stage 2 is stricter and wins"),
    )
    return next((text for is_so, text in rows if is_so), "each stage gives a part")
