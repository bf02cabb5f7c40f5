"""Random translation regimes: control registers, descriptors and addresses that often lead somewhere.

Read `arm_hyp/arch/translation/parameters.py` before, `walk_witness.py` and `test_walks.py` after this file.
"""

from __future__ import annotations

import random
from typing import TypeVar

from arm_hyp.arch import id_policy
from arm_hyp.arch.registers import HCR_EL2, SCTLR_EL1, TCR_EL1, TCR_EL2, VTCR_EL2
from arm_hyp.arch.translation import TranslationRegisters
from arm_hyp.arch.translation.parameters import GRANULE_BITS_TG0, START_LEVELS, is_legal_stage2

ATTRIBUTES = (0x00, 0x04, 0x08, 0x0C, 0x33, 0x44, 0x4F, 0x77, 0xB4, 0xBB, 0xEE, 0xF4, 0xFF)
_T = TypeVar("_T")
_FRAMES = 128
"""Tables and pages are 64 KB frames in the first 8 MB."""


class CaseMaker:
    """A source of cases for one CPU model, the same for the same seed."""

    def __init__(self, model: str, seed: int, has_16kb: bool = True) -> None:
        self._rng = random.Random(f"{model} {seed}")
        self._has_vhe = model == "max"
        self._tg0, self._tg1 = ((0, 1, 2), (1, 2, 3)) if has_16kb else ((0, 1), (2, 3))
        self._features = id_policy.features(model, 3)

    def chance(self, probability: float) -> bool:
        """Return True that often."""
        return self._rng.random() < probability

    def one_of(self, values: tuple[_T, ...]) -> _T:
        """Return one of the values."""
        return self._rng.choice(values)

    def descriptor(self, _address: int) -> int:
        """Make up a descriptor: mostly a table or page in the first 8 MB, seldom one that is wrong."""
        rng = self._rng
        word = rng.choices((0b11, 0b01, 0b00, 0b10), (80, 15, 3, 2))[0]
        is_flat = word == 0b01 and self.chance(0.8)  # the address bits below a block's size are RES0
        word |= (0 if is_flat else rng.randrange(_FRAMES) << 16) | rng.getrandbits(8) << 2
        word |= (0b11 << 6 if self.chance(0.5) else 0b01 << 6) if self.chance(0.8) else 0
        word |= self.chance(0.97) << 10
        word |= rng.getrandbits(3) << 52 if self.chance(0.4) else 0  # XN, PXN, Contiguous
        word |= rng.getrandbits(5) << 59 if self.chance(0.3) else 0  # the tables' limits
        return word | (1 << rng.randrange(24, 48) if self.chance(0.01) else 0)  # far away

    def va(self, tcr: int) -> int:
        """Return an address that mostly lies within the lower or upper range that a TCR sets, at times with a tag."""
        is_upper = self.chance(0.4)
        range_bits = 64 - (tcr >> 16 * is_upper & 0x3F)
        bits = min(max(range_bits, 20), 48) if self.chance(0.8) else self.one_of((24, 33, 48, 50))
        address = self._rng.getrandbits(bits) & ~3
        address |= (1 << 64) - (1 << bits) if is_upper else 0
        return address ^ self._rng.getrandbits(8) << 56 if self.chance(0.1) else address

    def registers(self) -> TranslationRegisters:
        """Return control registers: mostly both stages on, and a stage 2 that is legal."""
        hcr = HCR_EL2.of(RW=1, VM=self.chance(0.8), DC=self.chance(0.1), PTW=self.chance(0.2))
        hcr = hcr.replace(E2H=self._has_vhe and self.chance(0.4))
        hcr = hcr.replace(TGE=hcr.E2H and self.chance(0.3))
        mair = sum(self.one_of(ATTRIBUTES) << 8 * index for index in range(8))
        return TranslationRegisters(
            hcr_el2=hcr,
            sctlr_el1=self._sctlr(),
            tcr_el1=self._tcr_two_ranges(),
            ttbr0_el1=self._base(),
            ttbr1_el1=self._base(),
            mair_el1=mair,
            sctlr_el2=self._sctlr(),
            tcr_el2=self._tcr_two_ranges() if hcr.E2H else self._tcr_single_range(),
            ttbr0_el2=self._base(),
            ttbr1_el2=self._base(),
            mair_el2=mair,
            vtcr_el2=self._vtcr(),
            vttbr_el2=self._base(),
            features=self._features,
        )

    def _base(self) -> int:
        return self._rng.randrange(_FRAMES) << 16 | (self._rng.getrandbits(16) & 0xFFFE if self.chance(0.2) else 0)

    def _sctlr(self) -> int:
        on, wxn, big = self.chance(0.9), self.chance(0.2), self.chance(0.1)
        return int(SCTLR_EL1.of(M=on, C=1, I=1, WXN=wxn, EE=big))

    def _txsz(self) -> int:
        return self._rng.randrange(64) if self.chance(0.1) else self._rng.choice((16, 25, *range(16, 40)))

    def _tcr_two_ranges(self) -> int:
        bits = self._rng.getrandbits
        tcr = TCR_EL1.of(T0SZ=self._txsz(), T1SZ=self._txsz(), TG0=self.one_of(self._tg0), TG1=self.one_of(self._tg1))
        tcr = tcr.replace(IPS=self.one_of((2, 4, 5)), TBI0=bits(1), TBI1=bits(1), HPD0=bits(1), HPD1=bits(1))
        return int(tcr.replace(EPD0=self.chance(0.05), EPD1=self.chance(0.05), TBID0=bits(1), TBID1=bits(1)))

    def _tcr_single_range(self) -> int:
        bits = self._rng.getrandbits
        tcr = TCR_EL2.of(T0SZ=self._txsz(), TG0=self.one_of(self._tg0), PS=self.one_of((2, 4, 5)))
        return int(tcr.replace(TBI=bits(1), HPD=bits(1), TBID=bits(1)))

    def _vtcr(self) -> int:
        while True:
            tg0, sl0, t0sz = self.one_of(self._tg0), self.one_of((0, 1, 2)), self._rng.randrange(16, 40)
            granule_bits = GRANULE_BITS_TG0[tg0]
            start = START_LEVELS[granule_bits][sl0]
            legal = start is not None and is_legal_stage2(granule_bits, 64 - t0sz, start, 44)
            if legal or self.chance(0.02):
                return int(VTCR_EL2.of(T0SZ=t0sz, SL0=sl0, TG0=tg0, PS=self.one_of((2, 4, 5))))
