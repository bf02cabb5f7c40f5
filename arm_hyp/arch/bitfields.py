"""Declarative bit fields: registers and syndromes that read like the manual's diagrams.

Read `arch/types.py` before and `arch/registers/` after this file.

A register is a class of named fields; its instances are immutable integers::

    class HCR_EL2(Register):
        VM = Field(0, meaning="stage 2 translation for EL1&0")
        VSE = Field(8)
        BSU = Field(11, 10)

    hcr = HCR_EL2(0).replace(VM=1)
    hcr.VM, int(hcr), hcr.describe()
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self, overload


class Field:
    """A named bit range `<msb:lsb>` of a register.

    `values` gives the meaning of single values: an `IntEnum` class or a mapping of int to text.
    """

    def __init__(
        self,
        msb: int,
        lsb: int | None = None,
        values: type[IntEnum] | Mapping[int, str] | None = None,
        *,
        meaning: str = "",
    ) -> None:
        self.msb, self.lsb = msb, msb if lsb is None else lsb
        if not 0 <= self.lsb <= self.msb <= 127:
            raise TypeError(f"bit range <{self.msb}:{self.lsb}> is not a range")
        self.values, self.meaning, self.name = values, meaning, ""
        self.width_bits = self.msb - self.lsb + 1
        self.max = (1 << self.width_bits) - 1
        self.mask = self.max << self.lsb

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Field: ...
    @overload
    def __get__(self, instance: int, owner: type) -> int: ...
    def __get__(self, instance: int | None, owner: type) -> Field | int:
        return self if instance is None else int(instance) >> self.lsb & self.max

    def text(self, value: int) -> str:
        """Return the meaning of one value of this field, or an empty text."""
        if self.values is None:
            return ""
        if isinstance(self.values, Mapping):
            return self.values.get(value, "reserved value")
        try:
            return self.values(value).name
        except ValueError:
            return "reserved value"


@dataclass(frozen=True)
class FieldValue:
    """One field of one register value, ready to be shown: name, bit range, value, meaning."""

    name: str
    msb: int
    lsb: int
    value: int
    meaning: str


class Register(int):
    """An immutable register value with named fields. Subclasses declare `Field`s and may set the masks.

    `WIDTH` is in bits. `RES1` is the mask of bits that read as one; every bit that is in no field and not in `RES1`
    is RES0.

    Raises: TypeError when the class is made, if two fields overlap or a field lies outside `WIDTH`.
    """

    WIDTH: ClassVar[int] = 64
    RES1: ClassVar[int] = 0
    RES0: ClassVar[int] = 0
    FIELDS: ClassVar[tuple[Field, ...]] = ()

    def __init_subclass__(cls) -> None:
        own = [item for item in vars(cls).values() if isinstance(item, Field)]
        inherited = [field for field in cls.FIELDS if field.name not in vars(cls)]
        cls.FIELDS = tuple(sorted([*inherited, *own], key=lambda field: -field.msb))
        used = cls.RES1
        for field in cls.FIELDS:
            if used & field.mask:
                raise TypeError(f"{cls.__name__}.{field.name} <{field.msb}:{field.lsb}> overlaps another field")
            if field.msb >= cls.WIDTH:
                raise TypeError(f"{cls.__name__}.{field.name} <{field.msb}:{field.lsb}> is outside {cls.WIDTH} bits")
            used |= field.mask
        cls.RES0 = ((1 << cls.WIDTH) - 1) & ~used

    def __new__(cls, value: int = 0) -> Self:
        if not 0 <= value < 1 << cls.WIDTH:
            raise ValueError(f"{value:#x} does not fit in the {cls.WIDTH} bits of {cls.__name__}")
        return super().__new__(cls, value)

    @classmethod
    def field(cls, name: str) -> Field:
        """Return the field called `name`. Raises: KeyError naming the register and its fields."""
        for field in cls.FIELDS:
            if field.name == name:
                return field
        known = " ".join(field.name for field in reversed(cls.FIELDS))
        raise KeyError(f"{cls.__name__} has no field {name}; it has {known}")

    @classmethod
    def of(cls, **fields: int) -> Self:
        """Make a value from field values, all other bits zero except RES1."""
        return cls(cls.RES1).replace(**fields)

    def replace(self, **fields: int) -> Self:
        """Return this value with some fields changed. Raises: KeyError, ValueError if a value does not fit."""
        value = int(self)
        for name, new in fields.items():
            field = self.field(name)
            if not 0 <= new <= field.max:
                raise ValueError(f"{new:#x} does not fit in {type(self).__name__}.{name} <{field.msb}:{field.lsb}>")
            value = value & ~field.mask | int(new) << field.lsb
        return type(self)(value)

    def describe(self) -> tuple[FieldValue, ...]:
        """Return every field with its value and meaning, most significant first; set RES0 bits as one last row."""
        rows = [self._row(field) for field in self.FIELDS]
        reserved = int(self) & self.RES0
        if reserved:
            rows.append(FieldValue("RES0", self.WIDTH - 1, 0, reserved, "reserved bits that should be zero are set"))
        return tuple(rows)

    def _row(self, field: Field) -> FieldValue:
        value = int(self) >> field.lsb & field.max
        return FieldValue(field.name, field.msb, field.lsb, value, field.text(value) or field.meaning)

    def __repr__(self) -> str:
        shown = ", ".join(f"{row.name}={row.value:#x}" for row in self.describe() if row.value)
        return f"{type(self).__name__}({int(self):#x}: {shown})"
