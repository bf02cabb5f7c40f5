"""The control registers: all architectural bits, beside the core that keeps only some of them.

Read `arch/traps.py` before this file and `cpu/system.py` after it. The trap rules read `values`; the core gets what it
can hold. Every MSR to one of these registers is a site, so the shadow is never behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from arm_hyp.arch.control_bits import HCR_E2H
from arm_hyp.arch.id_policy import event_counters
from arm_hyp.arch.registers.hypervisor import HCRX_EL2
from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.arch.traps import Controls, FineGrained
from arm_hyp.cpu.native import NativeCore

HCR_VF, HCR_VI, HCR_VSE = 1 << 6, 1 << 7, 1 << 8
HCR_VIRTUAL: Final = HCR_VF | HCR_VI | HCR_VSE
HCR_RW: Final = 1 << 31
HCR_BITS: Final = (1 << 34) - 1 & ~(1 << 29)
"""HCR_EL2 of Armv8.0 with EL3: HCD is RES0. RW is RAO/WI, because EL1 is AArch64 only. Ref: Arm ARM, HCR_EL2."""
HCR_FEATURE_BITS: Final = {"VHE": 1 << 34, "LOR": 1 << 35, "RAS": 3 << 36, "PAuth": 3 << 40}
HCR_WITHOUT_EL2: Final = HCR_RW | HCR_FEATURE_BITS["PAuth"]
"""What firmware leaves where it starts EL1 itself: nobody at EL2 could take the traps of pointer authentication."""
HCRX_WITHOUT_EL2: Final = HCRX_EL2.of(TCR2En=1, SCTLR2En=1)
"""Likewise of HCRX_EL2, where it is."""
_KEPT_FROM_CORE: Final = {"hcr_el2": HCR_VIRTUAL}
"""Virtual interrupts are taken by us, at points that the guest fixes; the core must not see them."""

CPTR_RES1, CPTR_TZ = 0x32FF, 1 << 8
"""CPTR_EL2 with HCR_EL2.E2H = 0: <13:12>, <9>, <7:0> are RES1, and TZ is where there is no SVE. With E2H = 1 they are
RES0. Ref: Arm ARM, CPTR_EL2."""

_CHANGES_TRANSLATION: Final = frozenset({"hcr_el2", "sctlr_el1", "sctlr_el2", "scr_el3"})
_NOT_IN_CORE: Final = frozenset({"ich_hcr_el2", "icc_sre_el1", "icc_sre_el2", "icc_sre_el3"})
NAMES: Final = Controls._fields
ENCODINGS: Final[Mapping[Encoding, str]] = {by_name(name).encoding: name for name in NAMES}
FINE_GRAINED: Final[Mapping[Encoding, str]] = {by_name(name).encoding: name for name in FineGrained._fields}
"""The registers of FEAT_FGT and FEAT_HCX, where they are claimed. The core has none of them."""


class ControlRegisters:
    """The control registers of one core. `values` and `fine_grained` are immutable tuples: new ones for each write.

    `encodings` says which registers of this core are control registers; `fine_grained` counts with FEAT_FGT only.
    """

    def __init__(self, native: NativeCore, features: frozenset[str]) -> None:
        self._native = native
        self.filters: dict[str, Callable[[str, int, int], int]] = {}
        self.watchers: dict[str, Callable[[str], None]] = {}
        self.has_fine_grained = "FGT" in features
        self.encodings = {**ENCODINGS, **(FINE_GRAINED if self.has_fine_grained else {})}
        self.fine_grained = FineGrained()  # all of EL2's traps are off after a reset
        self._shown: dict[str, int] = {}
        self._hcr_bits = HCR_BITS | sum(bits for name, bits in HCR_FEATURE_BITS.items() if name in features)
        self._cptr_res1 = CPTR_RES1 | (0 if "SVE" in features else CPTR_TZ)
        self._backed = {name: encoding for encoding, name in ENCODINGS.items() if name not in _NOT_IN_CORE}
        self._in_core = native.batch(list(self._backed.values()))
        self.values = Controls(
            **{name: native.read_cp(self._backed[name]) if name in self._backed else 0 for name in NAMES}
        )
        self.write("cptr_el2", self._cptr_res1)
        self.write("mdcr_el2", event_counters(features))  # HPMN <4:0> resets to PMCR_EL0.N

    @property
    def all_values(self) -> tuple[Controls, FineGrained]:
        """All that the trap rules ask for."""
        return self.values, self.fine_grained

    def read(self, name: str) -> int:
        """Return the architectural value of a control register, by its lower-case name."""
        if name in FineGrained._fields:
            return int(getattr(self.fine_grained, name))
        value = int(getattr(self.values, name))
        if name == "cptr_el2":
            return value & ~self._cptr_res1 if self.values.hcr_el2 & HCR_E2H else value | self._cptr_res1
        return value

    def write(self, name: str, value: int) -> None:
        """Write a control register: all bits here, what the core can hold there, and the TLB where it matters."""
        self._shown = {}
        if name in FineGrained._fields:
            self.fine_grained = self.fine_grained._replace(**{name: value})
            return
        if name == "hcr_el2":
            value = value & self._hcr_bits | HCR_RW
        self.values = self.values._replace(**{name: value})
        if name in self._backed:
            self._native.write_cp(self._backed[name], value & ~_KEPT_FROM_CORE.get(name, 0))
        if name in _CHANGES_TRANSLATION:
            self._native.flush_tlb()

    def write_by_software(self, name: str, value: int) -> None:
        """Write a control register as MSR does: its device decides what is kept (`filters`), and hears (`watchers`)."""
        keep = self.filters.get(name)
        self.write(name, keep(name, self.read(name), value) if keep else value)
        if name in self.watchers:
            self.watchers[name](name)

    def snapshot(self) -> dict[str, int]:
        """Return the values by name. The same dict until a register is written: do not change it."""
        if not self._shown:
            self._shown = self.values._asdict() | (self.fine_grained._asdict() if self.has_fine_grained else {})
        return self._shown

    def restore(self, state: Mapping[str, int]) -> None:
        """Write every value back, into the core too."""
        self._shown = {}
        fine_grained = {name: value for name, value in state.items() if name in FineGrained._fields}
        self.fine_grained = self.fine_grained._replace(**fine_grained)
        values = self.values._replace(**{name: state[name] for name in state.keys() - fine_grained.keys()})
        self.values = values._replace(hcr_el2=values.hcr_el2 & self._hcr_bits | HCR_RW)
        self._in_core.write(*(getattr(self.values, name) & ~_KEPT_FROM_CORE.get(name, 0) for name in self._backed))
        self._native.flush_tlb()
