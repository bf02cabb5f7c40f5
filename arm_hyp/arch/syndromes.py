"""Exception syndromes: what ESR_ELx says, as a tree with a meaning for every bit, and the way back.

Read `arch/bitfields.py` before this file; for the parts, `arch/iss_classes.py` (EC), `arch/iss_faults.py` (DFSC,
IFSC), `arch/iss_traps.py`, `arch/iss_aborts.py` and `arch/iss_layouts.py` (ISS), `arch/iss_encode.py` (encoders) and
`arch/iss_text.py` (one line). Read `arch/traps.py` after it. Import all of those names from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arm_hyp.arch.bitfields import Register
from arm_hyp.arch.iss_classes import EC, EXCEPTION_CLASSES, ExceptionClass, ec_description, ec_name
from arm_hyp.arch.iss_encode import (
    encode,
    encode_abort,
    encode_bkpt,
    encode_breakpoint,
    encode_brk,
    encode_bti,
    encode_eret,
    encode_fields,
    encode_fp_access,
    encode_hvc,
    encode_illegal_state,
    encode_pac_fail,
    encode_pauth,
    encode_pc_alignment,
    encode_serror,
    encode_smc,
    encode_sp_alignment,
    encode_step,
    encode_svc,
    encode_sve_access,
    encode_sysreg,
    encode_unknown,
    encode_virtual_serror,
    encode_watchpoint,
    encode_wfx,
)
from arm_hyp.arch.iss_faults import (
    FAULT_STATUS,
    INSTRUCTION_FAULT_STATUS,
    FaultKind,
    FaultStatus,
    encode_fsc,
)
from arm_hyp.arch.iss_layouts import iss2_layout_for, layout_for, layouts_of
from arm_hyp.arch.iss_text import NameOf, general_register, one_line, system_name

__all__ = [
    "EC",
    "EXCEPTION_CLASSES",
    "FAULT_STATUS",
    "INSTRUCTION_FAULT_STATUS",
    "ExceptionClass",
    "FaultKind",
    "FaultStatus",
    "NameOf",
    "SyndromeTree",
    "decode_esr",
    "decode_iss",
    "ec_description",
    "ec_name",
    "encode",
    "encode_abort",
    "encode_bkpt",
    "encode_breakpoint",
    "encode_brk",
    "encode_bti",
    "encode_eret",
    "encode_fields",
    "encode_fp_access",
    "encode_fsc",
    "encode_hvc",
    "encode_illegal_state",
    "encode_pac_fail",
    "encode_pauth",
    "encode_pc_alignment",
    "encode_serror",
    "encode_smc",
    "encode_sp_alignment",
    "encode_step",
    "encode_svc",
    "encode_sve_access",
    "encode_sysreg",
    "encode_tree",
    "encode_unknown",
    "encode_virtual_serror",
    "encode_watchpoint",
    "encode_wfx",
    "general_register",
    "iss2_layout_for",
    "layout_for",
    "layouts_of",
    "one_line",
    "system_name",
]

_IL_MEANING = ("16-bit instruction trapped", "32-bit instruction trapped, or a class for which IL is always 1")
_RES0_MEANING = ("reserved, zero", "reserved bits that should be zero are set")


@dataclass(frozen=True)
class SyndromeTree:
    """One node: bits `<msb:lsb>` of ESR_ELx (absolute, also in ISS2), value, meaning, and the parts of them."""

    name: str
    msb: int
    lsb: int
    value: int
    meaning: str
    children: tuple[SyndromeTree, ...] = ()

    @property
    def is_res0(self) -> bool:
        """Whether these bits are in no field of the layout."""
        return self.name == "RES0"

    def leaves(self) -> Iterator[SyndromeTree]:
        """Give the nodes without children, most significant first; they cover every bit once."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def find(self, name: str) -> SyndromeTree:
        """Return the first node called `name`, this one included. Raises: KeyError."""
        found = self._search(name)
        if found is None:
            raise KeyError(f"{self.name} has no field {name}")
        return found

    def _search(self, name: str) -> SyndromeTree | None:
        if self.name == name:
            return self
        return next((hit for child in self.children if (hit := child._search(name))), None)


def decode_esr(esr: int, el: int = 1, name_of: NameOf | None = None) -> SyndromeTree:
    """Decode a 64-bit ESR_ELx value, `el` (1, 2, 3) being the level the exception was taken to. Total over all values.

    Raises: ValueError if `esr` is not 64 bits. Ref: Arm ARM, ESR_EL1, ESR_EL2, ESR_EL3.
    """
    if not 0 <= esr < 1 << 64:
        raise ValueError(f"{esr:#x} does not fit in the 64 bits of ESR_EL{el}")
    ec, il = esr >> 26 & 0x3F, esr >> 25 & 1
    children = (
        _res0(63, 56, esr >> 56),
        _iss2(ec, esr >> 32 & 0xFFFFFF),
        SyndromeTree("EC", 31, 26, ec, ec_description(ec, el)),
        SyndromeTree("IL", 25, 25, il, _IL_MEANING[il]),
        decode_iss(ec, esr & 0x1FFFFFF, one_line(esr, el, name_of)),
    )
    return SyndromeTree(f"ESR_EL{el}", 63, 0, esr, ec_name(ec), children)


def decode_iss(ec: int, iss: int, meaning: str = "") -> SyndromeTree:
    """Decode the 25 bits of ISS for a class into a node `<24:0>` with a child for each field and each RES0 range."""
    layout = layout_for(ec, iss)
    return SyndromeTree("ISS", 24, 0, iss, meaning or ec_name(ec), _fields(layout(iss), 0))


def _iss2(ec: int, iss2: int) -> SyndromeTree:
    layout = iss2_layout_for(ec)
    if layout is None:
        return SyndromeTree("ISS2", 55, 32, iss2, "RES0 for this class", (_res0(55, 32, iss2),))
    return SyndromeTree("ISS2", 55, 32, iss2, "more of the abort", _fields(layout(iss2), 32))


def _fields(value: Register, shift: int) -> tuple[SyndromeTree, ...]:
    """Make a node of each field, and of each range of RES0 bits between; `shift` is where the layout's bit 0 lies."""
    nodes, next_bit = [], value.WIDTH - 1
    for row in value.describe():
        if row.name == "RES0":
            continue
        if row.msb < next_bit:
            nodes.append(_gap(value, next_bit, row.msb + 1, shift))
        nodes.append(SyndromeTree(row.name, row.msb + shift, row.lsb + shift, row.value, row.meaning))
        next_bit = row.lsb - 1
    if next_bit >= 0:
        nodes.append(_gap(value, next_bit, 0, shift))
    return tuple(nodes)


def _gap(value: int, msb: int, lsb: int, shift: int) -> SyndromeTree:
    return _res0(msb + shift, lsb + shift, int(value) >> lsb & (1 << msb - lsb + 1) - 1)


def _res0(msb: int, lsb: int, value: int) -> SyndromeTree:
    return SyndromeTree("RES0", msb, lsb, value, _RES0_MEANING[value != 0])


def encode_tree(tree: SyndromeTree) -> int:
    """Put the integer of a decoded tree together again, from its leaves."""
    value = 0
    for leaf in tree.leaves():
        value |= leaf.value << leaf.lsb
    return value
