"""The firmware's random numbers: the same for the same seed, so that a run can be repeated.

Read `machine/firmware/smccc.py` before and `machine/firmware/__init__.py` after this file.

Ref: Arm DEN0098 (TRNG 1.0). Simplified: the entropy is a hash of the machine's seed and a count, and never runs out.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.arch import psci
from arm_hyp.arch.psci import Status
from arm_hyp.machine.firmware.power import Caller
from arm_hyp.machine.firmware.smccc import Arguments, Result, Service, Services

UUID_WORDS: Final = (0x61726D2D, 0x6879702D, 0x74726E67, 0x2D736565)
"""TRNG_GET_UUID: names this source of entropy. W0 is never all ones, which would mean NOT_SUPPORTED."""
NUMBERS: Final = frozenset(
    {psci.TRNG_VERSION, psci.TRNG_FEATURES, psci.TRNG_GET_UUID, psci.TRNG_RND32, psci.TRNG_RND64}
)
"""The functions that TRNG_FEATURES confirms."""
_RESULT_REGISTERS: Final = 3


class Trng:
    """Random bits from a seed; `drawn` counts the draws and is the whole state."""

    def __init__(self, seed: int) -> None:
        self._seed, self.drawn = seed, 0

    def services(self) -> Services:
        """Return the functions of TRNG 1.0."""
        return {
            psci.TRNG_VERSION: Service("TRNG_VERSION", lambda caller, arguments: psci.TRNG_1_0),
            psci.TRNG_FEATURES: Service("TRNG_FEATURES", self._features),
            psci.TRNG_GET_UUID: Service("TRNG_GET_UUID", lambda caller, arguments: UUID_WORDS),
            psci.TRNG_RND32: Service("TRNG_RND", lambda caller, arguments: self._random(arguments[0], 32)),
            psci.TRNG_RND64: Service("TRNG_RND", lambda caller, arguments: self._random(arguments[0], 64)),
        }

    def _features(self, caller: Caller, arguments: Arguments) -> Result:
        return Status.SUCCESS if arguments[0] & 0xFFFF_FFFF in NUMBERS else Status.NOT_SUPPORTED

    def _random(self, count_bits: int, register_bits: int) -> Result:
        """Return `count_bits` of entropy in X3, X2, X1 from the least significant up; the bits above are zero."""
        if not 1 <= count_bits <= _RESULT_REGISTERS * register_bits:
            return Status.INVALID_PARAMETERS, 0, 0, 0
        value = self._draw() & (1 << count_bits) - 1
        mask = (1 << register_bits) - 1
        return Status.SUCCESS, *(value >> register_bits * place & mask for place in (2, 1, 0))

    def _draw(self) -> int:
        """Return 256 bits that no earlier draw gave."""
        import hashlib  # here: it loads OpenSSL (3 ms), and few guests draw

        text = f"trng {self._seed} {self.drawn}".encode()
        self.drawn += 1
        return int.from_bytes(hashlib.sha256(text).digest(), "little")
