"""Translation-table walks as pure functions: registers and memory in, every step and a result or a fault out.

Read `arch/registers/translation.py` before. Then, in this order: `parameters.py` (what TCR, VTCR and the rest say),
`results.py` (what a walk is made of), `tables.py` (the loop from table to table), `attributes.py`, `permissions.py`,
`stage2.py`, `stage1.py`, `combined.py`, `faults.py`. `descriptors.py` has the fields of a descriptor by name.

Ref: Arm ARM D8 (The AArch64 Virtual Memory System Architecture).
"""

from __future__ import annotations

from arm_hyp.arch.iss_faults import FaultKind
from arm_hyp.arch.translation.combined import walk
from arm_hyp.arch.translation.faults import fault_status, hpfar_el2, hpfar_of, par_el1
from arm_hyp.arch.translation.parameters import (
    Regime,
    Stage1Parameters,
    Stage2Parameters,
    TranslationRegisters,
    regime_of,
)
from arm_hyp.arch.translation.results import (
    FETCH,
    READ,
    TABLE_WALK,
    WRITE,
    Access,
    Fault,
    MemoryAttributes,
    Permissions,
    Read64,
    Step,
    StepKind,
    Translated,
    Walk,
)
from arm_hyp.arch.translation.stage1 import walk_stage1
from arm_hyp.arch.translation.stage2 import walk_stage2

__all__ = [
    "FETCH",
    "READ",
    "TABLE_WALK",
    "WRITE",
    "Access",
    "Fault",
    "FaultKind",
    "MemoryAttributes",
    "Permissions",
    "Read64",
    "Regime",
    "Stage1Parameters",
    "Stage2Parameters",
    "Step",
    "StepKind",
    "Translated",
    "TranslationRegisters",
    "Walk",
    "fault_status",
    "hpfar_el2",
    "hpfar_of",
    "par_el1",
    "regime_of",
    "walk",
    "walk_stage1",
    "walk_stage2",
]
