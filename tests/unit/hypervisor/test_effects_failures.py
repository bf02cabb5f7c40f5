"""A handler that failed fails again in the replay, with the same words; what cannot be recorded is a failure too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from effects_support import assert_same, live, replayed
from test_student import CALL, FAILURES, GUESTS, READ, WFI

from arm_hyp.hypervisor.dispatch import dispatch
from arm_hyp.hypervisor.student.code import StudentCode
from arm_hyp.kvm_events import HandlerEffect
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Restore, Run, Snapshot
from arm_hyp.runner.runner import Runner

MORE = [
    (WFI, "vcpu.data['n'] = 1; print('x'); vcpu.vm.write_ipa(0x40100000, b'1'); 1 / 0"),
    (WFI, "vcpu.data['a'] = 1; vcpu.data['o'] = object(); vcpu.skip_instruction()"),
    (WFI, "try:\n  vcpu.skip_instruction(); vcpu.skip_instruction()\n except BaseException:\n  pass"),
    (WFI, "vcpu.vm.read_ipa(0, 4)"),
    (WFI, "raise BusError('no')"),
    (WFI, "raise ValueError('\\ud800' + 'x' * 5000)"),
    (READ, "raise BusError('no')"),
    (CALL, "return object()"),
    (CALL, "return 1.0"),
]


@pytest.mark.parametrize(
    ("kind", "body"), [*((row[0], row[1]) for row in FAILURES), *MORE], ids=lambda text: text.partition("\n")[0]
)
def test_a_failure_is_the_same_in_a_replay(tmp_path: Path, kind: str, body: str) -> None:
    ran = live(tmp_path, kind + body, GUESTS[kind])
    ran.run()
    assert "h.py:" in str(ran.end)
    (tmp_path / "h.py").unlink()
    again = replayed(*ran.recording(), GUESTS[kind]).run()
    assert_same(ran, again)
    assert ran.guest.events(HandlerEffect)[-1].failure in str(ran.end)


def test_a_failure_inside_of_next_is_the_same_in_a_replay(tmp_path: Path) -> None:
    source = (
        f"{READ}pass\n@handler(EC.SYSREG)\ndef g(vcpu, exit, next):\n try: next(vcpu, exit)\n except: vcpu.set_x(3, 1)"
    )
    ran = live(tmp_path, source, GUESTS[READ]).run()
    assert "returned nothing for a read" in str(ran.end)
    assert_same(ran, replayed(*ran.recording(), GUESTS[READ]).run())


def test_a_run_that_goes_on_after_a_failure_does_so_in_a_replay(tmp_path: Path) -> None:
    source = f"TRIES = [0]\n{WFI}TRIES[0] += 1\n if TRIES[0] == 1: raise ValueError\n vcpu.skip_instruction()"
    ran = live(tmp_path, source, "wfi").run().run()
    again = replayed(*ran.recording(), "wfi").run()
    assert "ValueError" in str(again.end)
    assert_same(ran, again.run())


@pytest.mark.parametrize(
    "body",
    [
        "vcpu.vm.hypervisor.stop(vcpu)",
        "vcpu.cpu.core.set_x(1, 2)",
        "vcpu.vm.stage2.update(0x40000000, 4096, lambda old: old)",
        "vcpu.snapshot()",
        "vcpu.vm.hypervisor.machine.clock.now_ns",
        "vcpu.timers.write('CNTV_CTL_EL0', 1)",
        "vcpu.inject_irq(33, object())",
        "vcpu.set_x(3, object())",
    ],
)
def test_what_no_recording_can_hold_is_a_failure_at_its_line(tmp_path: Path, body: str) -> None:
    ran = live(tmp_path, f"{WFI}vcpu.skip_instruction()\n {body}", "wfi")
    ran.run()
    assert "h.py:5: in f, @handler(EC.WFX): " in str(ran.end)
    assert "which no recording can hold" in str(ran.end) or "an argument is a object, no plain data" in str(ran.end)
    assert_same(ran, replayed(*ran.recording(), "wfi").run())


@pytest.mark.parametrize(
    "body",
    [
        "import arm_hyp.explain.why",
        "from arm_hyp.hypervisor import SErrorExit",
        "vcpu.vm.stage2.vttbr; list(vcpu.vm.stage2.mappings()); vcpu.vm.vgic.dump(); vcpu.vm.is_ram(5)",
        "[irq.pending for irq in vcpu.vm.vgic.interrupts(0)]",
        "exit._replace(esr=3).is_wfi; EC(5); EC.WFX.name",
        "from arm_hyp.arch.registers.hypervisor import HCR_EL2 as H; vcpu['HCR_EL2'] = H(int(H(0))).replace(TWI=1)",
    ],
)
def test_what_only_looks_is_no_failure(tmp_path: Path, body: str) -> None:
    ran = live(tmp_path, f"{WFI}vcpu.skip_instruction()\n {body}", "wfi").run()
    assert getattr(ran.end, "reason", ran.end) == "guest"
    assert_same(ran, replayed(*ran.recording(), "wfi").run())


def test_a_message_restore_runs_the_users_code_again_and_recorded_handlers_run_in_a_runner(tmp_path: Path) -> None:
    (tmp_path / "h.py").write_text(f"from arm_hyp.hypervisor import *\n{WFI}vcpu.skip_instruction(); print('x')")
    (tmp_path / "g.s").write_text("wfi\nldr x0, =0x84000008\nhvc #0\n")
    made = Configuration(image=str(tmp_path / "g.s"), hypervisor=str(tmp_path / "h.py"))
    runner = Runner(made)
    start = runner.send(Snapshot())
    runner.send(Run(100))
    assert runner.effects is not None and len(runner.effects) == 1
    end = runner.send(Snapshot())
    log, registrations = runner.effects.until(1), runner.handlers.registrations if runner.handlers else None
    runner.send(Restore(start))
    assert len(runner.effects) == 0
    (tmp_path / "h.py").unlink()
    assert repr(_replayed(made, registrations, log.packed)) == repr(end)


def _replayed(made: Configuration, registrations: Any, effects: list[bytes]) -> object:
    from arm_hyp.hypervisor.student.recorded import RecordedHandlers

    runner = Runner(made, recorded=RecordedHandlers.of(registrations, effects))
    assert runner.handlers is not None and not runner.handlers.is_live
    runner.send(Run(100))
    return runner.send(Snapshot())


def test_a_log_may_be_shared_by_live_handlers(tmp_path: Path) -> None:
    ran = live(tmp_path, f"{WFI}vcpu.skip_instruction()", "wfi").run()
    code = StudentCode(ran.code.handlers, dispatch, ran.code.log)
    assert code.is_live and len(code.log) == 1
