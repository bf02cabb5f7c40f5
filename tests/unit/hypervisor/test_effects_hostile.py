"""Recorded handlers that are damaged, or made to harm: a named error, and nothing outside of the table is called."""

from __future__ import annotations

import contextlib
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from effects_support import Ran, live, packed, replayed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arm_hyp.errors import UserError
from arm_hyp.hypervisor.student.actions import METHODS
from arm_hyp.hypervisor.student.effects import unpack
from arm_hyp.hypervisor.student.failures import HandlerFailure, RecordingDiffers
from arm_hyp.hypervisor.student.recorded import RecordedHandlers

SOURCE = """
COUNT = {}

@handler(EC.WFX)
def wfx(vcpu, exit):
    COUNT["n"] = COUNT.get("n", 0) + 1
    vcpu.data["seen"] = [1, 2]
    vcpu.vm.write_ipa(0x40100000, b"abc")
    print("hello")
    vcpu.skip_instruction()

@mmio(range(0x0B000000, 0x0B001000))
def device(vcpu, access, next):
    try:
        next(vcpu, access._replace(value=3))
    except BusError:
        return access.size_bytes
"""
GUEST = "wfi\n mov x10, #0x0B000000\n ldr w20, [x10, #4]\n wfi"
CALLS = 6
"""Where the calls are in an effect."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[Any]]:
    """What a good run left: the registrations, and the effects as lists."""
    ran = live(tmp_path_factory.mktemp("good"), SOURCE, GUEST).run()
    assert len(ran.code.log) == 3
    return ran.recording()[0], packed(ran.code.log)


def replay(registrations: Any, effects: list[Any]) -> Ran:
    return replayed(registrations, [msgspec.msgpack.encode(each) for each in effects], GUEST)


def with_action(recording: tuple[Any, list[Any]], action: list[Any]) -> Ran:
    """Replay a run whose first handler does something else."""
    registrations, effects = deepcopy(recording)
    effects[0][CALLS][0][1] = [action]
    return replay(registrations, effects)


ACTIONS: list[tuple[list[Any], str]] = [
    (["Vcpu.explode", [], None, False], "there is no action 'Vcpu.explode'"),
    (["os.system", ["true"], None, False], "there is no action 'os.system'"),
    (["Vcpu.__init__", [], None, False], "there is no action 'Vcpu.__init__'"),
    (["Vcpu.set_x", [1], None, False], "Vcpu.set_x has another number of arguments"),
    (["Vcpu.set_x", ["a", "b"], None, False], "Vcpu.set_x raised TypeError"),
    (["Vcpu.set_x", [-99, 1], None, False], "Vcpu.set_x raised IndexError"),
    (["Vcpu.set_x", [1 << 62, ["i", b"\x7f" * 10_000]], None, True], "Vcpu.set_x raised nothing"),
    (["Vcpu.set_x", [1, 1], [7, 7], False], "there is no Vcpu [7, 7]"),
    (["Vcpu.set_x", [1, 1], [-1, -1], False], "there is no Vcpu [-1, -1]"),
    (["Vcpu.set_x", [1, 1], [], False], "there is no Vcpu []"),
    (["Vcpu.set_x", [1, ["n", "Path", "x"]], None, False], "a value is damaged (KeyError)"),
    (["Vcpu.set_x", [1, ["what"]], None, False], "a value is damaged (KeyError)"),
    (["Vcpu.emit", [["event", "Popen"], ["d"]], None, False], "an argument is damaged"),
    (["Vcpu.emit", [["event", "KvmEntry"], ["d", 1, 2]], None, False], "Vcpu.emit takes names"),
    (["Vcpu.emit", [["event", "KvmEntry"], ["d"]], None, False], "Vcpu.emit raised TypeError"),
    (["PagedMemory.share", [0, ["memory", 5], 0, 1, True], None, False], "an argument is damaged"),
    (["DirtyLog.mark", [0], [0, 1], False], "DirtyLog.mark raised AttributeError"),
    (["next", [5], None, False], "next was asked with a int"),
    (["Vm.read_ipa", [0x4000_0000, 1 << 63], None, False], "Vm.read_ipa raised BusError"),
    (["Vcpu.read_va", [0x4000_0000, 1 << 63], None, False], "Vcpu.read_va raised GuestMemoryError"),
    (["Vcpu.read_va", [0, -1], None, True], "Vcpu.read_va raised nothing"),
    (["Vgic.inject", [1 << 63, -5, True], None, False], "Vgic.inject raised"),
    (["Stage2.map", [0, 0, 1 << 62, ["n", "Attributes"]], None, False], "Stage2.map raised"),
]


@pytest.mark.parametrize(("action", "said"), ACTIONS, ids=[f"{row[0][0]} {row[1]}" for row in ACTIONS])
def test_an_action_that_cannot_be_is_named(recording: tuple[Any, list[Any]], action: list[Any], said: str) -> None:
    ran = with_action(recording, action)
    with pytest.raises(RecordingDiffers) as caught:
        ran.guest.run()
    assert "the recording is not of this run: " + said in str(caught.value)


def test_a_record_of_another_exit_is_named(recording: tuple[Any, list[Any]]) -> None:
    registrations, effects = deepcopy(recording)
    effects[0][3] += 4
    assert "exit 0 was at 0x4008000c of VM 0, after" in str(replay(registrations, effects).run().end)
    registrations, effects = deepcopy(recording)
    effects[0][CALLS][0][0] = "@handler(EC.BRK)"
    assert "@handler(EC.WFX) was not asked then" in str(replay(registrations, effects).run().end)
    registrations, effects = deepcopy(recording)
    effects[0][CALLS][0][3] = "refused"
    assert "@handler(EC.WFX) is no device that refuses an access" in str(replay(registrations, effects).run().end)
    registrations, effects = deepcopy(recording)
    effects[0][CALLS] *= 2
    assert "more handlers were asked then" in str(replay(registrations, effects).run().end)


def test_changes_of_what_is_not_there_are_named(recording: tuple[Any, list[Any]]) -> None:
    for change in (["vm 9", ["=", 1]], ["vcpu 0.0", ["=", 1]], ["vcpu 0.0", ["d", ["gone"], []]], ["x", []]):
        registrations, effects = deepcopy(recording)
        effects[0][8] = [change]
        assert "the recording is not of this run: " in str(replay(registrations, effects).run().end)
    name = next(iter(recording[0]["globals"]))
    for key in ("__builtins__", ["l"], 5):
        registrations, effects = deepcopy(recording)
        effects[0][8] = [[f"globals {name}", ["d", [], [key, ["=", 1]]]]]
        assert "the recording is not of this run: " in str(replay(registrations, effects).run().end)


REGISTRATIONS = [
    {"classes": [[[99], "@handler", False, "h.py", 1, "f"]]},
    {"hypercalls": [[[], "@hypercall", False, "h.py", 1, "f"]]},
    {"sysregs": [[[1], "@sysreg", False, "h.py", 1, "f"]]},
    {"mmio": [[[5, 1], "@mmio", False, "h.py", 1, "f"]]},
    {"mmio": [[[0], "@mmio", False, "h.py", 1, "f"]]},
    {"globals": {"m": ["d", "__import__", 1]}},
    {"globals": {"m": 5}},
    {"globals": {"m": ["n", "WfxExit", 1, 2, 3]}},
    {"classes": 5},
    {"path": None},
]


@pytest.mark.parametrize("damage", REGISTRATIONS, ids=str)
def test_damaged_registrations_are_refused(recording: tuple[Any, list[Any]], damage: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="the recorded handlers: are damaged"):
        RecordedHandlers.of(recording[0] | damage, [])


WIRE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.binary(max_size=9), st.text("aé.")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(st.sampled_from(["l", "d", "n", "e", "=", "next"]), inner, inner).map(list)
    ),
    max_leaves=5,
)
NUMBERS = st.sampled_from([0, 1, 5, 8, 4096, 0x4000_0000, 0x4008_0000, 0x0900_0000, 1 << 40, 1 << 63, -1, -4096])
CALL = st.tuples(
    st.sampled_from(sorted(METHODS)),
    st.lists(
        NUMBERS | st.sampled_from([True, b"abc", ["n", "Attributes"], ["n", "MemorySlot", 0, 4096], ["d"]]), max_size=5
    ),
    st.sampled_from([None, [0, 0], [0, 1]]),
    st.booleans(),
).map(list)


def ends_with_a_name(registrations: Any, effects: list[Any]) -> None:
    """A replay of anything ends like a run, or by a failure that has a name."""
    try:
        for each in effects:
            unpack(msgspec.msgpack.encode(each))
        ran = replay(registrations, effects)
    except (UserError, ValueError):
        return
    with contextlib.suppress(HandlerFailure):
        ran.guest.run()
    ran.state()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CALL, max_size=3))
def test_any_calls_of_the_table_end_with_a_name(recording: tuple[Any, list[Any]], calls: list[Any]) -> None:
    registrations, effects = deepcopy(recording)
    effects[0][CALLS][0][1] = calls
    ends_with_a_name(registrations, effects)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_ends_with_a_name(recording: tuple[Any, list[Any]], data: st.DataObject) -> None:
    registrations, effects = deepcopy(recording)
    part: Any = effects
    while isinstance(part, list) and part:
        index = data.draw(st.integers(0, len(part) - 1))
        if not isinstance(part[index], list) or data.draw(st.integers(0, 3)) == 0:
            part[index] = data.draw(WIRE)
            break
        part = part[index]
    ends_with_a_name(registrations, effects)


def test_no_file_is_opened_and_nothing_imported(recording: tuple[Any, list[Any]], tmp_path: Path) -> None:
    registrations, effects = deepcopy(recording)
    trap = tmp_path / "h.py"
    trap.write_text("raise SystemExit('imported')")
    registrations["path"] = str(trap)
    assert getattr(replay(registrations, effects).run().end, "reason", "") == "guest"
