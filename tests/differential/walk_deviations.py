"""Where a witness of walks is known to answer otherwise than the architecture, with the reason.

Read `walk_witness.py` and `walk_qemu.py` before, `test_walks.py` and `test_walks_qemu.py` after this file. A row that
explains nothing any more fails those tests: take it out.

Ref: ADR 002 (the architecture model decides, the core is a witness).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from walk_qemu import expected
from walk_witness import Abort

from arm_hyp.arch.translation import (
    Fault,
    FaultKind,
    Regime,
    Stage1Parameters,
    Step,
    StepKind,
    TranslationRegisters,
    Walk,
    fault_status,
    par_el1,
)
from arm_hyp.arch.translation.parameters import is_legal_stage2, stage2_parameters

_PAR_SH, _PAR_ATTR = 0b11 << 7, 0xFF << 56
_BLOCK_ADDRESS = (1 << 48) - (1 << 12)


class Asked(NamedTuple):
    """A question to both: what was asked, of which registers, our walk, and both answers."""

    question: str
    registers: TranslationRegisters
    walk: Walk
    ours: object
    witness: object

    def __str__(self) -> str:
        registers = {name: value for name, value in self.registers._asdict().items() if name != "features"}
        shown = ", ".join(f"{name} {value:#x}" for name, value in registers.items())
        answers = f"{_shown(self.ours)}, the witness {_shown(self.witness)}"
        return f"{self.question} {self.walk.input_address:#x}: {answers}\n  {shown}\n  {self.walk}"

    @property
    def is_at(self) -> bool:
        """Tell AT instructions, which answer with PAR_EL1, from accesses."""
        return self.question.startswith("AT")


class Deviation(NamedTuple):
    """Where a witness is known to answer otherwise than the architecture. `models`: on which CPUs."""

    id: str
    explains: Callable[[Asked], bool]
    reason: str
    ref: str
    models: tuple[str, ...] = ("a72", "max")


def _shown(answer: object) -> str:
    return f"{answer:#x}" if isinstance(answer, int) else str(answer)


def steps_of(walked: Walk) -> Iterator[Step]:
    """Return every step of a walk, those of stage 2 too."""
    for step in walked.steps:
        yield step
        yield from steps_of(step.stage2) if step.stage2 else ()
    yield from steps_of(walked.stage2) if walked.stage2 else ()


def _any_step(condition: Callable[[Step, int], bool]) -> Callable[[Asked], bool]:
    return lambda asked: any(
        condition(step, step.descriptor) for step in steps_of(asked.walk) if step.descriptor is not None
    )


def _is_beyond_memory(asked: Asked) -> bool:
    """Tell faults about where a table or page lies. With stage 1 off it is the input address, which the core checks."""
    result = asked.walk.result
    if not isinstance(result, Fault):
        return False
    is_of_tables = result.stage == 2 or asked.walk.parameters.is_enabled
    return result.kind is FaultKind.EXTERNAL_ON_WALK or (result.kind is FaultKind.ADDRESS_SIZE and is_of_tables)


def _differ_only_in(asked: Asked, mask: int) -> bool:
    both = isinstance(asked.ours, int) and isinstance(asked.witness, int) and asked.is_at
    return both and not (int(asked.ours) ^ int(asked.witness)) & ~mask  # type: ignore[call-overload]


def _is_misreported_s1ptw(asked: Asked) -> bool:
    """Whatever stage 2 found, the core says: translation fault, at the level of stage 1 that it was at."""
    result = asked.walk.result
    if not isinstance(result, Fault) or not result.is_s1ptw:
        return False
    as_told = result._replace(kind=FaultKind.TRANSLATION, level=asked.walk.steps[-1].level)
    return asked.witness == (par_el1(as_told) if asked.is_at else abort_of(as_told, Regime.EL10))


def _is_ignored_bit(asked: Asked) -> bool:
    """Only with a tag, or with limits of tables on the way, do TBID and HPD matter."""
    if "HPDS" in asked.registers.features:
        return False
    has_tag = asked.walk.input_address >> 55 not in (0, 0x1FF)
    return _any_step(_has_limits)(asked) or (has_tag and asked.question.startswith("fetch"))


def _has_limits(step: Step, descriptor: int) -> bool:
    return step.kind is StepKind.TABLE and descriptor >> 59 != 0


# --- the core ---------------------------------------------------------------------------------------------------------

_S1PTW = Deviation(
    "stage 2 fault on a stage 1 walk",
    _is_misreported_s1ptw,
    "The core reports every one of them as a translation fault, with stage 1's level instead of stage 2's.",
    "Arm ARM, AArch64.S1Walk: the FaultRecord of S2Translate is returned as it is",
)
_BEYOND = Deviation(
    "address size faults and external aborts on walks",
    _is_beyond_memory,
    "The core has neither: it goes on with the address, and reads what is not there as zero.",
    "Arm ARM, AArch64.OAOutOfRange, FetchDescriptor",
)
_BLOCKS = Deviation(
    "blocks at levels that have none",
    _any_step(lambda step, descriptor: step.kind is StepKind.INVALID and step.level < 3 and descriptor & 3 == 1),
    "The core takes a block descriptor at any level but 3, level 0 too.",
    "Arm ARM, AArch64.DecodeDescriptorType, AArch64.BlockDescSupported",
)
_RES0 = Deviation(
    "RES0 address bits of a block",
    _any_step(
        lambda step, descriptor: step.kind is StepKind.BLOCK and descriptor & _BLOCK_ADDRESS & (1 << step.lsb) - 1 != 0
    ),
    "The core ORs the bits below the block's size into the output address.",
    "Arm ARM, AArch64.LeafBase",
)
_IGNORED = Deviation(
    "TCR_ELx.HPD and TBID on a Cortex-A72",
    _is_ignored_bit,
    "The core has them on both models; without FEAT_HPDS and FEAT_PAuth they are RES0.",
    "Arm ARM, TCR_EL1.HPD0, TCR_EL1.TBID0",
    ("a72",),
)
_SHAREABILITY = Deviation(
    "shareability in PAR_EL1",
    lambda asked: _differ_only_in(asked, _PAR_SH),
    "The core reports the descriptor's SH, also for Device and Non-cacheable memory, which is Outer Shareable.",
    "Arm ARM, PAR_EL1.SH; PAREncodeShareability",
)
_OFF = Deviation(
    "attributes in PAR_EL1 with stage 1 off",
    lambda asked: not asked.walk.steps and _differ_only_in(asked, _PAR_ATTR | _PAR_SH),
    "The core reports Device-nGnRnE, also with HCR_EL2.DC.",
    "Arm ARM, AArch64.S1DisabledOutput",
)
_BOTH = Deviation(
    "attributes in PAR_EL1 with both stages on",
    lambda asked: asked.walk.stage2 is not None and _differ_only_in(asked, _PAR_ATTR | _PAR_SH),
    "For Device memory the core also asks the inner nibble of the other stage's Normal memory; reserved MemAttr "
    "values it takes as they come.",
    "Arm ARM, S2CombineS1MemAttrs",
)
_AT_E2H = Deviation(
    "AT S1E2 with HCR_EL2.E2H",
    lambda asked: asked.question.startswith("AT S1E2") and bool(asked.registers.hcr_el2 >> 34 & 1),
    "The core walks for the EL2 regime instead of EL2&0.",
    "Arm ARM, AT S1E2R",
    ("max",),
)

CORE = (_S1PTW, _BEYOND, _BLOCKS, _RES0, _IGNORED, _SHAREABILITY, _OFF, _BOTH, _AT_E2H)


def abort_of(fault: Fault, regime: Regime) -> Abort:
    """Return the abort that a fault of a fetch is."""
    target_el = 1 if fault.stage == 1 and regime is Regime.EL10 else 2
    return Abort(fault_status(fault) | fault.is_s1ptw << 7, target_el, (fault.ipa or 0) & -0x1000)


# --- QEMU 7.2 ---------------------------------------------------------------------------------------------------------


def _tsz(asked: Asked) -> int:
    """Return the T0SZ or T1SZ that this walk used, as it was written."""
    parameters, registers = asked.walk.parameters, asked.registers
    assert isinstance(parameters, Stage1Parameters)
    tcr = registers.tcr_el1 if parameters.regime is Regime.EL10 else registers.tcr_el2
    return tcr >> 16 * parameters.is_upper & 0x3F


def _is_s1ptw_at_stage_1_level(asked: Asked) -> bool:
    """The kind may be right, or a translation fault; the level is the one that stage 1 was at."""
    result = asked.walk.result
    if not isinstance(result, Fault) or not result.is_s1ptw:
        return False
    level = asked.walk.steps[-1].level
    told = [result._replace(kind=kind, level=level) for kind in (result.kind, FaultKind.TRANSLATION)]
    return asked.witness in [expected(asked.walk._replace(result=fault)) for fault in told]


def _is_small_output(asked: Asked) -> bool:
    """VTCR_EL2.PS allows fewer bits than an IPA has, or than the start level needs."""
    parameters = stage2_parameters(asked.registers)
    tables = parameters.tables
    fits = is_legal_stage2(tables.granule_bits, tables.input_bits, tables.levels[0][0], tables.output_bits)
    is_told = any(_says(asked, FaultKind.TRANSLATION, is_s1ptw) for is_s1ptw in (False, True))
    return parameters.is_enabled and parameters.is_legal and not fits and is_told


def _says(asked: Asked, kind: FaultKind, is_s1ptw: bool) -> bool:
    """Tell whether the witness found that kind of fault in stage 2, at any level."""
    return asked.witness in [par_el1(Fault(kind, level, 2, is_s1ptw)) for level in range(4)]


QEMU = (
    Deviation(
        "T0SZ and T1SZ beyond their limits",
        lambda asked: not 16 <= _tsz(asked) <= 39 and asked.witness == par_el1(Fault(FaultKind.TRANSLATION, 0, 1)),
        "CONSTRAINED UNPREDICTABLE: QEMU faults at level 0, our walk and the core take the limit instead.",
        "Arm ARM, TCR_EL1.T0SZ; AArch64.S1TxSZFaults",
    ),
    Deviation(
        "HCR_EL2.PTW without stage 2",
        lambda asked: asked.registers.hcr_el2 & 0x1005 == 4 and _says(asked, FaultKind.PERMISSION, is_s1ptw=True),
        "QEMU asks PTW though HCR_EL2.VM is 0, and refuses to walk stage 1.",
        "Arm ARM, HCR_EL2.PTW: it is about stage 2 translation",
    ),
    Deviation(
        "VTCR_EL2.PS below the IPA size",
        _is_small_output,
        "QEMU takes such a VTCR_EL2 for an illegal one; the limits of T0SZ and SL0 come from the implemented PA size.",
        "Arm ARM, AArch64.S2MinTxSZ, AArch64.S2InvalidSL: AArch64.PAMax()",
    ),
    Deviation(
        "level of a stage 2 fault on a stage 1 walk",
        _is_s1ptw_at_stage_1_level,
        "QEMU reports the level of stage 1 that the walk was at, and for most kinds a translation fault.",
        "Arm ARM, AArch64.S1Walk: the FaultRecord of S2Translate is returned as it is",
    ),
    _BLOCKS,
    _RES0,
    _IGNORED,
    _SHAREABILITY,
    _OFF,
    _BOTH,
)
