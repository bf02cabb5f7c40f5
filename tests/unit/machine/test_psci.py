"""PSCI: every function, every error, and what reaches the power controller."""

import pytest
from firmware_support import GARBAGE, FakePower, call, firmware, signed

from arm_hyp.arch import psci
from arm_hyp.arch.psci import FID_SMC64, Affinity, Status

ENTRY = 0x4020_0000
BOTH = pytest.mark.parametrize("width", [0, FID_SMC64], ids=["smc32", "smc64"])
IMPLEMENTED = {
    0x8400_0000, 0x8400_0001, 0xC400_0001, 0x8400_0002, 0x8400_0003, 0xC400_0003, 0x8400_0004, 0xC400_0004,
    0x8400_0006, 0x8400_0008, 0x8400_0009, 0x8400_000A, 0x8400_0012, 0xC400_0012, 0x8000_0000,
}  # fmt: skip


def test_version_is_1_1():
    assert call(firmware(), 0x8400_0000).x(0) == 0x0001_0001


def test_migration_is_not_required():
    assert call(firmware(), 0x8400_0006).x(0) == 2


# --- CPU_ON ----------------------------------------------------------------------------------------------------------


@BOTH
def test_cpu_on_starts_a_cpu_that_is_off(width):
    power = FakePower()
    core = call(firmware(power), psci.CPU_ON | width, 1, ENTRY, 0x1234_5678)
    assert signed(core) == Status.SUCCESS
    assert power.done == [("on", 1, ENTRY, 0x1234_5678)]


def test_cpu_on_of_64_bits_passes_all_bits():
    power = FakePower()
    call(firmware(power, can_start_at=lambda address: True), 0xC400_0003, 0x100, 1 << 47, (1 << 64) - 1)
    assert power.done == [("on", 0x100, 1 << 47, (1 << 64) - 1)]


def test_cpu_on_of_32_bits_ignores_the_upper_halves():
    power = FakePower()
    core = call(firmware(power), GARBAGE | 0x8400_0003, GARBAGE | 1, GARBAGE | ENTRY, GARBAGE | 7)
    assert core.x(0) == 0
    assert power.done == [("on", 1, ENTRY, 7)]


@BOTH
@pytest.mark.parametrize(
    ("target", "entry", "expected"),
    [
        (0x003, ENTRY, Status.INVALID_PARAMETERS),
        (0x8000_0001, ENTRY, Status.INVALID_PARAMETERS),
        (0x003, 1, Status.INVALID_PARAMETERS),
        (0x001, ENTRY + 2, Status.INVALID_ADDRESS),
        (0x001, 0x3FFF_FFFC, Status.INVALID_ADDRESS),
        (0x000, 0x0900_0000, Status.INVALID_ADDRESS),
        (0x000, ENTRY, Status.ALREADY_ON),
        (0x002, ENTRY, Status.ON_PENDING),
    ],
)
def test_cpu_on_refuses(width, target, entry, expected):
    power = FakePower()
    core = call(firmware(power), psci.CPU_ON | width, target, entry, 0)
    assert (signed(core), power.done) == (expected, [])


def test_cpu_on_of_64_bits_looks_at_the_whole_affinity():
    assert signed(call(firmware(), 0xC400_0003, 1 << 32 | 1, ENTRY, 0)) == Status.INVALID_PARAMETERS


# --- CPU_OFF, CPU_SUSPEND, AFFINITY_INFO -----------------------------------------------------------------------------


def test_cpu_off_stops_the_caller_and_changes_no_register():
    power = FakePower()
    core = call(firmware(power), 0x8400_0002, 1, 2, 3)
    assert power.done == [("off", core)]
    assert core.registers[:4] == [0x8400_0002, 1, 2, 3]


@BOTH
@pytest.mark.parametrize("power_state", [0, 0xFFFF, 0x1_0000])
def test_cpu_suspend_waits_and_succeeds(width, power_state):
    power = FakePower()
    core = call(firmware(power), psci.CPU_SUSPEND | width, power_state, ENTRY, 0)
    assert (core.x(0), power.done) == (0, [("suspend", core)])


@BOTH
@pytest.mark.parametrize("power_state", [1 << bit for bit in range(17, 32)])
def test_cpu_suspend_refuses_reserved_bits_and_other_levels(width, power_state):
    power = FakePower()
    core = call(firmware(power), psci.CPU_SUSPEND | width, power_state, ENTRY, 0)
    assert (signed(core), power.done) == (Status.INVALID_PARAMETERS, [])


@pytest.mark.parametrize("entry", [0x1000, ENTRY + 1])
def test_cpu_suspend_checks_the_entry_of_a_power_down_only(entry):
    assert signed(call(firmware(), 0xC400_0001, 0x1_0000, entry, 0)) == Status.INVALID_ADDRESS
    assert call(firmware(), 0xC400_0001, 0, entry, 0).x(0) == 0


@BOTH
@pytest.mark.parametrize(
    ("target", "level", "expected"),
    [
        (0, 0, Affinity.ON),
        (1, 0, Affinity.OFF),
        (2, 0, Affinity.ON_PENDING),
        (3, 0, Status.INVALID_PARAMETERS),
        (0, 1, Status.INVALID_PARAMETERS),
        (0, 4, Status.INVALID_PARAMETERS),
    ],
)
def test_affinity_info(width, target, level, expected):
    assert signed(call(firmware(), psci.AFFINITY_INFO | width, target, level)) == expected


# --- the system ------------------------------------------------------------------------------------------------------


def test_system_off_ends_the_run_with_status_0():
    power = FakePower()
    core = call(firmware(power), 0x8400_0008)
    assert power.done == [("system off", 0, "the guest powered off (PSCI SYSTEM_OFF)")]
    assert core.x(0) == 0x8400_0008


def test_system_reset_resets():
    power = FakePower()
    call(firmware(power), 0x8400_0009)
    assert power.done == [("system reset",)]


@BOTH
def test_system_reset2_warm_resets_whatever_the_cookie(width):
    power = FakePower()
    call(firmware(power), psci.SYSTEM_RESET2 | width, 0, 0x55)
    assert power.done == [("system reset",)]


@BOTH
@pytest.mark.parametrize(
    ("reset_type", "expected"),
    [(1, Status.INVALID_PARAMETERS), (0x7FFF_FFFF, Status.INVALID_PARAMETERS), (1 << 31, Status.NOT_SUPPORTED)],
)
def test_system_reset2_refuses_other_types(width, reset_type, expected):
    power = FakePower()
    core = call(firmware(power), psci.SYSTEM_RESET2 | width, reset_type, 0)
    assert (signed(core), power.done) == (expected, [])


# --- what exists -----------------------------------------------------------------------------------------------------


def test_features_names_exactly_what_exists():
    made = firmware()
    asked = [base | number for base in (0x8400_0000, 0xC400_0000) for number in range(0x60)]
    asked += [0x8000_0000, 0x8000_0001, 0xC000_0000, 0, 0x0400_0000]
    present = {number for number in asked if call(made, 0x8400_000A, GARBAGE | number).x(0) == 0}
    assert present == IMPLEMENTED
    assert all(signed(call(made, 0x8400_000A, number)) in (0, -1) for number in asked)


@pytest.mark.parametrize("function", sorted({*range(0x8400_0000, 0x8400_0015)} - IMPLEMENTED))
def test_what_does_not_exist_is_not_supported_by_name(function):
    core = call(firmware(), function, 0, 0, 0)
    assert signed(core) == Status.NOT_SUPPORTED
    assert core.events[0]["name"] == psci.PSCI_NAMES[function]


@pytest.mark.parametrize("function", [0x8400_0000, 0x8400_0002, 0x8400_0006, 0x8400_0008, 0x8400_0009, 0x8400_000A])
def test_functions_of_32_bits_only_have_no_64_bit_form(function):
    power = FakePower()
    core = call(firmware(power), function | FID_SMC64, 0x8400_0000)
    assert (signed(core), power.done, core.events[0]["name"]) == (Status.NOT_SUPPORTED, [], "unknown")
