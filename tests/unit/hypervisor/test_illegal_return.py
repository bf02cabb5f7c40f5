"""What a handler may write to PSTATE, and what comes of an ERET to the guest that is illegal all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from guest_support import Guest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arm_hyp.arch.exceptions import exception_return
from arm_hyp.hypervisor import EC
from arm_hyp.hypervisor.dispatch import dispatch
from arm_hyp.hypervisor.exits import SyncExit
from arm_hyp.hypervisor.student.code import StudentCode
from arm_hyp.hypervisor.student.failures import HandlerFailure
from arm_hyp.hypervisor.student.loading import load_handlers
from arm_hyp.hypervisor.vcpu import Vcpu
from arm_hyp.kvm_events import KvmExit

TGE, RW = 1 << 27, 1 << 31
NS_RW = 0x401
HANDLERS = """from arm_hyp.hypervisor import *
@handler(EC.HVC64)
def f(vcpu, exit, next):
    if exit.imm != 5:
        return next(vcpu, exit)
    vcpu.pstate = vcpu.vm.wanted
"""
VALUES = st.one_of(
    st.integers(-(1 << 66), 1 << 66),
    st.builds(lambda high, mode: high << 5 | mode, st.integers(0, (1 << 59) - 1), st.integers(0, 31)),
)


@pytest.fixture(scope="module", params=[False, True], ids=["off", "loaded"])
def vcpu(request: pytest.FixtureRequest) -> Vcpu:
    guest = Guest("nop\n", run=False)
    guest.hypervisor.cpus[0].initialize()
    if request.param:
        guest.hypervisor.cpus[0].load(guest.vcpu())
    return guest.vcpu()


@settings(max_examples=300, deadline=None)
@given(value=VALUES)
@example(value=0x1F)
@example(value=0x3C9)
def test_pstate_takes_what_an_eret_brings_to_a_guest_and_refuses_all_else(vcpu: Vcpu, value: int) -> None:
    features = vcpu.vm.hypervisor.machine.core.state_features
    back = exception_return(2, 0x3C9, value, 0, RW, NS_RW, features)
    vcpu.pstate = 0x3C5
    if back.illegal is None and value >> 2 & 3 < 2:
        vcpu.pstate = value
        assert vcpu.pstate == value & (1 << 64) - 1
        vcpu.inject_undef()
        assert vcpu.pstate & 0x1F == 5
    else:
        with pytest.raises(ValueError, match=rf"M <4:0> is {value & 31:#x}; a guest's are EL0t \(0x0\), EL1t"):
            vcpu.pstate = value
        assert vcpu.pstate == 0x3C5


@pytest.mark.parametrize("mode", [0x1, 0x8, 0x9, 0xF, 0x10, 0x1F])
def test_a_mode_is_refused_by_name_too(vcpu: Vcpu, mode: int) -> None:
    vcpu.pstate = 0x3C5
    with pytest.raises(ValueError, match=f"is {mode:#x}; a guest's"):
        vcpu.write("PSTATE", mode)
    assert vcpu.read("PSTATE") == 0x3C5


def test_a_handler_that_writes_any_pstate_fails_at_its_line_or_the_guest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "h.py").write_text(HANDLERS)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, (1 << 32) - 1) | st.integers(0, 31))
    @example(0x1F)
    @example(0x10)
    @example(1 << 20 | 5)
    def write(wanted: int) -> None:
        guest = Guest("hvc #5\n nop\n nop\n", run=False, limit=500)
        guest.vm.wanted = wanted  # type: ignore[attr-defined]
        code = StudentCode(load_handlers(tmp_path / "h.py"), dispatch)
        code.attach(guest.vm)
        guest.hypervisor.dispatch = code.dispatch
        try:
            guest.run()
        except HandlerFailure as failure:
            place, problem = failure.report.place, failure.report.problem
            assert wanted & 31 not in (0, 4, 5)
            assert place.line == 6 and problem.startswith(f"ValueError: PSTATE {wanted:#x}: M <4:0> is")
        else:
            assert wanted & 31 in (0, 4, 5)

    write()


def test_a_return_that_hcr_el2_makes_illegal_ends_the_vm_and_is_told_as_kvm_tells_it() -> None:
    guest = Guest("hvc #5\n nop\n", run=False)

    def trap_general_exceptions(vcpu: Vcpu, exit: SyncExit) -> None:
        vcpu.write("HCR_EL2", vcpu.read("HCR_EL2") | TGE * (exit.ec == EC.HVC64))
        if exit.ec != EC.HVC64:
            dispatch(vcpu, exit)

    guest.hypervisor.dispatch = trap_general_exceptions
    outcome = guest.run()
    why = "illegal return from EL2 to the guest: HCR_EL2.TGE is 1: there is no EL1 to return to"
    assert (outcome.reason, outcome.status, outcome.text) == ("guest", 1, why)
    last = guest.events(KvmExit)[-1]
    assert (last.ret, last.esr_ec, last.esr >> 26) == ("ILLEGAL", 0, EC.ILLEGAL_STATE)
    assert guest.vm.end is not None and guest.vm.end.reason == "crashed"
