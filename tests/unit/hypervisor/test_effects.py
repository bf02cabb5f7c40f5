"""What handlers did is done again without their code: the same state, the same events, the same failures."""

from __future__ import annotations

from pathlib import Path

import pytest
from effects_support import Ran, assert_same, live, replayed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arm_hyp.events import ExceptionTaken, NullSink
from arm_hyp.hypervisor.dispatch import dispatch
from arm_hyp.hypervisor.student.actions import METHODS
from arm_hyp.hypervisor.student.code import StudentCode
from arm_hyp.hypervisor.student.effects import NEXT
from arm_hyp.hypervisor.student.failures import RecordingEnds
from arm_hyp.kvm_events import HandlerEffect, HandlerOutput

ACTIONS = {
    "Vcpu.set_x": ["vcpu.set_x(5, 1 << 70 | 7)", "vcpu.set_x(31, 1)", "vcpu.set_x(6, EC.WFX)"],
    "Vcpu.set_q": ["vcpu.set_q(3, (1 << 127) + 5)", "tried(vcpu.set_q, 3, 1 << 128)"],
    "Vcpu.pc": ["vcpu.pc += 0"],
    "Vcpu.pstate": ["vcpu.pstate |= 1 << 31"],
    "Vcpu.write": [
        "vcpu['SP_EL0'] = 0x1234",
        "vcpu.write('X9', 9)",
        "vcpu['TPIDR_EL1'] = vcpu['MPIDR_EL1'] if False else 3",
        "tried(vcpu.write, 'NONE_EL1', 1)",
        "vcpu['CNTV_CVAL_EL0'] = 1 << 40",
    ],
    "Vcpu.skip_instruction": [],  # by SKIPS
    "Vcpu.wait_for_interrupt": ["vcpu.vm.vcpus[1].wait_for_interrupt()"],
    "Vcpu.yield_cpu": ["vcpu.yield_cpu()"],
    "Vcpu.inject_undef": ["vcpu.pc += 4; vcpu.inject_undef(); vcpu.pc -= 0"],
    "Vcpu.inject_data_abort": ["vcpu.inject_data_abort(0x1234, is_write=True)"],
    "Vcpu.inject_instruction_abort": ["vcpu.inject_instruction_abort(0x5678)"],
    "Vcpu.inject_serror": ["vcpu.inject_serror()"],
    "Vcpu.inject_irq": [
        "vcpu.inject_irq(33)",
        "tried(vcpu.inject_irq, 5000)",
        "vcpu.inject_irq(intid=33, level=False)",
    ],
    "Vcpu.read_va": ["data['read'] = vcpu.read_va(0x40400000, 8)", "tried(vcpu.read_va, 0xF00000, 4)"],
    "Vcpu.write_va": ["vcpu.write_va(0x40500ffc, bytearray(b'12345678'))", "tried(vcpu.write_va, 1, b'1')"],
    "Vcpu.power_on": ["vcpu.vm.vcpus[1].is_on or vcpu.vm.vcpus[1].power_on(0x40080000, 5)"],
    "Vcpu.power_off": ["vcpu.vm.vcpus[1].power_off()"],
    "Vcpu.emit": ["vcpu.emit(GuestUndefined, vcpu_pc=1, what='this', reason='that')"],
    "Vcpu.translate": ["data['ipa'] = translate(vcpu, 0x40400000, Access())"],
    "Vm.read_ipa": ["vcpu.vm.read_ipa(0x40600000, 3)", "tried(vcpu.vm.read_ipa, 0, 8)"],
    "Vm.write_ipa": ["vcpu.vm.write_ipa(0x40700000, memoryview(b'abc'))", "tried(vcpu.vm.write_ipa, 0, b'8')"],
    "Vm.read64": ["data['entry'] = vcpu.vm.read64(0x40800000)"],
    "Vm.power_off": ["third() and vcpu.vm.power_off('enough', status=3)"],
    "Vm.crash": ["third() and (vcpu.vm.power_off('before'), vcpu.vm.crash('too much'))"],
    "Vm.reset": ["COUNT.setdefault('resets', 1) and (COUNT.update(resets=0), vcpu.vm.reset())"],
    "Vm.emit": ["vcpu.vm.emit(GuestUndefined, vcpu_pc=2, what='a', reason='b')"],
    "Vgic.inject": ["vcpu.vm.vgic.inject(1, 27, True)", "tried(vcpu.vm.vgic.inject, 9, 27)"],
    "Vgic.send_sgi": ["vcpu.vm.vgic.send_sgi(0, 'ICC_SGI1R_EL1', 3)"],
    "VmDevices.put": ["vcpu.vm.devices.put('handler', b'hello')"],
    "Stage2.map": ["vcpu.vm.stage2.map(0x10_0000_0000, 0x4000_0000, 0x1000, Attributes(Permission.R))"],
    "Stage2.unmap": ["vcpu.vm.stage2.unmap(0x10_0000_0000, 0x1000)"],
    "Stage2.protect": ["vcpu.vm.stage2.protect(0x4000_0000, 0x1000, Permission.RWX)"],
    "Stage2.write_protect": ["vcpu.vm.stage2.write_protect(0x4020_0000, 0x1000)"],
    "Stage2.age": ["vcpu.vm.stage2.age(0x4020_0000, 0x1000, accessed=False)"],
    "Stage2.split": ["vcpu.vm.stage2.split(0x4020_0000)"],
    "Stage2.collapse": ["vcpu.vm.stage2.collapse(0x4020_0000, 2)"],
    "PagedMemory.handle_fault": ["vcpu.vm.memory.handle_fault(0x4090_0000, True)"],
    "PagedMemory.pieces": ["data['pieces'] = vcpu.vm.memory.pieces(0x40a0_0000, 8, False)"],
    "PagedMemory.share": [
        "vm = vcpu.vm; vm.memory.share(0x40b0_0000, vm.memory, 0x40c0_0000, 4096, copy_on_write=True)"
    ],
    "PagedMemory.release": ["vcpu.vm.memory.release(0x40d0_0000, 4096)"],
    "PagedMemory.start_logging": ["log(vcpu)"],
    "PagedMemory.stop_logging": ["log(vcpu); vcpu.vm.memory.stop_logging(vcpu.vm.memory.slots[1])"],
    "DirtyLog.mark": ["log(vcpu).mark(0x4080_0000)"],
    "DirtyLog.get_and_clear": ["data['log'] = len(log(vcpu).get_and_clear())"],
}
DATA = [
    "data['n'] = data.get('n', 0) + 1",
    "COUNT['all'] = COUNT.get('all', 0) + 1",
    "COUNT.pop('all', None); COUNT['first'] = 1",
    "vcpu.vm.data.setdefault('seen', []).append(exit.esr)",
    "vcpu.vm.data['seen'] = vcpu.vm.data.get('seen', [])[1:]",
    "vcpu.vm.vcpus[1].data['from'] = vcpu.index",
    "vcpu.data = {'new': (1, 1.0, True, None, -0.0, 'ü', b'x')}",
    "globals()['LATE'] = {exit.pc: {exit.esr}, (1, 'a'): frozenset([3])}",
    "PLACES.add(exit.pc)",
    "PLACES.discard(exit.pc)",
    "data['n'] = True",
    "data['n'] = 1",
    "data['big'] = -(1 << 200); data['text'] = '\\ud800'",
    "ROW[1]['deep'].append(len(ROW[1]['deep'])); ROW[0] = -ROW[0]",
    "print('at', hex(exit.pc)); print('\\ud800', end='')",
    "local = [exit.pc, vcpu, {'a': {1, 2}}]",
    "vcpu.vm.vcpus[0].data.clear()",
]
HELP = """
from arm_hyp.arch.translation import Access
from arm_hyp.hypervisor.guest_memory import translate
from arm_hyp.hypervisor.stage2.descriptors import Attributes, Permission
from arm_hyp.kvm_events import GuestUndefined
COUNT, PLACES, ROW = {}, set(), [1, {"deep": []}]

def tried(function, *arguments):
    try:
        function(*arguments)
    except (GuestMemoryError, BusError, ValueError, KeyError, IndexError):
        COUNT["caught"] = COUNT.get("caught", 0) + 1

def third():
    COUNT["times"] = COUNT.get("times", 0) + 1
    return COUNT["times"] == 3

def log(vcpu):
    memory = vcpu.vm.memory
    return memory.log_of(memory.slots[1]) or memory.start_logging(memory.slots[1])
"""
KINDS = {
    "@handler(EC.WFX)\ndef wfx(vcpu, exit):": "if vcpu.pc == exit.pc: vcpu.skip_instruction()",
    "@handler(EC.HVC64)\ndef hvc(vcpu, exit, next):": "next(vcpu, exit)",
    "@handler(EC.SYSREG)\ndef sys(vcpu, exit, next):": "next(vcpu, exit._replace(rt=21))",
    '@sysreg("ID_AA64PFR0_EL1")\ndef read(vcpu, access, next):': "return next(vcpu, access) | 1 << 63",
    "@hypercall(0xC6000001)\ndef call(vcpu, call):": "return -call.args[0]",
    "@mmio(range(0x0B000000, 0x0B001000))\ndef dev(vcpu, access, next):": (
        "return access.size_bytes if access.offset else tried(next, vcpu, access) or 0"
    ),
    "@mmio(range(0x09000000, 0x09001000))\ndef uart(vcpu, access, next):": (
        "return next(vcpu, access._replace(value=access.value & 0x7F))"
    ),
}
"""The head and the last line of a handler of each kind."""
BEGIN = "data, exit = vcpu.data, HvcExit(EC.HVC64, vcpu['X1'], vcpu.pc)"
GUEST = """
    mov x22, #4
again:
    wfi
    mov x1, #40
    ldr x0, =0xC6000001
    hvc #0
    nop
    mrs x20, ID_AA64PFR0_EL1
    ldr x0, =0x84000000
    hvc #0
    nop
    mov x10, #0x0B000000
    ldr w20, [x10, #4]
    ldp w2, w3, [x10]
    mov x10, #0x09000000
    mov w11, #0xE1
    str w11, [x10]
    sub x22, x22, #1
    cbnz x22, again
"""


def module(bodies: list[list[str]]) -> str:
    """Return a file with one handler of each kind that does these things."""
    parts = [HELP]
    for (head, tail), body in zip(KINDS.items(), bodies, strict=True):
        begin = BEGIN if "exit" not in head else "data = vcpu.data"
        parts.append("\n ".join([head, begin, *body, tail, ""]))
    return "\n".join(parts)


THINGS = [*(line for lines in ACTIONS.values() for line in lines), *DATA]
ENDS = [
    "vcpu.wait_for_interrupt()",
    "1 / 0",
    "vcpu.data['o'] = object()",
    "vcpu.skip_instruction()",
    "raise BusError('no')",
]
BODIES = st.lists(st.lists(st.sampled_from(THINGS + ENDS), max_size=4), min_size=len(KINDS), max_size=len(KINDS))


def again(ran: Ran, path: Path, **options: int) -> Ran:
    """Replay a run in which the file of handlers is gone."""
    (path / "h.py").unlink()
    registrations, effects = ran.recording()
    return replayed(registrations, effects, GUEST, vcpus=2, **options).run()


def actions_of(ran: Ran) -> set[str]:
    """Return the names of all actions."""
    effects = [ran.code.log[index] for index in range(len(ran.code.log))]
    return {action.name for effect in effects for call in effect.calls for action in call.actions}


def test_each_thing_is_done_again(tmp_path: Path) -> None:
    done = set[str]()
    for first in range(0, len(THINGS), len(KINDS)):
        things = THINGS[first : first + len(KINDS)]
        bodies = [[thing] for thing in things] + [[]] * (len(KINDS) - len(things))
        ran = live(tmp_path, module(bodies), GUEST, vcpus=2).run()
        done |= actions_of(ran)
        assert_same(ran, again(ran, tmp_path))
    assert done == set(METHODS) | {NEXT}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODIES, st.sampled_from([1, 2]), st.sampled_from([2, 3]))
def test_whatever_handlers_do_is_done_again(tmp_path: Path, bodies: list[list[str]], cpus: int, gic: int) -> None:
    ran = live(tmp_path, module(bodies), GUEST, vcpus=2, cpus=cpus, gic=gic).run()
    assert_same(ran, again(ran, tmp_path, cpus=cpus, gic=gic))


COUNTING = """
def called(vcpu): ...

@handler(EC.WFX)
def wfx(vcpu, exit):
    called(vcpu)
    vcpu.data["n"] = vcpu.data.get("n", 0) + 1
    print("n is", vcpu.data["n"])
    vcpu.skip_instruction()
"""
LOOP = "mov x1, #6\n1: wfi\n sub x1, x1, #1\n cbnz x1, 1b"


def counting(path: Path, calls: list[int]) -> Ran:
    """Return a guest that waits six times, under a handler that leaves a mark outside of its data when it is called."""
    ran = live(path, COUNTING, LOOP)
    ran.code.handlers.modules[0].called = lambda vcpu: calls.append(len(calls))  # type: ignore[attr-defined]
    ran.code = StudentCode(ran.code.handlers, dispatch)
    ran.guest.hypervisor.dispatch = ran.code.dispatch
    return ran


def test_what_lies_behind_is_done_again_without_calling_the_users_code(tmp_path: Path) -> None:
    calls = list[int]()
    ran = counting(tmp_path, calls)
    ran.guest.machine.run(8)
    middle, done = ran.state(), len(calls)
    assert 0 < done < 6
    del ran.guest.sink.events[:]
    ran.run()
    end, events = repr(ran.state()), repr(ran.guest.sink.events)
    assert len(calls) == 6
    ran.restore(middle).run()
    assert (repr(ran.state()), repr(ran.guest.sink.events), len(calls)) == (end, events, 6)


def test_from_the_end_of_the_log_on_the_users_code_runs(tmp_path: Path) -> None:
    calls = list[int]()
    ran = counting(tmp_path, calls)
    start = ran.state()
    ran.run()
    end = repr(ran.state())
    ran.code.log.truncate(4)
    ran.restore(start).run()
    assert (repr(ran.state()), len(calls), len(ran.code.log)) == (end, 6 + 2, 6)


def test_another_past_is_noticed_and_the_users_code_runs(tmp_path: Path) -> None:
    calls = list[int]()
    ran = counting(tmp_path, calls)
    start = ran.state()
    ran.run()
    ran.restore(start)
    ran.guest.vcpu().set_x(9, 77)
    ran.run()
    assert (len(calls), len(ran.code.log), ran.code.log[0].n) == (12, 6, ran.guest.events(HandlerEffect)[0].n)


def test_a_branch_begins_where_the_log_is_cut(tmp_path: Path) -> None:
    calls = list[int]()
    ran = counting(tmp_path, calls)
    ran.guest.machine.run(8)
    middle, done = ran.state(), len(calls)
    kept = ran.code.log.until(done)
    ran.run()
    ran.restore(middle).code.log = kept
    ran.run()
    assert (len(calls), len(kept)) == (6 + 6 - done, 6)


def test_a_replay_ends_where_its_recording_does(tmp_path: Path) -> None:
    ran = counting(tmp_path, [])
    ran.run()
    registrations, effects = ran.recording()
    cut = replayed(registrations, effects[:3], LOOP).run()
    assert "the recording ends here" in str(cut.end) and len(cut.guest.events(HandlerEffect)) == 3
    with pytest.raises(RecordingEnds):
        cut.guest.run()


def test_events_tell_what_was_done(tmp_path: Path) -> None:
    source = """
@hypercall(0xC6000001)
def add(vcpu, call):
    vcpu.set_x(3, 0x12345)
    vcpu.vm.write_ipa(0x40100000, b"ab")
    try:
        vcpu.read_va(0xF00000, 4)
    except GuestMemoryError:
        print("no")
    return call.args[0] + call.args[1]
"""
    ran = live(tmp_path, source, "ldr x0, =0xC6000001\n mov x1, #40\n mov x2, #2\n hvc #0").run()
    (event,) = ran.guest.events(HandlerEffect)
    assert (event.index, event.handler, event.place) == (0, "@hypercall(0xc6000001)", "h.py:3")
    assert event.actions == ["set_x(3, 0x12345)", "vm.write_ipa(0x40100000, b'ab')", "read_va(0xf00000, 4), raised"]
    assert (event.answer, event.failure) == (42, None)
    (output,) = ran.guest.events(HandlerOutput)
    assert (output.text, output.file, output.line) == ("no", "h.py", 10)


def test_positions_count_the_effect_whether_anybody_listens_or_not(tmp_path: Path) -> None:
    heard = counting(tmp_path, []).run()
    unheard = counting(tmp_path, [])
    for core in unheard.guest.machine.cpus.cores:
        core.listen(NullSink())
    unheard.run()
    assert repr(heard.state()) == repr(unheard.state())
    taken = [(e.n, e.seq) for e in heard.guest.sink.events if isinstance(e, ExceptionTaken | HandlerEffect)]
    assert len(set(taken)) == len(taken)


def test_the_lines_that_ran_and_the_variables_are_kept(tmp_path: Path) -> None:
    source = """
def helper(n):
    return n + 1

@handler(EC.WFX)
def wfx(vcpu, exit):
    total, names = 0, {"b", "a"}
    for n in range(3):
        total = helper(total)
    if total == 7:
        total = 9
    thing = vcpu
    vcpu.skip_instruction()
"""
    effect = live(tmp_path, source, "wfi").run().code.log[0]
    (call,) = effect.calls
    assert call.lines == {"h.py": [8, 9, 10, 4, 11, 13, 14]}
    assert call.locals == {"total": "3", "names": "{'a', 'b'}", "n": "2", "thing": "a Vcpu"}
