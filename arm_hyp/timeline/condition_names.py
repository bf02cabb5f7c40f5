"""What a condition may ask of an event, by name: its fields, what follows from them, and registers.

Read `events.py` and `kvm_events.py` before this file, `timeline/conditions.py` after it.
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import msgspec

from arm_hyp.arch import sysregs
from arm_hyp.arch.registers import layout_of
from arm_hyp.arch.registers.hypervisor import HPFAR_EL2
from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.events import Barrier, Event, ExceptionTaken, RegisterAccess, TranslationWrite
from arm_hyp.kvm_events import AnyEvent, KvmSysAccess

ALL_TYPES: Final[tuple[type[Event], ...]] = typing.get_args(AnyEvent)
EVERY_TYPE: Final = frozenset(ALL_TYPES) - {Barrier, TranslationWrite}
"""Two are told only to those who name them, because each of them stops the core."""
_REGISTER: Final = re.compile(r"(?:X(?:[12]?\d|30)|SP|PSTATE)", re.IGNORECASE)
_PAGE_OFFSET: Final = 0xFFF
_ABORTS: Final = frozenset({0x20, 0x24})
_CALLS: Final = frozenset({EC.SVC64, EC.HVC64, EC.SMC64, EC.BRK})
_FAR_NOT_VALID: Final = 1 << 10


@dataclass(frozen=True, slots=True)
class Name:
    """Something that can be compared. `kinds` are the events that have it, `words` the values that have names."""

    name: str
    kinds: frozenset[type[Event]]
    is_text: bool = False
    is_register: bool = False
    words: Mapping[str, int] | None = None

    def value_of(self, text: str) -> int | str | None:
        """Return what a word (in lower case) means here; None if it is no value of this."""
        if self.is_text:
            return text
        known = {**(self.words or {}), "true": 1, "false": 0, **{f"el{level}": level for level in range(4)}}
        return known.get(text)

    def near_values(self, text: str) -> str:
        """Say which values are written nearly so, or how values are written."""
        known = list(self.words or ())
        if self.name == "event":
            known = [_tag(kind) for kind in ALL_TYPES]
        near = difflib.get_close_matches(text, known, n=3)
        if not near:
            return "write it as 1, 0x1f or 0b101"
        return f"did you mean {' or '.join(each.upper() if self.words else each for each in near)}?"


def _tag(kind: type[Event]) -> str:
    return str(kind.__struct_config__.tag)


def types_of_tag(tag: str) -> frozenset[type[Event]]:
    """Return the event types of a tag, which is one or none."""
    return frozenset(kind for kind in ALL_TYPES if _tag(kind) == tag)


# --- what follows from an event's fields ------------------------------------------------------------------------------


def _ipa(event: Any) -> int | None:
    """Return the IPA that an abort to EL2 is about, or that an event names."""
    if not isinstance(event, ExceptionTaken):
        value = getattr(event, "gpa", None) if hasattr(event, "gpa") else getattr(event, "ipa", None)
        return value if isinstance(value, int) else None
    if event.hpfar is None or event.esr is None or event.ec not in _ABORTS:
        return None
    has_far = event.far is not None and not event.esr & _FAR_NOT_VALID
    return HPFAR_EL2(event.hpfar).FIPA << 12 | (event.far or 0 if has_far else 0) & _PAGE_OFFSET


def _sysreg(event: Any) -> str | None:
    """Return the system register that an event is about: accessed, or trapped."""
    if isinstance(event, RegisterAccess):
        return event.register
    if isinstance(event, KvmSysAccess):
        return event.name
    if not isinstance(event, ExceptionTaken) or event.ec != EC.SYSREG or event.esr is None:
        return None
    iss = event.esr & 0x1FF_FFFF
    return sysregs.name_of(Encoding(iss >> 20 & 3, iss >> 14 & 7, iss >> 10 & 15, iss >> 1 & 15, iss >> 17 & 7))


def _iss(event: Any) -> int | None:
    esr = getattr(event, "esr", None)
    return esr & 0x1FF_FFFF if isinstance(esr, int) else None


def _imm(event: Any) -> int | None:
    if isinstance(event, ExceptionTaken):
        return event.esr & 0xFFFF if event.esr is not None and event.ec in _CALLS else None
    value = getattr(event, "imm", None)
    return value if isinstance(value, int) else None


def _having(*fields: str) -> frozenset[type[Event]]:
    return frozenset(kind for kind in EVERY_TYPE if set(fields) & set(kind.__struct_fields__))


_DERIVED: Final[dict[str, tuple[Callable[[Any], int | str | None], frozenset[type[Event]], bool]]] = {
    "event": (lambda event: _tag(type(event)), EVERY_TYPE, True),
    "ipa": (_ipa, _having("ipa", "gpa", "hpfar"), False),
    "sysreg": (_sysreg, frozenset({ExceptionTaken, RegisterAccess, KvmSysAccess}), True),
    "iss": (_iss, _having("esr"), False),
    "imm": (_imm, _having("esr", "imm"), False),
}
_EC_WORDS: Final = {ec.name.lower(): int(ec) for ec in EC}


def value_in(event: Event, name: str) -> int | str | None:
    """Return what an event has under a name in lower case, registers aside; None if nothing."""
    derived = _DERIVED.get(name)
    value = derived[0](event) if derived is not None else getattr(event, _spelling(type(event), name), None)
    return int(value) if isinstance(value, bool) else value if isinstance(value, int | str) else None


@cache
def _spelling(kind: type[Event], name: str) -> str:
    return next((field for field in kind.__struct_fields__ if field.lower() == name), name)


@cache
def _fields() -> dict[str, Name]:
    """Return every field of every event, by its name in lower case."""
    made: dict[str, Name] = {}
    for kind in ALL_TYPES:
        for field in msgspec.structs.fields(kind):
            scalars = _scalars(field.type)
            if scalars:
                name = field.name.lower()
                known = made.get(name)
                kinds = (known.kinds if known else frozenset()) | {kind}
                words = _EC_WORDS if name in ("ec", "esr_ec") else None
                made[name] = Name(name, kinds, is_text=str in scalars, words=words)
    made |= {name: Name(name, kinds, is_text=is_text) for name, (_, kinds, is_text) in _DERIVED.items()}
    return made


def _scalars(annotation: Any) -> set[type]:
    """Return which of int, bool and str a type allows."""
    if typing.get_origin(annotation) is typing.Literal:
        return {str}
    parts = typing.get_args(annotation) if not isinstance(annotation, type) else (annotation,)
    return {part for part in parts if part in (int, bool, str)}


def find_name(text: str) -> Name | str:
    """Return what a name in a condition stands for; or, if there is nothing of that name, what it may have been."""
    found = _fields().get(text.lower())
    if found is not None and "." not in text:
        return found if len(found.kinds) < len(EVERY_TYPE) else Name(found.name, EVERY_TYPE, found.is_text)
    register, dot, field = text.partition(".")
    if _REGISTER.fullmatch(register) and not dot:
        return Name(register.upper(), EVERY_TYPE, is_register=True)
    return _system_register(register.upper(), field) if _is_system(register) else _near(text)


def _is_system(register: str) -> bool:
    try:
        sysregs.by_name(register.upper())
    except KeyError:
        return False
    return True


def _system_register(register: str, field: str) -> Name | str:
    if not field:
        return Name(register, EVERY_TYPE, is_register=True)
    layout = layout_of(register)
    known = {each.name.upper(): each.name for each in (layout.FIELDS if layout else ())}
    if field.upper() not in known:
        near = difflib.get_close_matches(field.upper(), known, n=3)
        return f"did you mean {' or '.join(f'{register}.{known[each]}' for each in near)}?" if near else ""
    return Name(f"{register}.{known[field.upper()]}", EVERY_TYPE, is_register=True)


def _near(text: str) -> str:
    known = [*_fields(), *(row.name.lower() for row in sysregs.TABLE)]
    near = difflib.get_close_matches(text.lower().partition(".")[0], known, n=3, cutoff=0.7)
    if not near:
        return "names are those of an event's fields and of registers: docs/going-back.md"
    upper = {row.name.lower(): row.name for row in sysregs.TABLE}
    return f"did you mean {' or '.join(upper.get(each, each) for each in near)}?"
