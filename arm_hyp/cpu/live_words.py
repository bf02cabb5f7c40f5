"""Where in the live state of a core the registers lie that it holds by itself, so that C can see them change.

Read `cpu/native.py` before this file and `cpu/watching.py` after it. Nothing is assumed about the layout: the register
is written on a core of its own, and whatever differs in a saved context afterwards belongs to it. That may be too much,
never too little.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from typing import Final

from unicorn import UcError
from unicorn import arm64_const as a64
from unicorn.unicorn_py3.unicorn import uclib

from arm_hyp.cpu import probe
from arm_hyp.cpu.batch import RegisterId
from arm_hyp.cpu.exclusive import SAVED_OFFSET
from arm_hyp.cpu.native import SCR_EL3_LEAVE, NativeCore

_WORD_BYTES: Final = 8
_PATTERNS: Final = (0, (1 << 64) - 1, 0x5555_5555_5555_5555, 0x0123_4567_89AB_CDEF, 0x6996_9669_C33C_3CC3)
_PSTATES: Final = (0x3C9, 0x3C5, 0x3C0, 0xF000_0009, 0x6000_0209, 0x9000_0304, 0x0020_0005, 0x0050_03C9)
_LEVELS: Final = (0x3C0, 0x3C4, 0x3C5, 0x3C8, 0x3C9)
_WIDE: Final = frozenset(range(a64.UC_ARM64_REG_Q0, a64.UC_ARM64_REG_Q0 + 32))


@functools.cache
def live_words(model: str, register: RegisterId) -> tuple[int, ...] | None:
    """Return the offsets in a saved context of the 8-byte words that hold a register; None if they cannot be found."""
    core = NativeCore(model, probe.internals())
    core.write_cp((3, 6, 1, 1, 0), SCR_EL3_LEAVE[model])
    core.write(a64.UC_ARM64_REG_PSTATE, 0x3C9)
    try:
        images = [_image_with(core, register, value) for value in _patterns(register)]
    except UcError:
        return None
    words = zip(*(struct.iter_unpack("<Q", image) for image in images), strict=True)
    found = tuple(SAVED_OFFSET + index * _WORD_BYTES for index, values in enumerate(words) if len(set(values)) > 1)
    return found or None


@functools.cache
def pstate_level_word(model: str) -> tuple[int, int] | None:
    """Return the offset in a saved context of the word that holds PSTATE.EL <3:2> and SP <0>, and where bit 0 lies."""
    core = NativeCore(model, probe.internals())
    core.write_cp((3, 6, 1, 1, 0), SCR_EL3_LEAVE[model])
    images = [_image_with(core, a64.UC_ARM64_REG_PSTATE, value) for value in _LEVELS]
    words = zip(*(struct.iter_unpack("<Q", image) for image in images), strict=True)
    found = [
        (SAVED_OFFSET + index * _WORD_BYTES, shift)
        for index, values in enumerate(words)
        for shift in (0, 32)
        if all(value >> shift & 0xFFFF_FFFF == level & 0xF for (value,), level in zip(values, _LEVELS, strict=True))
    ]
    return found[0] if len(found) == 1 else None


def _patterns(register: RegisterId) -> tuple[int, ...]:
    if register == a64.UC_ARM64_REG_PSTATE:
        return _PSTATES
    return tuple(value << 64 | value for value in _PATTERNS) if register in _WIDE else _PATTERNS


def _image_with(core: NativeCore, register: RegisterId, value: int) -> bytes:
    if isinstance(register, int):
        core.write(register, value)
    else:
        core.write_cp(register, value)
    context = core.uc.context_save()
    image = ctypes.string_at(context.context, uclib.uc_context_size(core.handle))
    return image[SAVED_OFFSET:]
