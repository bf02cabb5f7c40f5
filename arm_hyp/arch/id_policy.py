"""What this machine claims to be: the one policy for ID registers, per CPU model and GIC version.

Read `arch/types.py` before; `arch/sysregs.py`, which asks here whether a register exists, and `arch/traps.py` after.

The rule: claim what the core or we implement, and nothing else. Software that reads the ID registers and believes
them must never meet an instruction or a register that behaves otherwise. From it follow the differences to the core's
own constants:

- An AArch64-only machine: EL0 to EL3 say 1, and all AArch32 ID registers read as zero. The core runs AArch32 at EL0,
  but with a meaningless PSTATE.
- EL3 is there, with the firmware (PSCI) in it.
- `max` claims no SVE: the core raises only part of its access traps. It claims the 16K granule, which the core walks
  but denies, and PMUv3 for Armv8.1 instead of 8.4: no more than our own counters do.
- ID_AA64PFR0_EL1.GIC is 1 with a GICv3 only: with GICv2 the ICC_* and ICH_* registers are UNDEFINED.
- `max-fgt` is `max` with FEAT_FGT and FEAT_HCX, which the core lacks: all that they can trap is decided by our rules.
  So that HCRX_EL2 has something to trap it has FEAT_TCR2, FEAT_SCTLR2 and FEAT_XS too. Of TCR2_ELx and SCTLR2_ELx no
  field is left: each belongs to a further feature (S1PIE, S1POE, THE, D128, MEC, CPA2, ...). What else HCRX_EL2 governs
  needs instructions that the core does not have (FEAT_LS64, FEAT_MOPS, FEAT_GCS), and is not claimed.

Ref: Arm ARM D17.2 (the ID registers), A2.2 (features by name); Cortex-A72 MPCore TRM, 4.3.
Simplified: `max` has FEAT_VHE yet says DebugVer = 6, without the v8.1 debug changes, because the core lacks those.
`max-fgt` has FEAT_XS, but all memory here answers at once: the XS attribute is kept nowhere, a TLBI or DSB with nXS
does what it does without, and HCRX_EL2.FnXS changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

MODELS = ("a72", "max", "max-fgt")
GIC_VERSIONS = (2, 3)
LIST_REGISTERS = 4
"""List registers of the virtual CPU interface unless a machine asks for another number, 1 to 16."""

_COLUMNS = {"a72": 0, "max": 1, "max-fgt": 1}
"""Where the tables below have the values of a model."""

# register, field, lsb, value on a72, value on max: fields of 4 bits; what is absent is 0 on both.
_FIELDS = """
ID_AA64PFR0_EL1   EL0       0  1 1   # 1: AArch64 only
ID_AA64PFR0_EL1   EL1       4  1 1
ID_AA64PFR0_EL1   EL2       8  1 1
ID_AA64PFR0_EL1   EL3      12  1 1   # the firmware lives there
ID_AA64PFR0_EL1   FP       16  0 1   # 1: with half precision
ID_AA64PFR0_EL1   AdvSIMD  20  0 1
ID_AA64PFR0_EL1   GIC      24  0 0   # 1 with GICv3, see _WITH_GICV3
ID_AA64PFR0_EL1   RAS      28  0 0
ID_AA64PFR0_EL1   SVE      32  0 0   # the core has it on max, but raises only part of its traps
ID_AA64PFR0_EL1   SEL2     36  0 0
ID_AA64PFR0_EL1   MPAM     40  0 0
ID_AA64PFR0_EL1   AMU      44  0 0
ID_AA64PFR0_EL1   DIT      48  0 0
ID_AA64PFR0_EL1   CSV2     56  0 0
ID_AA64PFR1_EL1   BT        0  0 1
ID_AA64PFR1_EL1   SSBS      4  0 0
ID_AA64PFR1_EL1   MTE       8  0 0
ID_AA64PFR1_EL1   RAS_frac 12  0 0
ID_AA64PFR1_EL1   SME      24  0 0
ID_AA64PFR1_EL1   NMI      36  0 0
ID_AA64DFR0_EL1   DebugVer  0  6 6
ID_AA64DFR0_EL1   TraceVer  4  0 0
ID_AA64DFR0_EL1   PMUVer    8  1 4   # 4: Armv8.1; the core says 8.4 on max
ID_AA64DFR0_EL1   BRPs     12  5 5
ID_AA64DFR0_EL1   WRPs     20  3 3
ID_AA64DFR0_EL1   CTX_CMPs 28  1 1
ID_AA64DFR0_EL1   PMSVer   32  0 0
ID_AA64DFR0_EL1   DoubleLock 36 0 0  # 0: OSDLR_EL1 is implemented
ID_AA64DFR0_EL1   TraceFilt 40 0 0
ID_AA64DFR0_EL1   TraceBuffer 44 0 0
ID_AA64ISAR0_EL1  AES       4  2 2
ID_AA64ISAR0_EL1  SHA1      8  1 1
ID_AA64ISAR0_EL1  SHA2     12  1 2
ID_AA64ISAR0_EL1  CRC32    16  1 1
ID_AA64ISAR0_EL1  Atomic   20  0 2
ID_AA64ISAR0_EL1  TME      24  0 0
ID_AA64ISAR0_EL1  RDM      28  0 1
ID_AA64ISAR0_EL1  SHA3     32  0 1
ID_AA64ISAR0_EL1  SM3      36  0 1
ID_AA64ISAR0_EL1  SM4      40  0 1
ID_AA64ISAR0_EL1  DP       44  0 1
ID_AA64ISAR0_EL1  FHM      48  0 1
ID_AA64ISAR0_EL1  TS       52  0 2
ID_AA64ISAR0_EL1  TLB      56  0 0
ID_AA64ISAR0_EL1  RNDR     60  0 1   # a stream of our own, so that runs repeat
ID_AA64ISAR1_EL1  DPB       0  0 2
ID_AA64ISAR1_EL1  APA       4  0 1
ID_AA64ISAR1_EL1  API       8  0 0
ID_AA64ISAR1_EL1  JSCVT    12  0 1
ID_AA64ISAR1_EL1  FCMA     16  0 1
ID_AA64ISAR1_EL1  LRCPC    20  0 2
ID_AA64ISAR1_EL1  GPA      24  0 1
ID_AA64ISAR1_EL1  GPI      28  0 0
ID_AA64ISAR1_EL1  FRINTTS  32  0 1
ID_AA64ISAR1_EL1  SB       36  0 1
ID_AA64ISAR1_EL1  SPECRES  40  0 1
ID_AA64ISAR1_EL1  XS       56  0 0
ID_AA64ISAR2_EL1  WFxT      0  0 0
ID_AA64MMFR0_EL1  PARange   0  4 4   # 44 bits
ID_AA64MMFR0_EL1  ASIDBits  4  2 2
ID_AA64MMFR0_EL1  BigEnd    8  1 1
ID_AA64MMFR0_EL1  SNSMem   12  1 1
ID_AA64MMFR0_EL1  BigEndEL0 16 0 0
ID_AA64MMFR0_EL1  TGran16  20  0 1   # the walker does 16K on both; the real Cortex-A72 does not
ID_AA64MMFR0_EL1  TGran64  24  0 0   # 0: supported
ID_AA64MMFR0_EL1  TGran4   28  0 0   # 0: supported
ID_AA64MMFR0_EL1  FGT      56  0 0
ID_AA64MMFR0_EL1  ECV      60  0 0
ID_AA64MMFR1_EL1  HAFDBS    0  0 0
ID_AA64MMFR1_EL1  VMIDBits  4  0 2
ID_AA64MMFR1_EL1  VH        8  0 1
ID_AA64MMFR1_EL1  HPDS     12  0 1
ID_AA64MMFR1_EL1  LO       16  0 1
ID_AA64MMFR1_EL1  PAN      20  0 2
ID_AA64MMFR1_EL1  XNX      28  0 0
ID_AA64MMFR1_EL1  TWED     32  0 0
ID_AA64MMFR1_EL1  HCX      40  0 0
ID_AA64MMFR2_EL1  CnP       0  0 1
ID_AA64MMFR2_EL1  UAO       4  0 1
ID_AA64MMFR2_EL1  VARange  16  0 0
ID_AA64MMFR2_EL1  CCIDX    20  0 0
ID_AA64MMFR2_EL1  NV       24  0 0
ID_AA64MMFR2_EL1  ST       28  0 0
ID_AA64MMFR2_EL1  AT       32  0 0
ID_AA64MMFR2_EL1  FWB      40  0 0
ID_AA64MMFR2_EL1  TTL      48  0 0
ID_AA64MMFR2_EL1  E0PD     60  0 0
ID_AA64MMFR2_EL1  EVT      56  0 0
ID_AA64MMFR3_EL1  TCRX      0  0 0
ID_AA64MMFR3_EL1  SCTLRX    4  0 0
"""

_WITH_GICV3 = {("ID_AA64PFR0_EL1", "GIC"): 1}
_ON_MAX_FGT = {
    ("ID_AA64MMFR0_EL1", "FGT"): 1,
    ("ID_AA64MMFR1_EL1", "HCX"): 1,
    ("ID_AA64MMFR3_EL1", "TCRX"): 1,
    ("ID_AA64MMFR3_EL1", "SCTLRX"): 1,
    ("ID_AA64ISAR1_EL1", "XS"): 1,
}

_VALUES = {
    # name: (a72, max). Values of the core, but for those with a reason.
    "MIDR_EL1": (0x410F_D083, 0x000F_0510),
    "REVIDR_EL1": (0, 0),
    "CTR_EL0": (0x8444_C004, 0x8444_C004),
    "DCZID_EL0": (4, 4),
    "CLIDR_EL1": (0x0A20_0023, 0x0A20_0023),
    # N = 6 event counters, as a Cortex-A72 has (the core has 4); its IDCODE; LC is RES1 without AArch32.
    "PMCR_EL0": (0x4102_3040, 0x0000_3040),
    # SW_INCR, CPU_CYCLES, as the core has, and INST_RETIRED: what `machine/pmu.py` counts.
    "PMCEID0_EL0": (0x0002_0101, 0x0002_0101),
    "PMCEID1_EL0": (0, 0),
}

_WITH_GICV3_VALUES = {
    # 5 priority and preemption bits, 16-bit INTIDs, A3V, nV4, TDS; ListRegs <4:0> by `list_registers`.
    "ICH_VTR_EL2": 0x9038_0000,
}

# Registers that claim nothing, on both models: all of AArch32, and what came after Armv8.5.
_ZERO = """
ID_PFR0_EL1 ID_PFR1_EL1 ID_PFR2_EL1 ID_DFR0_EL1 ID_DFR1_EL1 ID_AFR0_EL1
ID_MMFR0_EL1 ID_MMFR1_EL1 ID_MMFR2_EL1 ID_MMFR3_EL1 ID_MMFR4_EL1 ID_MMFR5_EL1
ID_ISAR0_EL1 ID_ISAR1_EL1 ID_ISAR2_EL1 ID_ISAR3_EL1 ID_ISAR4_EL1 ID_ISAR5_EL1 ID_ISAR6_EL1
MVFR0_EL1 MVFR1_EL1 MVFR2_EL1
ID_AA64PFR2_EL1 ID_AA64ZFR0_EL1 ID_AA64SMFR0_EL1 ID_AA64FPFR0_EL1 ID_AA64DFR1_EL1 ID_AA64AFR0_EL1 ID_AA64AFR1_EL1
ID_AA64ISAR3_EL1 ID_AA64MMFR4_EL1
"""


@dataclass(frozen=True, slots=True)
class IdField:
    """One field of an ID register: where it is, and what each model claims."""

    register: str
    name: str
    lsb: int
    claims: tuple[int, int]

    def value(self, model: str, gic: int) -> int:
        """Return what a machine of this model and GIC version claims in this field."""
        others = (_WITH_GICV3 if gic >= 3 else {}) | (_ON_MAX_FGT if model == "max-fgt" else {})
        return others.get((self.register, self.name), self.claims[_COLUMNS[model]])


def _fields() -> dict[tuple[str, str], IdField]:
    rows = (line.partition("#")[0].split() for line in _FIELDS.splitlines() if line)
    fields = (IdField(row[0], row[1], int(row[2]), (int(row[3]), int(row[4]))) for row in rows)
    return {(field.register, field.name): field for field in fields}


FIELDS: dict[tuple[str, str], IdField] = _fields()
NAMES: frozenset[str] = frozenset(
    [*(register for register, _ in FIELDS), *_VALUES, *_WITH_GICV3_VALUES, *_ZERO.split(), "MPIDR_EL1"]
)


def check_machine(model: str, gic: int, list_registers: int = LIST_REGISTERS) -> None:
    """Raise ValueError unless there is such a machine."""
    if model not in MODELS:
        raise ValueError(f"no CPU model {model!r}; there are {', '.join(MODELS)}")
    if gic not in GIC_VERSIONS:
        raise ValueError(f"no GIC version {gic!r}; there are 2 and 3")
    if not 1 <= list_registers <= 16:
        raise ValueError(f"{list_registers} list registers: there are 1 to 16")


def mpidr(cpu: int) -> int:
    """Return MPIDR_EL1 of a CPU: affinity level 0 is its number within a cluster of 16, level 1 the cluster.

    Bit 31 is RES1; U (bit 30) is 0, as the core has it: part of a multiprocessor system, even when alone.
    """
    if not 0 <= cpu < 256 * 16:
        raise ValueError(f"no CPU {cpu}: numbers go from 0 to 4095")
    return 1 << 31 | (cpu >> 4) << 8 | cpu & 15


@lru_cache(maxsize=1024)
def id_value(name: str, model: str, gic: int, list_registers: int = LIST_REGISTERS) -> int:
    """Return the value of an ID register of this machine (MPIDR_EL1: that of CPU 0).

    Reserved registers of the ID space, by generic name, read as zero.
    Raises: KeyError for what is not an ID register or does not exist with this GIC; ValueError for an unknown machine.
    """
    check_machine(model, gic, list_registers)
    if name == "MPIDR_EL1":
        return mpidr(0)
    if name in _VALUES:
        return _VALUES[name][_COLUMNS[model]]
    if gic >= 3 and name in _WITH_GICV3_VALUES:
        return _WITH_GICV3_VALUES[name] | list_registers - 1
    if name in _WITH_GICV3_VALUES or (name not in NAMES and not _is_reserved(name)):
        raise KeyError(f"{name} is not an ID register of this machine")
    return sum(f.value(model, gic) << f.lsb for f in FIELDS.values() if f.register == name)


def _is_reserved(name: str) -> bool:
    head, _, tail = name.rpartition("_")
    return head in {f"S3_0_C0_C{crm}" for crm in range(1, 8)} and tail in set("01234567")


@dataclass(frozen=True, slots=True)
class FeatureRule:
    """A feature is there when a field of an ID register holds at least this value."""

    register: str
    lsb: int
    width_bits: int
    at_least: int
    text: str

    def is_claimed(self, model: str, gic: int, list_registers: int = LIST_REGISTERS) -> bool:
        """Tell whether this machine claims the feature."""
        try:
            value = id_value(self.register, model, gic, list_registers)
        except KeyError:
            return False
        return value >> self.lsb & (1 << self.width_bits) - 1 >= self.at_least


# feature, register, field, least value of the field
_FEATURES = """
AArch32AtEL1  ID_AA64PFR0_EL1  EL1       2
AArch32AtEL3  ID_AA64PFR0_EL1  EL3       2
AMU           ID_AA64PFR0_EL1  AMU       1
BTI           ID_AA64PFR1_EL1  BT        1
CCIDX         ID_AA64MMFR2_EL1 CCIDX     1
CSV2_2        ID_AA64PFR0_EL1  CSV2      2
DIT           ID_AA64PFR0_EL1  DIT       1
DPB           ID_AA64ISAR1_EL1 DPB       1
DPB2          ID_AA64ISAR1_EL1 DPB       2
E0PD          ID_AA64MMFR2_EL1 E0PD      1
ECV           ID_AA64MMFR0_EL1 ECV       1
ECV2          ID_AA64MMFR0_EL1 ECV       2
EVT           ID_AA64MMFR2_EL1 EVT       1
EVT2          ID_AA64MMFR2_EL1 EVT       2
FGT           ID_AA64MMFR0_EL1 FGT       1
FP16          ID_AA64PFR0_EL1  FP        1
FWB           ID_AA64MMFR2_EL1 FWB       1
FlagM         ID_AA64ISAR0_EL1 TS        1
FlagM2        ID_AA64ISAR0_EL1 TS        2
GICv3         ID_AA64PFR0_EL1  GIC       1
HAFDBS        ID_AA64MMFR1_EL1 HAFDBS    1
HCX           ID_AA64MMFR1_EL1 HCX       1
HPDS          ID_AA64MMFR1_EL1 HPDS      1
LOR           ID_AA64MMFR1_EL1 LO        1
LSE           ID_AA64ISAR0_EL1 Atomic    2
LSE2          ID_AA64MMFR2_EL1 AT        1
MPAM          ID_AA64PFR0_EL1  MPAM      1
MTE           ID_AA64PFR1_EL1  MTE       1
MTE2          ID_AA64PFR1_EL1  MTE       2
NMI           ID_AA64PFR1_EL1  NMI       1
NV            ID_AA64MMFR2_EL1 NV        1
NV2           ID_AA64MMFR2_EL1 NV        2
PAN           ID_AA64MMFR1_EL1 PAN       1
PAN2          ID_AA64MMFR1_EL1 PAN       2
PMUv3         ID_AA64DFR0_EL1  PMUVer    1
PMUv3p1       ID_AA64DFR0_EL1  PMUVer    4
PMUv3p4       ID_AA64DFR0_EL1  PMUVer    5
PAuth         ID_AA64ISAR1_EL1 APA       1
RAS           ID_AA64PFR0_EL1  RAS       1
RASv1p1       ID_AA64PFR0_EL1  RAS       2
RNG           ID_AA64ISAR0_EL1 RNDR      1
SB            ID_AA64ISAR1_EL1 SB        1
SCTLR2        ID_AA64MMFR3_EL1 SCTLRX    1
SEL2          ID_AA64PFR0_EL1  SEL2      1
SME           ID_AA64PFR1_EL1  SME       1
SPE           ID_AA64DFR0_EL1  PMSVer    1
SPECRES       ID_AA64ISAR1_EL1 SPECRES   1
SSBS          ID_AA64PFR1_EL1  SSBS      1
SSBS2         ID_AA64PFR1_EL1  SSBS      2
SVE           ID_AA64PFR0_EL1  SVE       1
TCR2          ID_AA64MMFR3_EL1 TCRX      1
TLBIOS        ID_AA64ISAR0_EL1 TLB       1
TLBIRANGE     ID_AA64ISAR0_EL1 TLB       2
TRBE          ID_AA64DFR0_EL1  TraceBuffer 1
TRF           ID_AA64DFR0_EL1  TraceFilt 1
TTCNP         ID_AA64MMFR2_EL1 CnP       1
TWED          ID_AA64MMFR1_EL1 TWED      1
UAO           ID_AA64MMFR2_EL1 UAO       1
VHE           ID_AA64MMFR1_EL1 VH        1
VMID16        ID_AA64MMFR1_EL1 VMIDBits  2
WFxT          ID_AA64ISAR2_EL1 WFxT      2
XS            ID_AA64ISAR1_EL1 XS        1
XNX           ID_AA64MMFR1_EL1 XNX       1
"""


def _named_rules() -> dict[str, FeatureRule]:
    rows = (line.split() for line in _FEATURES.splitlines() if line)
    return {
        feature: FeatureRule(register, FIELDS[register, field].lsb, 4, int(least), f"{register}.{field}")
        for feature, register, field, least in rows
    }


def _counted_rules() -> dict[str, FeatureRule]:
    """Say which of the numbered registers exist."""
    dfr0, vtr = "ID_AA64DFR0_EL1", "ICH_VTR_EL2"
    rules = {f"breakpoint-{n}": FeatureRule(dfr0, 12, 4, n, f"{dfr0}.BRPs") for n in range(16)}
    rules |= {f"watchpoint-{n}": FeatureRule(dfr0, 20, 4, n, f"{dfr0}.WRPs") for n in range(16)}
    rules |= {f"event-counter-{n}": FeatureRule("PMCR_EL0", 11, 5, n + 1, "PMCR_EL0.N") for n in range(31)}
    rules |= {f"list-register-{n}": FeatureRule(vtr, 0, 5, n, f"{vtr}.ListRegs") for n in range(16)}
    rules |= {
        f"active-priorities-{n}": FeatureRule(vtr, 26, 3, least, f"{vtr}.PREbits")
        for n, least in enumerate((4, 5, 6, 6))
    }
    return rules


RULES: dict[str, FeatureRule] = _named_rules() | _counted_rules()

NEVER = {
    "highest-el-1": "it exists only where EL1 is the highest exception level, and EL3 is implemented here",
    "highest-el-2": "it exists only where EL2 is the highest exception level, and EL3 is implemented here",
    "not-modelled": "it is an implementation-defined register of the Cortex-A72 that this machine does not model",
    "debug-state": "it is accessible only in Debug state, which this machine never enters",
}


def has_feature(feature: str, model: str, gic: int, list_registers: int = LIST_REGISTERS) -> bool:
    """Tell whether this machine claims a feature (`A+B`: both). Raises: KeyError for an unknown feature."""
    return missing_reason(feature, model, gic, list_registers) is None


@lru_cache(maxsize=1024)
def missing_reason(feature: str, model: str, gic: int, list_registers: int = LIST_REGISTERS) -> str | None:
    """Say in words why a feature is not there, or return None when it is; "" is the base architecture."""
    for name in filter(None, feature.split("+")):
        if name in NEVER:
            return NEVER[name]
        rule = RULES[name]
        if not rule.is_claimed(model, gic, list_registers):
            return f"{name} is not claimed: {rule.text} says less than {rule.at_least:#x}"
    return None


@lru_cache(maxsize=8)
def features(model: str, gic: int, list_registers: int = LIST_REGISTERS) -> frozenset[str]:
    """Return the names of what this machine claims: "VHE", "PAuth", "LSE", ..., and its numbered registers.

    "breakpoint-5" says that there is a breakpoint 5; likewise "watchpoint-", "event-counter-", "list-register-" and
    "active-priorities-" (ICC_AP0R<n>_EL1 and the like).
    """
    return frozenset(name for name, rule in RULES.items() if rule.is_claimed(model, gic, list_registers))


def event_counters(features: frozenset[str]) -> int:
    """Return the number of PMU event counters that a set of features holds: PMCR_EL0.N."""
    return sum(name.startswith("event-counter-") for name in features)
