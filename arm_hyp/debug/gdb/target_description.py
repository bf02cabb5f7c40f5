"""Which registers gdb sees: one numbered table, and the target description in XML made from it.

Read `registers.py` after this file: their values. Numbers 0 to 67 are those of gdb's own AArch64 features; the system
registers follow in the order of `arch.sysregs.TABLE`, those that this machine has and that can be read without an
effect. Their bit fields are described too, so that `p $HCR_EL2` names the bits.

Simplified: where a register has two layouts (HCR_EL2.E2H) the one without E2H is described.

Ref: Debugging with GDB, G.2 (format), G.5.1 (AArch64 features).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple
from xml.sax.saxutils import quoteattr

from arm_hyp.arch.bitfields import Field, Register
from arm_hyp.arch.registers import layout_of
from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.sysregs import SystemRegister
from arm_hyp.timeline.process.register_groups import group_of, shown

CORE_FEATURE: Final = "org.gnu.gdb.aarch64.core"
FPU_FEATURE: Final = "org.gnu.gdb.aarch64.fpu"
SYSTEM_FEATURE: Final = "org.arm-hyp.aarch64.system."

_CPSR_FIELDS: Final = {"SP": (0, 0), "EL": (2, 3), "nRW": (4, 4)} | {
    name: (bit, bit)
    for name, bit in dict(F=6, I=7, A=8, D=9, IL=20, SS=21, PAN=22, UAO=23, V=28, C=29, Z=30, N=31).items()
}


class RegisterRow(NamedTuple):
    """A register as gdb knows it. The first 68 have gdb's own names, the others Arm's."""

    number: int
    name: str
    bits: int
    feature: str
    group: str
    type: str = ""


class Description:
    """The registers of one kind of machine."""

    def __init__(self, model: str, gic: int, list_registers: int) -> None:
        self.rows: Final = (*_general(), *_vectors(), *_system(shown(model, gic, list_registers)))
        self.by_name: Final = {row.name: row for row in self.rows}
        self.xml: Final = "".join(_document(self.rows)).encode()

    @property
    def in_g_packet(self) -> tuple[RegisterRow, ...]:
        """The registers that `g` gives; gdb asks for each of the others when it needs it."""
        return tuple(row for row in self.rows if row.feature in (CORE_FEATURE, FPU_FEATURE))


@lru_cache(maxsize=4)
def describe(model: str, gic: int, list_registers: int) -> Description:
    """Return the description of a CPU model with a version of the GIC."""
    return Description(model, gic, list_registers)


# --- the table --------------------------------------------------------------------------------------------------------


def _general() -> Iterator[RegisterRow]:
    for number in range(31):
        yield RegisterRow(number, f"x{number}", 64, CORE_FEATURE, "general")
    yield RegisterRow(31, "sp", 64, CORE_FEATURE, "general", "data_ptr")
    yield RegisterRow(32, "pc", 64, CORE_FEATURE, "general", "code_ptr")
    yield RegisterRow(33, "cpsr", 32, CORE_FEATURE, "general", "cpsr_flags")


def _vectors() -> Iterator[RegisterRow]:
    for number in range(32):
        yield RegisterRow(34 + number, f"v{number}", 128, FPU_FEATURE, "vector", "vector_register")
    yield RegisterRow(66, "fpsr", 32, FPU_FEATURE, "float")
    yield RegisterRow(67, "fpcr", 32, FPU_FEATURE, "float")


def _system(rows: Iterable[SystemRegister]) -> Iterator[RegisterRow]:
    by_group = sorted(rows, key=group_of)  # gdb wants each feature in one piece
    for number, row in enumerate(by_group, 68):
        group, layout = group_of(row), layout_of(row.name)
        yield RegisterRow(number, row.name, 64, SYSTEM_FEATURE + group, group, f"{row.name}_flags" if layout else "")


# --- the document -----------------------------------------------------------------------------------------------------


def _document(rows: tuple[RegisterRow, ...]) -> Iterator[str]:
    yield '<?xml version="1.0"?>\n<!DOCTYPE target SYSTEM "gdb-target.dtd">\n<target version="1.0">\n'
    yield "<architecture>aarch64</architecture>\n"
    for feature in dict.fromkeys(row.feature for row in rows):
        yield f"<feature name={quoteattr(feature)}>\n"
        members = [row for row in rows if row.feature == feature]
        yield from _types(feature, members)
        yield from map(_register, members)
        yield "</feature>\n"
    yield "</target>\n"


def _register(row: RegisterRow) -> str:
    type_ = f' type="{row.type}"' if row.type else ""
    return f'<reg name="{row.name}" bitsize="{row.bits}" regnum="{row.number}" group="{row.group}"{type_}/>\n'


def _types(feature: str, rows: Iterable[RegisterRow]) -> Iterator[str]:
    if feature == CORE_FEATURE:
        yield _flags("cpsr_flags", 4, ((name, low, high, "") for name, (low, high) in _CPSR_FIELDS.items()))
    elif feature == FPU_FEATURE:
        yield from _vector_types()
    else:
        for row in rows:
            yield from _layout_types(row)


_ELEMENTS: Final = {
    "d": (("ieee_double", "f"), ("uint64", "u"), ("int64", "s")),
    "s": (("ieee_single", "f"), ("uint32", "u"), ("int32", "s")),
    "h": (("uint16", "u"), ("int16", "s")),
    "b": (("uint8", "u"), ("int8", "s")),
}
_LANES: Final = {"d": 2, "s": 4, "h": 8, "b": 16}


def _vector_types() -> Iterator[str]:
    """Give a union of a vector register's elements of each size, each as the number formats that fit."""
    for lane, formats in _ELEMENTS.items():
        for type_, letter in formats:
            yield f'<vector id="v{lane}_{letter}" type="{type_}" count="{_LANES[lane]}"/>\n'
        members = "".join(f'<field name="{letter}" type="v{lane}_{letter}"/>' for _, letter in formats)
        yield f'<union id="v{lane}">{members}</union>\n'
    whole = '<vector id="vq_u" type="uint128" count="1"/><vector id="vq_s" type="int128" count="1"/>\n'
    yield whole + '<union id="vq"><field name="u" type="vq_u"/><field name="s" type="vq_s"/></union>\n'
    lanes = "".join(f'<field name="{lane}" type="v{lane}"/>' for lane in (*_ELEMENTS, "q"))
    yield f'<union id="vector_register">{lanes}</union>\n'


def _layout_types(row: RegisterRow) -> Iterator[str]:
    layout = layout_of(row.name)
    if layout is None:
        return
    for field in layout.FIELDS:
        values = _enumerated(field)
        if values is not None:
            names = "".join(f'<evalue name="{value.name}" value="{value.value}"/>' for value in values)
            yield f'<enum id="{row.name}_{field.name}" size="8">{names}</enum>\n'
    yield _flags(row.type, 8, _fields(row.name, layout))


def _fields(name: str, layout: type[Register]) -> Iterator[tuple[str, int, int, str]]:
    for field in reversed(layout.FIELDS):
        if field.msb < 64:
            yield field.name, field.lsb, field.msb, "" if _enumerated(field) is None else f"{name}_{field.name}"


def _enumerated(field: Field) -> type[IntEnum] | None:
    """Return the names of a field's values; exception classes have theirs, too."""
    if field.name == "EC":
        return EC
    return field.values if isinstance(field.values, type) else None


def _flags(name: str, size_bytes: int, fields: Iterable[tuple[str, int, int, str]]) -> str:
    parts = (
        f'<field name="{field}" start="{low}" end="{high}"' + (f' type="{type_}"' if type_ else "") + "/>"
        for field, low, high, type_ in fields
    )
    return f'<flags id="{name}" size="{size_bytes}">{"".join(parts)}</flags>\n'
