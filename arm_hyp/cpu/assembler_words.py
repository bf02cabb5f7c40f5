"""Instructions that Keystone (LLVM 3.8) lacks or gets wrong, encoded here.

Read `cpu/assembler_operands.py` before and `cpu/assembler_layout.py` after. That is: every system register and SYS
operation by our table's names, hints by name, pointer authentication, the LSE atomics, WFET and WFIT, SB, nXS
barriers, PSTATE fields of Armv8.1 and later. `own_word` takes an instruction whose operands are registers, names and
plain numbers.

Ref: Arm ARM C4.1 "A64 instruction set encoding", C5.2, C6.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from arm_hyp.arch import sysregs
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.cpu.assembler_source import Place

_HINTS = {
    "dgh": 6, "xpaclri": 7, "pacia1716": 8, "pacib1716": 10, "autia1716": 12, "autib1716": 14, "esb": 16,
    "psb csync": 17, "tsb csync": 18, "csdb": 20, "clearbhb": 22, "paciaz": 24, "paciasp": 25, "pacibz": 26,
    "pacibsp": 27, "autiaz": 28, "autiasp": 29, "autibz": 30, "autibsp": 31, "bti": 32, "bti c": 34, "bti j": 36,
    "bti jc": 38,
}  # fmt: skip
_PLAIN = {
    "sb": 0xD503_30FF, "ssbb": 0xD503_309F, "pssbb": 0xD503_349F, "cfinv": 0xD500_401F, "xaflag": 0xD500_403F,
    "axflag": 0xD500_405F, "eretaa": 0xD69F_0BFF, "eretab": 0xD69F_0FFF, "retaa": 0xD65F_0BFF, "retab": 0xD65F_0FFF,
    "dsb oshnxs": 0xD503_323F, "dsb nshnxs": 0xD503_363F, "dsb ishnxs": 0xD503_3A3F, "dsb synxs": 0xD503_3E3F,
    **{name: 0xD503_201F | number << 5 for name, number in _HINTS.items()},
}  # fmt: skip
_ONE_REGISTER = {
    "wfet": (0xD503_1000, 0), "wfit": (0xD503_1020, 0), "xpaci": (0xDAC1_43E0, 0), "xpacd": (0xDAC1_47E0, 0),
    "braaz": (0xD61F_081F, 5), "brabz": (0xD61F_0C1F, 5), "blraaz": (0xD63F_081F, 5), "blrabz": (0xD63F_0C1F, 5),
    **{name: (0xDAC1_23E0 | index << 10, 0) for index, name in enumerate(
        ("paciza", "pacizb", "pacdza", "pacdzb", "autiza", "autizb", "autdza", "autdzb"))},
}  # fmt: skip
_TWO_REGISTERS = {
    "braa": (0xD71F_0800, 5, 0), "brab": (0xD71F_0C00, 5, 0), "blraa": (0xD73F_0800, 5, 0),
    "blrab": (0xD73F_0C00, 5, 0),
    **{name: (0xDAC1_0000 | index << 10, 0, 5) for index, name in enumerate(
        ("pacia", "pacib", "pacda", "pacdb", "autia", "autib", "autda", "autdb"))},
}  # fmt: skip
_PSTATE = {
    "uao": (0, 3, 1),
    "pan": (0, 4, 1),
    "allint": (1, 0, 1),
    "ssbs": (3, 1, 1),
    "dit": (3, 2, 1),
    "tco": (3, 4, 1),
}
_ATOMIC = {"add": 0, "clr": 1, "eor": 2, "set": 3, "smax": 4, "smin": 5, "umax": 6, "umin": 7}
_LOAD_OP = re.compile(rf"(?:(ld|st)({'|'.join(_ATOMIC)})|(swp))(a?)(l?)([bh]?)")
_COMPARE_AND_SWAP = re.compile(r"cas(a?)(l?)([bh]?)")
_OPTIONS = {"bti": "c, j and jc", "psb": "csync", "tsb": "csync"}
_OPERATIONS = frozenset({"at", "dc", "ic", "tlbi", "cfp", "cpp", "dvp"})


def _register(text: str, place: Place, sp: bool = False, widths: str = "x") -> int:
    match = re.fullmatch(rf"([{widths}])(\d\d?|zr)", text)
    if match and match[2] != "31":
        return 31 if match[2] == "zr" else int(match[2])
    if sp and text == "sp":
        return 31
    raise place.error(f"`{text}` is not a register that fits here")


def _operands(text: str, count: int, place: Place) -> list[str]:
    parts = [part.strip() for part in text.split(",")] if text else []
    if len(parts) != count:
        raise place.error(f"this instruction takes {count} operand{'s' * (count != 1)}, not {len(parts)}")
    return parts


def system_word(encoding: Encoding, register: int, is_read: bool) -> int:
    """Return MRS, MSR, SYS or SYSL of an encoding and a general register number."""
    op0, op1, crn, crm, op2 = encoding
    return 0xD500_0000 | is_read << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | register


def _number(text: str, limit: int, place: Place) -> int:
    match = re.fullmatch(r"#?\s*(\d+)", text)
    if match is None or int(match[1]) > limit:
        raise place.error(f"`{text}` is not a number from 0 to {limit}")
    return int(match[1])


def _system_name(name: str, place: Place) -> Encoding | None:
    try:
        return sysregs.parse_name(name)
    except KeyError as error:
        if re.fullmatch(r"s\d_.*", name):
            raise place.error(str(error.args[0])) from None
        return None


def _mrs(text: str, place: Place) -> int | None:
    target, name = _operands(text, 2, place)
    encoding = _register_encoding(name, True, place)
    return encoding and system_word(encoding, _register(target, place), True)


def _msr(text: str, place: Place) -> int | None:
    name, source = _operands(text, 2, place)
    if name in _PSTATE and not source.startswith("x"):
        op1, op2, limit = _PSTATE[name]
        return 0xD500_401F | op1 << 16 | _number(source, limit, place) << 8 | op2 << 5
    if not source.startswith("x"):
        return None
    encoding = _register_encoding(name, False, place)
    return encoding and system_word(encoding, _register(source, place), False)


def _register_encoding(name: str, is_read: bool, place: Place) -> Encoding | None:
    """One name may have two encodings by direction only for the debug transfer register; by_name knows both."""
    encoding = _system_name(name, place)
    if encoding is not None and encoding.op0 == 1:
        raise place.error(f"{name} is not an encoding that MRS and MSR can hold", "use sys or sysl")
    return encoding


def _operation(mnemonic: str, text: str, place: Place) -> int:
    name, _, register = (part.strip() for part in text.partition(","))
    try:
        operation = sysregs.operation_by_name(f"{mnemonic} {name}")
    except KeyError:
        raise place.error(
            f"there is no operation `{mnemonic} {name}`", "`sys #op1, cN, cM, #op2, xN` names any encoding"
        ) from None
    if operation.takes_register and not register:
        raise place.error(f"{mnemonic} {name} needs a register", f"write `{mnemonic} {name}, x0`")
    if register and not operation.takes_register:
        raise place.error(f"{mnemonic} {name} takes no register")
    return system_word(operation.encoding, _register(register, place) if register else 31, False)


def _atomic(mnemonic: str, text: str, place: Place) -> int | None:
    match = _LOAD_OP.fullmatch(mnemonic) or _COMPARE_AND_SWAP.fullmatch(mnemonic)
    if match is None:
        return None
    acquire, release, size = match.groups()[-3:]
    is_store = mnemonic.startswith("st")
    if is_store and acquire:
        return None
    parts = _operands(text, 2 if is_store else 3, place)
    address = re.fullmatch(r"\[\s*(\w+)\s*(?:,\s*#?0\s*)?\]", parts[-1])
    if address is None:
        raise place.error(f"`{parts[-1]}` must be a register in brackets", "atomics take no offset")
    widths = {part[:1] for part in parts[:-1]}
    if len(widths) != 1 or (size and widths != {"w"}):
        raise place.error("the registers of an atomic have one width, which is w for bytes and halfwords")
    size_bits = {"b": 0, "h": 1}.get(size, 3 if widths == {"x"} else 2)
    numbers = [_register(part, place, widths="xw") for part in parts[:-1]]
    common = size_bits << 30 | numbers[0] << 16 | _register(address[1], place, sp=True) << 5
    target = 31 if is_store else numbers[1]
    if mnemonic.startswith("cas"):
        return 0x08A0_7C00 | common | bool(acquire) << 22 | bool(release) << 15 | target
    operation = 8 if match[3] else _ATOMIC[match[2]]
    return 0x3820_0000 | common | bool(acquire) << 23 | bool(release) << 22 | operation << 12 | target


def _load_acquire_rcpc(mnemonic: str, text: str, place: Place) -> int | None:
    match = re.fullmatch(r"([xw]\w+)\s*,\s*\[\s*(\w+)\s*\]", text)
    if match is None:
        return None
    size = {"b": 0, "h": 1}.get(mnemonic[5:], 3 if match[1][0] == "x" else 2)
    target, base = _register(match[1], place, widths="xw"), _register(match[2], place, sp=True)
    return size << 30 | 0x38BF_C000 | base << 5 | target


def _udf(text: str, place: Place) -> int:
    return _number(text, 0xFFFF, place)


def _pacga(text: str, place: Place) -> int:
    target, source, modifier = _operands(text, 3, place)
    modifier_number = _register(modifier, place, sp=True)
    return 0x9AC0_3000 | modifier_number << 16 | _register(source, place) << 5 | _register(target, place)


_SPECIAL: dict[str, Callable[[str, Place], int | None]] = {"mrs": _mrs, "msr": _msr, "udf": _udf, "pacga": _pacga}


def own_word(mnemonic: str, operands: str, place: Place) -> int | None:
    """Return the word of an instruction that is encoded here, or None when it is Keystone's. Raises: AssemblyError."""
    text = " ".join(operands.lower().split())
    plain = _PLAIN.get(f"{mnemonic} {text}".strip())
    if plain is not None:
        return plain
    if mnemonic in _OPTIONS:
        raise place.error(f"`{text}` is no option of {mnemonic}", f"known are {_OPTIONS[mnemonic]}")
    if mnemonic in _SPECIAL:
        return _SPECIAL[mnemonic](text, place)
    if mnemonic in _OPERATIONS:
        return _operation(mnemonic, text, place)
    if mnemonic in _ONE_REGISTER:
        word, shift = _ONE_REGISTER[mnemonic]
        return word | _register(_operands(text, 1, place)[0], place) << shift
    if mnemonic in _TWO_REGISTERS:
        word, first, second = _TWO_REGISTERS[mnemonic]
        one, two = _operands(text, 2, place)
        return word | _register(one, place) << first | _register(two, place, sp=True) << second
    if mnemonic in ("ldapr", "ldaprb", "ldaprh"):
        return _load_acquire_rcpc(mnemonic, text, place)
    return _atomic(mnemonic, text, place)
