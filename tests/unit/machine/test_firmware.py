"""The calling convention, its own calls, random numbers; and that no call can break the firmware."""

import pytest
from firmware_support import GARBAGE, MASK_64, FakeCore, FakePower, call, firmware, signed
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.arch import psci
from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import FirmwareCall, RecordingSink, Waited
from arm_hyp.machine.machine import Machine

WORKAROUNDS = [0x8000_8000, 0x8000_7FFF, 0x8000_3FFF]
KNOWN = sorted(
    {*psci.PSCI_NAMES, *psci.ABSENT_NAMES, *WORKAROUNDS, 0x8000_0000, 0x8000_0001, *range(0x84000050, 0x84000054)}
)
BASE = 0x4008_0000

# --- SMCCC -----------------------------------------------------------------------------------------------------------


def test_the_convention_is_version_1_1():
    assert call(firmware(), 0x8000_0000).x(0) == 0x1_0001


@pytest.mark.parametrize("function", [0x8000_0000, 0x8000_0001])
def test_arch_features_confirms_the_calls_about_itself(function):
    assert call(firmware(), 0x8000_0001, GARBAGE | function).x(0) == 0


@pytest.mark.parametrize("function", WORKAROUNDS)
def test_no_workaround_is_needed_and_calling_it_is_safe(function):
    assert call(firmware(), 0x8000_0001, function).x(0) == 1
    core = call(firmware(), function, 1, 2, 3)
    assert core.registers == [0, 1, 2, 3, *FakeCore().registers[4:]]


@pytest.mark.parametrize("function", [0x8000_0002, 0xC500_0020, 0x8400_0000, 0xC000_8000, 0x8000_0004])
def test_arch_features_denies_all_else(function):
    assert signed(call(firmware(), 0x8000_0001, function)) == -1


@pytest.mark.parametrize(
    "function", [0, 0x0400_0000, 0x8600_FF01, 0x8300_0000, 0xC400_0000, 0xFFFF_FFFF, *psci.ABSENT_NAMES]
)
def test_unknown_functions_are_not_supported_and_change_x0_only(function):
    core = call(firmware(), GARBAGE | function)
    assert core.registers == [MASK_64, *FakeCore(0).registers[1:]]


def test_each_call_is_reported_with_its_place():
    core = FakeCore(0xC400_0003, 3)
    firmware().call(core, "hvc")
    place = {"pc": 0x4008_0000, "conduit": "hvc", "function": 0xC400_0003}
    assert core.events == [{**place, "name": "CPU_ON", "result": MASK_64 - 1}]


@pytest.mark.parametrize("function", [psci.CPU_OFF, psci.SYSTEM_OFF, psci.SYSTEM_RESET, psci.SYSTEM_RESET2])
def test_a_call_that_does_not_return_is_reported_without_a_result(function):
    core = call(firmware(), function, 0)
    assert [event["result"] for event in core.events] == [None]
    assert core.x(0) == function


# --- TRNG ------------------------------------------------------------------------------------------------------------


def test_trng_version_and_features():
    made = firmware()
    assert call(made, 0x8400_0050).x(0) == 0x1_0000
    asked = [base | number for base in (0x8400_0000, 0xC400_0000) for number in range(0x60)]
    present = {function for function in asked if call(made, 0x8400_0051, function).x(0) == 0}
    assert present == {0x8400_0050, 0x8400_0051, 0x8400_0052, 0x8400_0053, 0xC400_0053}


def test_trng_uuid_is_four_words_and_never_not_supported():
    words = call(firmware(), 0x8400_0052).registers[:4]
    assert all(0 < word < 1 << 32 for word in words)
    assert words[0] != 0xFFFF_FFFF


@pytest.mark.parametrize(("function", "bits"), [(0x8400_0053, 32), (0xC400_0053, 64)])
@pytest.mark.parametrize("share", [1 / 64, 0.5, 1, 1.5, 2, 2.5, 3])
def test_trng_fills_from_x3_up_and_leaves_the_rest_zero(function, bits, share):
    wanted, seen, made = max(1, int(bits * share)), 0, firmware()
    for _ in range(64):
        status, high, middle, low = call(made, function, wanted).registers[:4]
        assert status == 0 and max(high, middle, low) < 1 << bits
        seen |= high << 2 * bits | middle << bits | low
    assert seen == (1 << wanted) - 1


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (0x8400_0053, 0),
        (0x8400_0053, 97),
        (0x8400_0053, 0xFFFF_FFFF),
        (0xC400_0053, 0),
        (0xC400_0053, 193),
        (0xC400_0053, 1 << 32 | 64),
    ],
)
def test_trng_refuses_other_counts_and_draws_nothing(function, count):
    made = firmware()
    before = made.snapshot()
    core = call(made, function, count)
    assert (signed(core), core.registers[1:4]) == (-2, [0, 0, 0])
    assert made.snapshot() == before


def test_trng_repeats_by_seed_and_by_snapshot():
    def draw(made):
        return call(made, 0xC400_0053, 192).registers[1:4]

    made, same, other = firmware(seed=1), firmware(seed=1), firmware(seed=2)
    first = draw(made)
    assert first == draw(same) != draw(other)
    state = made.snapshot()
    second = draw(made)
    assert second != first
    made.restore(state)
    assert draw(made) == second


# --- any call --------------------------------------------------------------------------------------------------------

registers = st.lists(st.integers(0, MASK_64), min_size=7, max_size=7)
numbers = st.one_of(st.sampled_from(KNOWN), st.sampled_from(KNOWN).map(lambda n: n | 1 << 30), st.integers(0, MASK_64))
targets = st.one_of(st.sampled_from([0, 1, 2, 0x100, 0x4020_0000]), st.integers(0, MASK_64))


@given(numbers, targets, targets, registers)
def test_any_call_changes_x0_to_x3_only_and_raises_nothing(number, first, second, others):
    core = FakeCore(number, first, second, *others)
    before = list(core.registers)
    power = FakePower()
    made = firmware(power)
    made.call(core, "smc")
    assert core.registers[4:] == before[4:]
    returns = not {done[0] for done in power.done} & {"off", "system off", "system reset"}
    assert [event["result"] for event in core.events] == [core.x(0) if returns else None]
    restored = firmware(FakePower())
    restored.restore(made.snapshot())
    assert restored.snapshot() == made.snapshot()


# --- on a real core --------------------------------------------------------------------------------------------------


def run(source: str, start_el: int) -> Machine:
    machine = Machine(sink=RecordingSink(), memory_bytes=16 << 20, start_el=start_el)
    machine.write_memory(BASE, assemble(source, filename="test.s", base=BASE).code)
    machine.core.pc = BASE
    machine.run(1000)
    return machine


def reported(machine: Machine, kind: type) -> list:
    return [event for event in machine.core.sink.events if isinstance(event, kind)]


@pytest.mark.parametrize(("conduit", "start_el"), [("smc", 2), ("hvc", 1)])
def test_both_conduits_reach_the_firmware(conduit, start_el):
    machine = run(f"ldr x0, =0x84000000\n {conduit} #0\n mov x9, x0\n ldr x0, =0x84000008\n {conduit} #0\n", start_el)
    assert machine.core.x(9) == 0x1_0001
    first = reported(machine, FirmwareCall)[0]
    assert (first.name, first.conduit, first.pc) == ("PSCI_VERSION", conduit, BASE + 4)


def test_cpu_suspend_waits_behind_the_call_with_the_result_in_place():
    machine = run("ldr x0, =0xc4000001\n mov x1, #0\n smc #0\n b .\n", 2)
    assert machine.core.waiting == "wfi"
    assert (machine.core.pc, machine.core.x(0), machine.retired) == (BASE + 12, 0, 3)
    assert [event.pc for event in reported(machine, Waited)] == [BASE + 8]


def test_nothing_runs_behind_cpu_off():
    machine = run("ldr x0, =0x84000002\n smc #0\n mov x9, #1\n b .\n", 2)
    assert machine.retired == 2
    assert machine.core.x(9) == 0
