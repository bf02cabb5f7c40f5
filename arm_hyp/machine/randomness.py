"""RNDR and RNDRRS (FEAT_RNG) of one CPU: numbers that look random and repeat in every run.

Read `machine/seams.py` before this file. The generator is SplitMix64: a counter in steps of an odd constant, whose
value a mixing function scatters. It is no source of secrets, and must not be one: a run is a pure function of its
inputs.

Ref: Arm ARM, FEAT_RNG, RNDR, RNDRRS. SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
Generators", OOPSLA 2014.
Simplified: a number is always there, so a read never fails: PSTATE.NZCV becomes 0b0000 each time, which is the core's
to do, because a port cannot write PSTATE. RNDRRS "reseeds" by going on with another stream.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort

_M64: Final = (1 << 64) - 1
_STEP: Final = 0x9E37_79B9_7F4A_7C15
_RESEEDED: Final = 0xD1B5_4A32_D192_ED03
"""What is added to the state, beside the step, when RNDRRS reseeds."""


def mix(state: int) -> int:
    """Return the 64-bit number that SplitMix64 makes of a state."""
    state = (state ^ state >> 30) * 0xBF58_476D_1CE4_E5B9 & _M64
    state = (state ^ state >> 27) * 0x94D0_49BB_1331_11EB & _M64
    return state ^ state >> 31


class RandomNumbers:
    """The random number registers of a CPU. `seed` is 64 bits; give each CPU another."""

    def __init__(self, seed: int = 0) -> None:
        self._state = seed & _M64

    def read_rndr(self) -> int:
        """Return the next number."""
        self._state = self._state + _STEP & _M64
        return mix(self._state)

    def read_rndrrs(self) -> int:
        """Reseed and return the next number."""
        self._state = self._state + _RESEEDED & _M64
        return self.read_rndr()

    def ports(self) -> dict[Encoding, RegisterPort]:
        """Return the registers by encoding, ready for a core that has FEAT_RNG. Both are read-only."""
        return {
            by_name("RNDR").encoding: RegisterPort(self.read_rndr, None),
            by_name("RNDRRS").encoding: RegisterPort(self.read_rndrrs, None),
        }

    def snapshot(self) -> dict[str, int]:
        """Return the state."""
        return {"state": self._state}

    def restore(self, state: dict[str, int]) -> None:
        """Take a state back."""
        self._state = state["state"]
