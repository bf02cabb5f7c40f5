"""What software may ask of the firmware by SMC or HVC: function identifiers, return codes and bits, as data.

Read `arch/types.py` before and `machine/firmware/__init__.py` after this file. PSCI, the calling convention's own calls
(SMCCC) and the random numbers (TRNG) share one space of 32-bit function identifiers: <31> fast call, <30> arguments in
X registers (SMC64) instead of W registers (SMC32), <29:24> the owner, <15:0> the number.

Ref: Arm DEN0022 (PSCI 1.1), DEN0028 (SMCCC 1.1), DEN0098 (TRNG 1.0), DEN0057 (paravirtual time).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

FID_FAST: Final = 1 << 31
FID_SMC64: Final = 1 << 30

PSCI_1_1: Final = 0x1_0001
"""PSCI_VERSION: major <31:16>, minor <15:0>."""
SMCCC_1_1: Final = 0x1_0001
"""SMCCC_VERSION: major <30:16>, minor <15:0>."""
TRNG_1_0: Final = 0x1_0000
"""TRNG_VERSION: major <30:16>, minor <15:0>."""


class Status(IntEnum):
    """What PSCI functions return, and (the first three) those of SMCCC and TRNG too.

    Ref: DEN0022, return error codes; DEN0028, Unknown Function Identifier; DEN0098, return codes.
    """

    SUCCESS = 0
    NOT_SUPPORTED = -1
    INVALID_PARAMETERS = -2
    DENIED = -3
    ALREADY_ON = -4
    ON_PENDING = -5
    INTERNAL_FAILURE = -6
    NOT_PRESENT = -7
    DISABLED = -8
    INVALID_ADDRESS = -9


class Affinity(IntEnum):
    """What AFFINITY_INFO returns. Ref: DEN0022, AFFINITY_INFO."""

    ON = 0
    OFF = 1
    ON_PENDING = 2


MIGRATION_NOT_REQUIRED: Final = 2
"""MIGRATE_INFO_TYPE: there is no trusted OS, or one that runs on every CPU. Ref: DEN0022, MIGRATE_INFO_TYPE."""
NOT_AFFECTED: Final = 1
"""SMCCC_ARCH_FEATURES of a workaround: this CPU does not need it. Ref: DEN0028, SMCCC_ARCH_FEATURES."""

POWER_STATE_TYPE: Final = 1 << 16
"""CPU_SUSPEND's power_state<16>: power-down instead of standby. Ref: DEN0022, CPU_SUSPEND, original format."""
POWER_STATE_LEVEL_OR_RES0: Final = 0xFFFE_0000
"""power_state<31:26>, <23:17>: RES0; <25:24>: the affinity level, of which only 0 exists here."""

RESET_WARM: Final = 0
"""SYSTEM_RESET2's one architectural reset_type, SYSTEM_WARM_RESET. Ref: DEN0022, SYSTEM_RESET2."""
RESET_VENDOR: Final = 1 << 31

PSCI_VERSION: Final = 0x8400_0000
CPU_SUSPEND: Final = 0x8400_0001
CPU_OFF: Final = 0x8400_0002
CPU_ON: Final = 0x8400_0003
AFFINITY_INFO: Final = 0x8400_0004
MIGRATE: Final = 0x8400_0005
MIGRATE_INFO_TYPE: Final = 0x8400_0006
MIGRATE_INFO_UP_CPU: Final = 0x8400_0007
SYSTEM_OFF: Final = 0x8400_0008
SYSTEM_RESET: Final = 0x8400_0009
PSCI_FEATURES: Final = 0x8400_000A
CPU_FREEZE: Final = 0x8400_000B
CPU_DEFAULT_SUSPEND: Final = 0x8400_000C
NODE_HW_STATE: Final = 0x8400_000D
SYSTEM_SUSPEND: Final = 0x8400_000E
PSCI_SET_SUSPEND_MODE: Final = 0x8400_000F
PSCI_STAT_RESIDENCY: Final = 0x8400_0010
PSCI_STAT_COUNT: Final = 0x8400_0011
SYSTEM_RESET2: Final = 0x8400_0012
MEM_PROTECT: Final = 0x8400_0013
MEM_PROTECT_CHECK_RANGE: Final = 0x8400_0014

PSCI_NAMES: Final[dict[int, str]] = {
    PSCI_VERSION: "PSCI_VERSION",
    CPU_SUSPEND: "CPU_SUSPEND",
    CPU_OFF: "CPU_OFF",
    CPU_ON: "CPU_ON",
    AFFINITY_INFO: "AFFINITY_INFO",
    MIGRATE: "MIGRATE",
    MIGRATE_INFO_TYPE: "MIGRATE_INFO_TYPE",
    MIGRATE_INFO_UP_CPU: "MIGRATE_INFO_UP_CPU",
    SYSTEM_OFF: "SYSTEM_OFF",
    SYSTEM_RESET: "SYSTEM_RESET",
    PSCI_FEATURES: "PSCI_FEATURES",
    CPU_FREEZE: "CPU_FREEZE",
    CPU_DEFAULT_SUSPEND: "CPU_DEFAULT_SUSPEND",
    NODE_HW_STATE: "NODE_HW_STATE",
    SYSTEM_SUSPEND: "SYSTEM_SUSPEND",
    PSCI_SET_SUSPEND_MODE: "PSCI_SET_SUSPEND_MODE",
    PSCI_STAT_RESIDENCY: "PSCI_STAT_RESIDENCY",
    PSCI_STAT_COUNT: "PSCI_STAT_COUNT",
    SYSTEM_RESET2: "SYSTEM_RESET2",
    MEM_PROTECT: "MEM_PROTECT",
    MEM_PROTECT_CHECK_RANGE: "MEM_PROTECT_CHECK_RANGE",
}
"""The names of the SMC32 identifiers."""

WITH_SMC64: Final = frozenset(
    {
        CPU_SUSPEND,
        CPU_ON,
        AFFINITY_INFO,
        MIGRATE,
        MIGRATE_INFO_UP_CPU,
        CPU_DEFAULT_SUSPEND,
        NODE_HW_STATE,
        SYSTEM_SUSPEND,
        PSCI_STAT_RESIDENCY,
        PSCI_STAT_COUNT,
        SYSTEM_RESET2,
        MEM_PROTECT_CHECK_RANGE,
    }
)
"""The PSCI functions that exist as SMC64 too: the same identifier with FID_SMC64 set."""

SMCCC_VERSION: Final = 0x8000_0000
SMCCC_ARCH_FEATURES: Final = 0x8000_0001
SMCCC_ARCH_SOC_ID: Final = 0x8000_0002
SMCCC_ARCH_WORKAROUND_1: Final = 0x8000_8000
SMCCC_ARCH_WORKAROUND_2: Final = 0x8000_7FFF
SMCCC_ARCH_WORKAROUND_3: Final = 0x8000_3FFF

TRNG_VERSION: Final = 0x8400_0050
TRNG_FEATURES: Final = 0x8400_0051
TRNG_GET_UUID: Final = 0x8400_0052
TRNG_RND32: Final = 0x8400_0053
TRNG_RND64: Final = TRNG_RND32 | FID_SMC64

PV_TIME_FEATURES: Final = 0xC500_0020
PV_TIME_ST: Final = 0xC500_0021

ABSENT_NAMES: Final[dict[int, str]] = {
    SMCCC_ARCH_SOC_ID: "SMCCC_ARCH_SOC_ID",
    0x8400_0063: "FFA_VERSION",
    0xC400_0020: "SDEI_VERSION",
    PV_TIME_FEATURES: "PV_TIME_FEATURES",
    0x8600_FF01: "VENDOR_HYP_CALL_UID",
}
"""What common software probes for and this firmware does not have, by name, so that a trace tells what was asked."""
