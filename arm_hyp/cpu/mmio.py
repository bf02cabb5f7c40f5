"""Accesses of one core to devices: exact, also when one of them must stop the core.

Read `cpu/native.py` before this file and `cpu/core.py` after it. A stop from within an access makes Unicorn execute the
whole instruction again. So the accesses of the instruction at hand are kept, and when it is executed again its
accesses are answered from what is kept: the device sees each of them once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from unicorn import arm64_const as a64

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core

ReadAccess = Callable[[int, int], int]
WriteAccess = Callable[[int, int, int], None]


_X29_X30: Final = (a64.UC_ARM64_REG_X29, a64.UC_ARM64_REG_X30)


class RefusedAccess(Exception):
    """Raised by what answers an access: it ends in a synchronous external abort."""


class Mmio:
    """The device accesses of one core. After a run look at `must_repeat` and `refused`."""

    def __init__(self, core: Core) -> None:
        self._core, self._native = core, core.native
        self._kept: list[int] = []
        self._answered = 0
        self._inside = self._repeating = False
        self.must_repeat = False
        self.refused: bool | None = None  # an access was refused: was it a write?
        self._general = core.native.batch([*range(a64.UC_ARM64_REG_X0, a64.UC_ARM64_REG_X0 + 29), *_X29_X30])
        self._before: tuple[int, ...] | None = None  # X0 to X30 before the instruction that must be stopped

    def map(self, base: int, size_bytes: int, read: ReadAccess, write: WriteAccess) -> None:
        """Route a range of physical addresses. Offsets are those from `base`; sizes 1, 2 and 4 bytes."""

        def on_read(offset: int, size: int) -> int:
            return self._access(False, read, offset, size)

        def on_write(offset: int, size: int, value: int) -> None:
            self._access(True, write, offset, size, value)

        self._native.map_mmio(base, size_bytes, on_read, on_write)

    def stop_after_instruction(self) -> bool:
        """Stop after the instruction whose access is being answered. False if none is."""
        if self._inside:
            self.must_repeat = True
            self._stop()
        return self._inside

    def repeat(self) -> None:
        """Have the accesses of the instruction, which is executed again, answered from what is kept."""
        self._put_back()
        self._answered, self.must_repeat, self._repeating = 0, False, True

    def settle(self) -> None:
        """Forget the instruction: it is complete, or will never be. Then it leaves the registers alone."""
        if self.refused is not None:
            self._put_back()
        self._before = None
        self._kept, self._answered = [], 0
        self._native.forget_access()
        self._repeating, self.refused = False, None

    def _access(self, is_write: bool, perform: Callable[..., int | None], *arguments: int) -> int:
        if self.refused is not None:
            return 0  # the instruction is being abandoned: nobody sees this value
        if self._repeating and self._answered < len(self._kept):
            self._answered += 1
            return self._kept[self._answered - 1]
        is_same = self._native.begin_access()
        if not self._repeating and not is_same:
            self._kept, self._answered = [], 0
        self._inside = True
        self._core.observer(True)
        try:
            value = perform(*arguments) or 0
        except RefusedAccess:
            self._refuse(is_write)
        except BaseException as error:  # must not pass through C
            self._refuse(is_write)
            self._core.fail(error)
        else:
            self._kept.append(value)
            self._answered += 1
            return value
        finally:
            self._inside = False
            self._core.observer(False)
            self._native.end_access()
        return 0

    def _refuse(self, is_write: bool) -> None:
        self.refused = is_write
        self._stop()

    def _stop(self) -> None:
        """Stop at this instruction. Unicorn still writes the register that is loaded: keep what was there."""
        self._native.locate()
        if self._before is None:
            self._before = self._general.read()
        self._native.stop()

    def _put_back(self) -> None:
        if self._before is not None:
            self._general.write(*self._before)
            self._before = None
