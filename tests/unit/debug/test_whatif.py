"""Where two runs part, the sentence, what each did next, and the ends; and runs that do the same."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.whatif import Changed, WhatIf, what_if
from arm_hyp.errors import UserError
from arm_hyp.events import ConsoleOutput, Event, ExceptionTaken, RegisterAccess, Waited
from arm_hyp.explain.comparison import console_difference, parting
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import VirtualMachine
from arm_hyp.runner.runner import Configuration
from arm_hyp.timeline.differences import Branch, first_difference, first_other
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.timeline import Timeline
from arm_hyp.timeline.trail import Trail

LIMIT = 100_000


def compare(guest: str, *change: str, limit: int = LIMIT, shown: int = 8, **options: Any) -> tuple[WhatIf, SymbolTable]:
    image = str(guests_directory() / f"{guest}.s")
    timeline = Timeline(Configuration(image=image, memory_bytes=8 << 20, **options))
    return what_if(timeline, Changed(change), limit, shown), timeline.runner.symbols


def test_the_runs_part_at_the_wfi_that_traps():
    result, symbols = compare("02-wfi", "HCR_EL2.TWI=1")
    assert result.has_parted
    waited, trapped = result.first
    assert isinstance(waited, Waited) and isinstance(trapped, ExceptionTaken)
    assert parting(*result.first, result.change, symbols) == (
        "The runs part after 10 instructions, at 0x40080028 <el1>, EL1: without the change wfi: the CPU waits; with "
        "HCR_EL2.TWI=1 WFI at EL1 traps to EL2 because HCR_EL2.TWI is 1: HCR_EL2.TWI traps a WFI that would wait from "
        "EL1 and EL0."
    )
    assert (result.without.end.reason, result.changed.end.reason) == ("idle", "guest")
    assert (result.without.end.status, result.changed.end.status) == (1, 0)
    assert result.changed.end.consoles == ("trapped WFI\nno second trap\n",)


def test_what_each_run_does_next_is_kept_and_no_more():
    result, _ = compare("02-wfi", "HCR_EL2.TWI=1", shown=3)
    assert len(result.changed.events) == 3
    printed = result.changed.events[1]
    assert isinstance(printed, ConsoleOutput) and printed.text == "trapped WFI\n"  # one event a line
    assert len(result.without.events) == 1


def test_a_setting_that_changes_nothing_lets_both_do_the_same():
    result, _ = compare("02-wfi", "X28=1")
    assert not result.has_parted and result.overwritten is None
    assert result.without.end == result.changed.end
    assert result.without.events == result.changed.events == ()


def test_a_guest_that_takes_the_setting_back_is_named():
    result, _ = compare("hangs/timer-trap", "HCR_EL2.TWE=1", settings=("X19=1",))
    assert not result.has_parted
    lost = result.overwritten
    assert lost is not None and lost.register == "HCR_EL2"
    assert lost.value == 1 << 31


def test_the_change_is_of_vcpu_0_with_a_hypervisor():
    result, symbols = compare("28-vm-smp", "HCR_EL2.TWI=0", hypervisor="", vcpus=2, gic=3)
    sentence = parting(*result.first, result.change, symbols)
    assert "without the change WFI at EL1 traps to EL2 because HCR_EL2.TWI is 1" in sentence
    assert result.without.end.consoles == result.changed.end.consoles == ("PASS\n",)


def vms(*names: str) -> Configuration:
    """Return VMs that all run the guest that asks for its timer by WFI."""
    image = str(guests_directory() / "28-vm-smp.s")
    made = tuple(VirtualMachine(name=name, image=image, memory_bytes=8 << 20, vcpus=2) for name in names)
    return Configuration(hypervisor="", vms=made, gic=3)


@pytest.mark.parametrize("vm", ["", "a", "b"])
def test_the_change_is_of_the_vm_that_is_named(vm: str):
    result = what_if(Timeline(vms("a", "b")), Changed(("HCR_EL2.TWI=0",), vm=vm), LIMIT)
    assert (result.vms, result.vcpu) == (("a", "b"), f"{vm or 'a'}/vcpu0")
    sentence = parting(*result.first, result.change, vcpu=result.vcpu)
    assert f"EL1 of {result.vcpu}: without the change WFI at EL1 traps" in sentence
    assert result.without.end.consoles == result.changed.end.consoles == ("PASS\n", "PASS\n")


def test_settings_of_both_runs_make_no_difference():
    same = ("HCR_EL2.TWI=0",)
    result = what_if(Timeline(vms("a", "b")), Changed(same, same, "b"), LIMIT)
    assert not result.has_parted and result.vcpu == ""
    with pytest.raises(UserError, match="name one of a, b"):
        what_if(Timeline(vms("a", "b")), Changed(("X28=1",), vm="c"), LIMIT)


def test_a_long_common_part_is_not_kept():
    result, _ = compare("hangs/poll", "X2=1", limit=400_000)
    assert result.common > 100_000 and len(result.last_common) == 64
    assert result.without.end.reason == "limit"


def test_a_limit_ends_both():
    result, _ = compare("02-wfi", "HCR_EL2.TWI=1", limit=5)
    assert not result.has_parted
    assert (result.without.end.n, result.changed.end.n) == (5, 5)


def test_two_comparisons_are_the_same():
    assert compare("03-wfe", "X19=1")[0] == compare("03-wfe", "X19=1")[0]


def test_a_setting_that_is_none_is_refused():
    with pytest.raises(UserError, match="no field"):
        compare("02-wfi", "HCR_EL2.NONE=1")


# --- in the middle of a run -------------------------------------------------------------------------------------------

ECHO = """
_start: ldr     x1, =0x09000000
1:      ldr     w2, [x1, #0x18]         // FR
        tbnz    w2, #4, 1b              // nothing there
        ldr     w0, [x1]
        strb    w0, [x1]
        cmp     w0, #'.'
        b.ne    1b
        hvc     #0
"""


def test_branches_of_one_timeline_are_kept_and_begin_where_the_change_is_made():
    image = str(guests_directory() / "02-wfi.s")
    timeline = Timeline(Configuration(image=image, memory_bytes=8 << 20, settings=("HCR_EL2.TWI=1",)))
    timeline.run(LIMIT)
    timeline.seek(Position(8))
    result = what_if(timeline, Changed(("HCR_EL2.TWI=0",)), LIMIT, name="waits")
    assert result.at == Position(8) and result.vcpu == ""
    assert [type(event) for event in result.first] == [ExceptionTaken, Waited]
    assert (result.without.end.reason, result.changed.end.reason) == ("guest", "idle")
    assert set(timeline.branches) == {"main", result.without.branch, "waits"} and timeline.history.name == "waits"
    parted = first_difference(Branch(timeline, result.without.branch), Branch(timeline, "waits"))
    assert parted is not None and parted.last_same == Position(8) and parted.event_at == Position(10, 2)
    assert timeline.switch("main") == Position(153)


def test_the_vcpu_is_known_that_was_entered_before_the_change():
    case = Configuration(image=str(guests_directory() / "25-demand-paging.s"), memory_bytes=8 << 20, hypervisor="")
    timeline = Timeline(case)
    timeline.seek(Position(11))
    result = what_if(timeline, Changed(("X19=0x40400000",)), LIMIT)
    assert result.common == 0 and result.vcpu == "vm0/vcpu0"


def test_what_was_typed_behind_the_change_is_typed_in_both(tmp_path: Path):
    file = tmp_path / "echo.s"
    file.write_text(ECHO)
    timeline = Timeline(Configuration(image=str(file), memory_bytes=2 << 20, el=1))
    timeline.type(b"one, ")
    timeline.run(100_000)
    timeline.type(b"two.")
    timeline.run(700_000)
    timeline.seek(Position(90_000))
    result = what_if(timeline, Changed(("X28=1",)), 700_000)
    assert not result.has_parted and result.without.end == result.changed.end
    assert result.without.end.consoles == ("one, two.",)


def test_what_was_typed_before_the_run_is_typed_in_both(tmp_path: Path):
    file = tmp_path / "echo.s"
    file.write_text(ECHO)
    timeline = Timeline(Configuration(image=str(file), memory_bytes=2 << 20, el=1))
    timeline.type(b"a.")
    result = what_if(timeline, Changed(("X28=1",)), 300_000)
    assert result.without.end.consoles == result.changed.end.consoles == ("a.",)


@pytest.mark.parametrize("index", [1, 7])
def test_a_cpu_that_is_not_there_is_refused(index: int):
    timeline = Timeline(Configuration(image=str(guests_directory() / "02-wfi.s"), memory_bytes=8 << 20))
    with pytest.raises(UserError, match="there is only CPU 0"):
        what_if(timeline, Changed(("X0=1",), index=index), LIMIT)
    assert set(timeline.branches) == {"main"}


# --- the pieces -------------------------------------------------------------------------------------------------------

ACCESS = RegisterAccess(n=1, seq=0, cpu=0, el=2, pc=0, register="HCR_EL2", is_read=True, value=0)


def is_same(one: Event, other: Event) -> bool:
    trails = Trail(), Trail()
    for trail, event in zip(trails, (one, other), strict=True):
        trail.emit(event)
    return first_other(*trails) == 1


def test_the_value_of_a_register_makes_no_difference_its_name_does():
    assert is_same(ACCESS, msgspec.structs.replace(ACCESS, value=1))
    assert not is_same(ACCESS, msgspec.structs.replace(ACCESS, register="VBAR_EL2"))
    assert not is_same(ACCESS, msgspec.structs.replace(ACCESS, n=2))


def test_the_control_registers_of_an_exception_make_no_difference_where_it_goes_does():
    events = compare("02-wfi", "HCR_EL2.TWI=1")[0].changed.events
    trap = next(one for one in events if isinstance(one, ExceptionTaken))
    assert is_same(trap, msgspec.structs.replace(trap, controls={}))
    assert not is_same(trap, msgspec.structs.replace(trap, to_el=1))


def test_a_run_that_has_ended_is_said_to():
    later = msgspec.structs.replace(ACCESS, n=7)
    assert parting(None, later, ["X0=1"]) == (
        "The runs part after 7 instructions, at 0x0, EL2: without the change the run has ended; with X0=1 reads "
        "HCR_EL2: is 0x0."
    )
    assert "the change it goes on; with" in parting(msgspec.structs.replace(later, pc=4, n=9), ACCESS, ["X0=1"])


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ("same\n", "same\n", ""),
        ("", "a\n", 'from line 1 on: nothing | "a"'),
        ("a\nb\n", "a\nc\n", 'from line 2 on: "b" | "c"'),
        ("a\nb\n", "a\n", 'from line 2 on: "b" | nothing'),
        ("ab", "abc", 'from line 1 on: "ab" | "abc"'),
    ],
)
def test_where_consoles_differ(first: str, second: str, text: str):
    assert console_difference(first, second) == text
