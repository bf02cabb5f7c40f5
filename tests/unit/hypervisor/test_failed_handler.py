"""A handler that fails stops the run at its exit; the run goes on there when it is asked to, or when it is restored."""

import pytest

from arm_hyp.runner.runner import Configuration, Restore, Run, Runner, Snapshot

GUEST = """
        mov x5, #1
        wfi
        add x5, x5, #1
        ldr x0, =0x84000008
        hvc #0
"""
HANDLERS = """
from arm_hyp.hypervisor import EC, handler

TRIES = [0]

@handler(EC.WFX)
def on_wfx(vcpu, exit):
    TRIES[0] += 1
    if TRIES[0] == 1:
        vcpu["X5"] = 77
        raise RuntimeError("not yet")
    vcpu.skip_instruction()
"""


@pytest.fixture
def runner(tmp_path):
    guest, handlers = tmp_path / "guest.s", tmp_path / "handlers.py"
    guest.write_text(GUEST)
    handlers.write_text(HANDLERS)
    return Runner(Configuration(image=str(guest), hypervisor=str(handlers)))


def test_the_state_before_the_exit_can_be_looked_at(runner):
    result = runner.send(Run(1000))
    vcpu = runner.hypervisor.vms[0].vcpus[0]
    assert (result["reason"], result["status"], result["n"]) == ("handler", 1, 1)
    assert "not yet" in result["text"]
    assert (vcpu["X5"], vcpu.pc) == (1, runner.plans[0].entry + 4)


def test_the_run_goes_on_at_this_exit(runner):
    runner.send(Run(1000))
    assert runner.send(Run(1000))["reason"] == "guest"
    assert runner.hypervisor.vms[0].vcpus[0]["X5"] == 2


def test_a_snapshot_of_a_failed_exit_goes_on_there_too(runner):
    runner.send(Run(1000))
    state = runner.send(Snapshot())
    runner.send(Run(1000))
    runner.send(Restore(state))
    assert runner.hypervisor.vms[0].vcpus[0].pc == runner.plans[0].entry + 4
    assert runner.send(Run(1000))["reason"] == "guest"
    assert runner.hypervisor.vms[0].vcpus[0]["X5"] == 2
