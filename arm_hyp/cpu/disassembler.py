"""The disassembler: one instruction word as text, with symbols for targets and our names for system registers.

Read `cpu/symbols.py` before and `arch/sysregs.py` with this file. Capstone 5 decodes up to about Armv8.7; system
instructions are named from our own table, so that what the assembler takes is what this gives back.
"""

from __future__ import annotations

from functools import lru_cache

import capstone
from capstone import arm64_const as a64

from arm_hyp.arch import sysregs
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.cpu.symbols import SymbolTable

_SYSTEM_MASK, _SYSTEM = 0xFFC0_0000, 0xD500_0000
_NAMED = {0xD503_30FF: "sb", 0xD503_309F: "ssbb", 0xD503_349F: "pssbb"}
_NXS = {0xD503_323F: "dsb oshnxs", 0xD503_363F: "dsb nshnxs", 0xD503_3A3F: "dsb ishnxs", 0xD503_3E3F: "dsb synxs"}
_ONE_REGISTER = {0xD503_1000: "wfet", 0xD503_1020: "wfit"}


@lru_cache(maxsize=1)
def _engine() -> capstone.Cs:
    engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    engine.detail = True
    return engine


def disassemble(word: int, address: int, symbols: SymbolTable | None = None) -> str:
    """Return one instruction as text; a target gets ` <symbol+0x8>`, what nothing decodes is `.word 0x...`."""
    text = _system(word & 0xFFFF_FFFF)
    if text is not None:
        return text
    text, target = _decode(word & 0xFFFF_FFFF, address & (1 << 64) - 1)
    name = symbols.describe(target) if symbols is not None and target is not None else ""
    return f"{text} <{name}>" if name else text


@lru_cache(maxsize=8192)
def _decode(word: int, address: int) -> tuple[str, int | None]:
    found = next(_engine().disasm(word.to_bytes(4, "little"), address, 1), None)
    if found is None:
        return f".word {word:#010x}", None
    target = _target(found)
    text = f"{found.mnemonic} {found.op_str}".strip()
    # Without `#`, as the manual and GNU as write it: a number that is an address, not a distance.
    return (text if target is None else f"{text[: text.rindex('#')]}{target:#x}"), target


def _target(found: capstone.CsInsn) -> int | None:
    """Return the address that a PC-relative instruction names: Capstone gives it as the last immediate."""
    is_literal = found.id in (a64.ARM64_INS_LDR, a64.ARM64_INS_LDRSW, a64.ARM64_INS_PRFM) and "[" not in found.op_str
    is_address = found.id in (a64.ARM64_INS_ADR, a64.ARM64_INS_ADRP)
    if not (is_literal or is_address or found.group(capstone.CS_GRP_BRANCH_RELATIVE)):
        return None
    immediates = [operand.imm for operand in found.operands if operand.type == a64.ARM64_OP_IMM]
    return immediates[-1] & (1 << 64) - 1 if immediates else None


def _system(word: int) -> str | None:
    """Return MRS, MSR, SYS and SYSL by our table's names, and what Capstone does not know of this space."""
    if word & _SYSTEM_MASK != _SYSTEM:
        return None
    if word in _NAMED or word in _NXS:
        return _NAMED.get(word) or _NXS[word]
    register = _register_name(word & 31)
    if word & ~31 in _ONE_REGISTER:
        return f"{_ONE_REGISTER[word & ~31]} {register}"
    encoding = Encoding(word >> 19 & 3, word >> 16 & 7, word >> 12 & 15, word >> 8 & 15, word >> 5 & 7)
    is_read = bool(word >> 21 & 1)
    if encoding.op0 == 1:
        return _operation(encoding, is_read, word & 31)
    if encoding.op0 < 2:
        return None
    name = sysregs.name_of(encoding, is_read).lower()
    return f"mrs {register}, {name}" if is_read else f"msr {name}, {register}"


def _register_name(number: int) -> str:
    return "xzr" if number == 31 else f"x{number}"


def _operation(encoding: Encoding, is_read: bool, number: int) -> str:
    operation = None if is_read else sysregs.operation_by_encoding(encoding)
    if operation is not None and (operation.takes_register or number == 31):
        name = operation.name.lower()
        return f"{name}, {_register_name(number)}" if operation.takes_register else name
    _, op1, crn, crm, op2 = encoding
    fields = f"#{op1}, c{crn}, c{crm}, #{op2}"
    if is_read:
        return f"sysl {_register_name(number)}, {fields}"
    return f"sys {fields}" if number == 31 else f"sys {fields}, {_register_name(number)}"
