"""The state of a hypervisor: plain data, versioned, complete; `tests/golden/test_vms.py` runs on from it too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from guest_support import Guest

from arm_hyp.hypervisor.vcpu import State

SPINS = """
    mov x0, #3 << 20
    msr CPACR_EL1, x0
    isb
    fmov d3, x0
    mov x1, #500
    msr CNTV_TVAL_EL0, x1
    msr CNTP_TVAL_EL0, x1
    mov x1, #1
    msr CNTP_CTL_EL0, x1
    b .
"""


@pytest.fixture
def guest() -> Guest:
    """A guest in the middle of its run: FP in the core, a physical timer armed, its code paged in."""
    made = Guest(SPINS, vcpus=2, limit=100)
    made.vcpu(1).power_on(0x4008_0000, 5)
    made.vcpu().data["seen"] = {"calls": [1, 2]}
    made.vm.data["name"] = "mine"
    return made


def is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or type(value) in (int, str, bytes, bool)


def test_the_state_is_plain_data(guest: Guest) -> None:
    state = guest.hypervisor.snapshot()
    assert is_plain(state)
    assert state["version"] == 2
    json.dumps(state, default=bytes.hex)


def test_to_look_twice_is_the_same(guest: Guest) -> None:
    assert repr(guest.hypervisor.snapshot()) == repr(guest.hypervisor.snapshot())


def test_what_is_kept_does_not_change_with_what_runs_on(guest: Guest) -> None:
    kept = guest.hypervisor.snapshot()
    text = repr(kept)
    guest.vcpu().data["seen"]["calls"].append(3)
    guest.vm.data["name"] = "other"
    guest.vcpu().timers.reset()
    guest.vcpu(1).set_x(0, 6)
    guest.vm.write_ipa(0x4080_0000, b"new page")
    assert repr(kept) == text


def test_everything_comes_back_in_a_new_hypervisor(guest: Guest) -> None:
    machine, kept = guest.machine.snapshot(), guest.hypervisor.snapshot()
    other = Guest(SPINS, vcpus=2, run=False)
    other.machine.restore(machine)
    other.hypervisor.restore(kept)
    assert repr(other.hypervisor.snapshot()) == repr(kept)
    first, second = other.vm.vcpus
    assert (first.state, second.state, second.x(0)) == (State.RUNNING, State.READY, 5)
    assert first.cpu is other.hypervisor.cpus[0] and first.cpu.fp_owner is first
    assert (first.q(3), guest.vcpu().q(3)) == (3 << 20, 3 << 20)
    assert (first.data, other.vm.data) == ({"seen": {"calls": [1, 2]}}, {"name": "mine"})
    assert first.timers.next_tick() == guest.vcpu().timers.next_tick() is not None


def test_a_handler_may_keep_data_across_a_restore(guest: Guest) -> None:
    """`data` stays the same object, which handlers may hold."""
    data, kept = guest.vcpu().data, guest.hypervisor.snapshot()
    data["seen"] = 0
    guest.hypervisor.restore(kept)
    assert data is guest.vcpu().data and data == {"seen": {"calls": [1, 2]}}


def test_a_restored_dict_is_not_the_kept_one(guest: Guest) -> None:
    """One state may be gone back to many times."""
    kept = guest.hypervisor.snapshot()
    for _ in range(2):
        guest.hypervisor.restore(kept)
        assert guest.vcpu().data["seen"] == {"calls": [1, 2]}
        guest.vcpu().data["seen"]["calls"].append(9)


def test_the_state_of_another_version_is_refused(guest: Guest) -> None:
    with pytest.raises(ValueError, match="version 7; wanted 2"):
        guest.hypervisor.restore(guest.hypervisor.snapshot() | {"version": 7})


def test_the_state_of_another_shape_is_refused(guest: Guest) -> None:
    with pytest.raises(ValueError):
        Guest("nop\n", vcpus=1, run=False).hypervisor.restore(guest.hypervisor.snapshot())
