"""What can be asked of the trap rules: an instruction or an access, and the state it happens in.

Read `arch/instructions.py` before, `trap_rules/lookup.py` (how its rules are found) after. Import these names from
`arch/traps.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from arm_hyp.arch.instructions import SystemInstruction

FIRMWARE_SCR_EL3 = 0x3_0531
"""SCR_EL3 as this machine's firmware leaves it: NS, RW, HCE, API and APK, and the two RES1 bits."""

FIRMWARE_ICC_SRE_EL3 = 0xF
"""ICC_SRE_EL3 as this machine's firmware leaves it: Enable, DIB, DFB and SRE."""


class Controls(NamedTuple):
    """The values of the control registers that rules ask for, by name. Cheap to build, hashable.

    HCR_EL2 is the shadow one, with all architectural bits. The defaults are zeros, but for SCR_EL3 and ICC_SRE_EL3 (the
    firmware's).
    """

    hcr_el2: int = 0
    cptr_el2: int = 0
    cpacr_el1: int = 0
    mdcr_el2: int = 0
    hstr_el2: int = 0
    cnthctl_el2: int = 0
    cntkctl_el1: int = 0
    sctlr_el1: int = 0
    sctlr_el2: int = 0
    scr_el3: int = FIRMWARE_SCR_EL3
    pmuserenr_el0: int = 0
    mdscr_el1: int = 0
    ich_hcr_el2: int = 0
    icc_sre_el1: int = 0
    icc_sre_el2: int = 0
    icc_sre_el3: int = FIRMWARE_ICC_SRE_EL3


class FineGrained(NamedTuple):
    """The values of the registers of FEAT_FGT and FEAT_HCX, which only the model max-fgt claims."""

    hfgrtr_el2: int = 0
    hfgwtr_el2: int = 0
    hfgitr_el2: int = 0
    hdfgrtr_el2: int = 0
    hdfgwtr_el2: int = 0
    hcrx_el2: int = 0


RESET_CONTROLS = Controls()
NO_FINE_GRAINED = FineGrained()


@dataclass(frozen=True, slots=True)
class Context:
    """Everything else a decision depends on.

    `features` are names of `arch/id_policy.py` (`id_policy.features(model, gic, list_registers)`), numbered registers
    among them ("list-register-3"); NoEL3 means no EL3.
    Without VHE, HCR_EL2.E2H counts as 0. `interrupt_pending` is InterruptPending(): a wake-up event of WFI, masked by
    PSTATE or not. `pstate` has the layout of SPSR_ELx; rules look at IL and M only.
    """

    el: int
    controls: Controls = RESET_CONTROLS
    event_register: bool = False
    interrupt_pending: bool = False
    features: frozenset[str] = frozenset()
    pstate: int = 0
    timeout_expired: bool = False
    fine_grained: FineGrained = NO_FINE_GRAINED


@dataclass(frozen=True, slots=True)
class FpAccess:
    """An FP or SIMD instruction. Ref: AArch64.CheckFPAdvSIMDEnabled."""

    subject = "FP access"


@dataclass(frozen=True, slots=True)
class SveAccess:
    """An SVE instruction. Ref: CheckSVEEnabled."""

    subject = "SVE access"


@dataclass(frozen=True, slots=True)
class PointerAuthentication:
    """A pointer authentication instruction that uses key "IA", "IB", "DA", "DB" or "GA" (PACGA).

    ERETAA, RETAA, BRAA and LDRAA use a key as well: ask about it too.
    """

    key: str

    @property
    def subject(self) -> str:
        """Return the name that rules use."""
        return f"PAuth {self.key}"


@dataclass(frozen=True, slots=True)
class InstructionFetch:
    """The fetch of an instruction at this address. Ref: AArch64.CheckPCAlignment."""

    address: int

    @property
    def subject(self) -> str:
        """Return the name that rules use."""
        return "misaligned PC" if self.address & 3 else "PC"


@dataclass(frozen=True, slots=True)
class StackAccess:
    """A load or store whose base is SP, with this value. Ref: CheckSPAlignment."""

    sp: int

    @property
    def subject(self) -> str:
        """Return the name that rules use."""
        return "misaligned SP" if self.sp & 15 else "SP"


@dataclass(frozen=True, slots=True)
class DataAccess:
    """A data access that must be aligned to `alignment_bytes`: the element size, or the whole of an exclusive pair.

    `is_ordered`: exclusive, acquire, release or atomic. `is_device`: to Device memory, by stage 1 and 2 together.
    Ref: AArch64.UnalignedAccessFaults.
    """

    address: int
    alignment_bytes: int
    is_write: bool = False
    is_ordered: bool = False
    is_device: bool = False

    @property
    def subject(self) -> str:
        """Return the name that rules use."""
        if self.address % self.alignment_bytes == 0:
            return "aligned access"
        if self.is_device:
            return "misaligned Device access"
        return "misaligned ordered access" if self.is_ordered else "misaligned access"


@dataclass(frozen=True, slots=True)
class OtherInstruction:
    """Any instruction that no control register governs: only PSTATE.IL stops it."""

    subject = "other instruction"


Request = (
    SystemInstruction
    | FpAccess
    | SveAccess
    | PointerAuthentication
    | InstructionFetch
    | StackAccess
    | DataAccess
    | OtherInstruction
)
