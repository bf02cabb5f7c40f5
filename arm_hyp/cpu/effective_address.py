"""The virtual address that a load or store uses, worked out from its operands.

Read `cpu/native.py` before this file. Needed only where the core reports no address: when the bus refuses an access.
Capstone is loaded when that first happens: most runs never need it, and would start 14 ms later.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Protocol

from unicorn import arm64_const as a64

from arm_hyp.cpu.native import NativeCore

if TYPE_CHECKING:
    import capstone

_MASK: Final = (1 << 64) - 1


class _HasNative(Protocol):
    native: NativeCore

    def x(self, index: int) -> int: ...


def _disassembler() -> capstone.Cs:
    import capstone

    engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    engine.detail = True
    return engine


def _register(core: _HasNative, name: str) -> int:
    if name == "sp":
        return core.native.read(a64.UC_ARM64_REG_SP)
    numbers = {"fp": 29, "lr": 30, "xzr": 31, "wzr": 31}
    return core.x(numbers[name] if name in numbers else int(name[1:]))


def effective_address(core: _HasNative, pc: int) -> int:
    """Return the address that the load or store at `pc` accesses; 0 if the instruction there is neither.

    Ref: Arm ARM C1.3.3 (load/store addressing modes).
    Simplified: for a pair or a vector that crosses into nothing the address is that of the access's first byte.
    """
    import capstone

    word = core.native.fetch_word(pc)
    decoded = [] if word is None else list(_disassembler().disasm(struct.pack("<I", word), pc, 1))
    for instruction in decoded:
        for operand in instruction.operands:
            if operand.type == capstone.arm64.ARM64_OP_MEM:
                return _address(core, instruction, operand) & _MASK
        if instruction.operands and instruction.operands[-1].type == capstone.arm64.ARM64_OP_IMM:
            return int(instruction.operands[-1].imm) & _MASK  # a literal load
    return 0


def _address(core: _HasNative, instruction: object, operand: object) -> int:
    memory = operand.mem  # type: ignore[attr-defined]
    name = instruction.reg_name  # type: ignore[attr-defined]
    address = _register(core, name(memory.base)) + int(memory.disp)
    if memory.index:
        index = _register(core, name(memory.index))
        index = _extended(index, operand.ext)  # type: ignore[attr-defined]
        address += index << operand.shift.value  # type: ignore[attr-defined]
    return address


def _extended(index: int, extend: int) -> int:
    from capstone import arm64_const

    if extend == arm64_const.ARM64_EXT_UXTW:
        return index & 0xFFFF_FFFF
    if extend == arm64_const.ARM64_EXT_SXTW:
        return (index & 0xFFFF_FFFF) - ((index & 0x8000_0000) << 1)
    return index
