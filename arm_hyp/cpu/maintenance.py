"""TLB and code maintenance of one core: what must be translated anew, and when.

Read `cpu/native.py` and `cpu/sites.py` before this file and `cpu/core.py` after it. Unicorn notices the core's own
stores into code, through the address that the code runs at, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arm_hyp.arch.sysregs import Encoding, name_of

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

CACHE_LINE_BYTES: Final = 64
"""CTR_EL0.IminLine of both CPU models, in bytes."""
_BLOCKS_AT_MOST: Final = 1000
"""More blocks than these are dropped together with all others, which is faster."""
_PIECES_AT_MOST: Final = 200
"""More pieces of code than these are dropped together with all translations."""
_BY_VA: Final = "TLBI VA"
_VA_BITS, _VA_SIGN, _M64 = (1 << 56) - (1 << 12), 1 << 55, (1 << 64) - 1


class Maintenance:
    """What of a core's translations has gone stale. `settle` drops it before the core runs on."""

    def __init__(self, core: Core) -> None:
        self._core, self._native = core, core.native
        self._stale: list[tuple[int, int]] = []  # changed code: physical address, size in bytes
        self._all_stale = False

    def invalidate(self, operation: Encoding, operand: int) -> None:
        """Do TLB maintenance: the page of a VA in all regimes, or the whole TLB. More than asked may go.

        Ref: Arm ARM D8.14 (TLB maintenance); bits <43:0> of the operand are VA<55:12>.
        """
        if name_of(operation).startswith(_BY_VA):
            self._native.flush_page((operand << 12 & _VA_BITS ^ _VA_SIGN) - _VA_SIGN & _M64)
        else:
            self._native.flush_tlb()

    def heard(self, physical: int | None) -> None:
        """Do instruction-cache maintenance of which the core told us: a line at a physical address, or all of it."""
        assert self._native.counting is not None
        if physical is None:
            self._all_stale = True
        else:
            self._stale.append((physical & -CACHE_LINE_BYTES, CACHE_LINE_BYTES))
        self._native.counting.leave()

    def code_changed(self, address: int, size_bytes: int) -> None:
        """Have code translated anew whose bytes were changed, at a physical address, unnoticed by this core."""
        if self._core.sites.code_pages.any(address, size_bytes):
            self._stale.append((address, size_bytes))
            self._core.stop_running()

    def code_replaced(self, changed: list[tuple[int, int]]) -> None:
        """Have code translated anew that changed while this core was stopped: physical address, size in bytes.

        Other translations stay: they are right for whatever state the core is given.
        """
        if len(changed) > _PIECES_AT_MOST:
            self._all_stale = True
        else:
            self._stale += changed

    def drop_all(self) -> None:
        """Have every block translated anew, from the next instruction on: what is a site, or any code, has changed."""
        self._all_stale = True
        self._core.stop_running()

    def drop_fp(self) -> None:
        """Have every block that uses the FP registers translated anew: whether they trap has changed."""
        blocks = self._core.sites.take_fp_blocks()
        if len(blocks) > _BLOCKS_AT_MOST:
            self.drop_all()
        elif blocks:
            self._stale += blocks
            self._core.stop_running()

    def settle(self) -> None:
        """Drop what is stale. Not from a hook."""
        if self._all_stale:
            self._drop_all()
        elif self._stale:
            for address, size_bytes in self._stale:
                self._native.drop_physical(address, size_bytes)
            self._stale.clear()

    def _drop_all(self) -> None:
        self._all_stale = False
        self._stale.clear()
        self._core.sites.code_pages.clear()
        self._core.sites.take_fp_blocks()
        self._native.flush_translations()
