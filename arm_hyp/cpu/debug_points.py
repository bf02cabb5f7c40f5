"""Breakpoint and watchpoint registers put into a core so that it acts on them.

Read `cpu/native.py` before this file, `cpu/snapshot.py` after it. A raw write changes the register alone: the core's
own list of breakpoints follows MSR. So what differs is written by MSR instructions that the core runs, at EL2 with its
MMU off, from a page that nobody else sees. This destroys other registers: it comes first when a state is taken back.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from unicorn import arm64_const as a64

from arm_hyp.arch.sysregs import Encoding, by_name

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

_CODE: Final = 0xFF_FFFF_0000
"""A physical address where no board has anything."""
_PAGE_BYTES: Final = 4096
_MSR_X0: Final = 0xD510_0000
_EL2H: Final = 0x3C9
_VALUES: Final = (4, 6)
_CONTROLS: Final = (5, 7)
"""op2 of DBGBVR<n>_EL1 and DBGWVR<n>_EL1; of DBGBCR<n>_EL1 and DBGWCR<n>_EL1."""
_OFF: Final = tuple(by_name(name).encoding for name in ("SCTLR_EL2", "MDSCR_EL1"))


def is_of_debug_point(encoding: Encoding) -> bool:
    """Tell the value and control registers of breakpoints and watchpoints from others."""
    return (encoding.op0, encoding.op1, encoding.crn) == (2, 0, 0) and encoding.op2 in (*_VALUES, *_CONTROLS)


def in_order(encodings: Sequence[Encoding]) -> tuple[Encoding, ...]:
    """Return those of debug points, values before controls."""
    points = [encoding for encoding in encodings if is_of_debug_point(encoding)]
    return tuple(sorted(points, key=lambda encoding: encoding.op2 in _CONTROLS))


def write(core: Core, values: Mapping[Encoding, int]) -> None:
    """Run an MSR for each register. Leaves PC, PSTATE, X0, SCTLR_EL2 and MDSCR_EL1 as it needs them."""
    native = core.native
    for encoding in _OFF:
        native.write_cp(encoding, 0)
    native.write(a64.UC_ARM64_REG_PSTATE, _EL2H)
    native.write_cp(_OFF[0], 0)  # any raw write makes the core see the new level
    native.flush_tlb()
    page = mmap.mmap(-1, _PAGE_BYTES)
    page[:] = b"".join(_words(values)).ljust(_PAGE_BYTES, b"\0")
    here = ctypes.c_char.from_buffer(page)
    native.map_rom(_CODE, _PAGE_BYTES, ctypes.addressof(here))
    try:
        for index, value in enumerate(values.values()):
            native.write(a64.UC_ARM64_REG_X0, value)
            native.start(_CODE + 4 * index, 1)
    finally:
        native.drop_translations(_CODE, _CODE + _PAGE_BYTES)
        native.unmap(_CODE, _PAGE_BYTES)
        native.flush_tlb()
        del here
        page.close()


def _words(values: Mapping[Encoding, int]) -> Iterator[bytes]:
    for op0, op1, crn, crm, op2 in values:
        word = _MSR_X0 | (op0 - 2) << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5
        yield word.to_bytes(4, "little")
