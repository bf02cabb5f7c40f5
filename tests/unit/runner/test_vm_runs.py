"""The Runner with a hypervisor: every message, several VMs, and a snapshot from which the run goes on alike."""

import pytest
from runner_support import LIMIT

from arm_hyp.errors import UserError
from arm_hyp.runner.configuration import Configuration, VirtualMachine
from arm_hyp.runner.runner import Edit, Read, Restore, Run, Runner, Snapshot, Step, Type

OFF = " ldr x0, =0x84000008\n hvc #0\n"
TELL = """
    ldr x1, =0x09000000
    str w7, [x1]
    mrs x2, mpidr_el1
    and x2, x2, #0xff
    add w2, w2, #'0'
    str w2, [x1]
    mrs x2, CurrentEL
    lsr x2, x2, #2
    add w2, w2, #'0'
    str w2, [x1]
"""
ECHO = f"""
    mov  x19, #0x09000000
wait:
    mov  x9, #20000
pause:
    subs x9, x9, #1
    b.ne pause
    ldr  w0, [x19, #0x18]       // UARTFR.RXFE
    tbnz w0, #4, wait
    ldr  w0, [x19]
    strb w0, [x19]
    cmp  w0, #'.'
    b.ne wait
{OFF}
"""


def guest(path, source, **options):
    file = path / f"guest{len(list(path.iterdir()))}.s"
    file.write_text(source)
    return VirtualMachine(image=str(file), memory_bytes=2 << 20, **options)


def vms(*machines, output=None, **options):
    return Runner(Configuration(hypervisor="", vms=machines, **options), output=output)


def small(path, source, **options):
    return guest(path, source, **{"name": "a", "load_address": 0x4010_0000} | options)


def test_an_image_runs_at_el1_as_a_vm(tmp_path):
    made = small(tmp_path, TELL + OFF)
    run = Runner(
        Configuration(
            image=made.image, hypervisor="", memory_bytes=2 << 20, load_address=0x4010_0000, settings=("X7=65",)
        )
    )
    answer = run.send(Run(LIMIT))
    assert (answer["status"], answer["reason"], bytes(run.machine.console)) == (0, "guest", b"A01")
    assert run.symbols == run.plans[0].symbols


def test_each_vm_has_its_console_settings_and_memory(tmp_path):
    heard = []
    run = vms(
        small(tmp_path, TELL + OFF, settings=("X7=65",)),
        small(tmp_path, TELL + OFF, name="b", settings=("x7=0x42",)),
        output=lambda vm, data: heard.append((vm, data)),
    )
    assert run.send(Run(LIMIT))["status"] == 0
    assert list(map(bytes, run.consoles)) == [b"A01", b"B01"]
    assert sorted(heard) == sorted([(0, b"A"), (0, b"0"), (0, b"1"), (1, b"B"), (1, b"0"), (1, b"1")])
    assert sorted(run.machine.console) == sorted(b"A01B01")
    assert not run.symbols.symbols, "the addresses of one VM say nothing of those of the other"


def test_read_and_edit_reach_the_vm_that_is_meant(tmp_path):
    run = vms(small(tmp_path, TELL + OFF), small(tmp_path, ECHO, name="b"))
    codes = [run.send(Read(0x4010_0000, 16, vm=index)) for index in (0, 1)]
    assert codes == [next(one.data for one in plan.segments if one.address == 0x4010_0000)[:16] for plan in run.plans]
    run.send(Edit(("X7=0x43", "HCR_EL2.TWE=0", "SP=0x40180000"), vm=1))
    first, second = (vm.vcpus[0] for vm in run.hypervisor.vms)
    assert (second.read("X7"), second.read("SP_EL1")) == (0x43, 0x4018_0000)
    assert first.read("HCR_EL2") ^ second.read("HCR_EL2") == 1 << 14
    for wrong in ("X31=1", "NOSUCH_EL1=1", "HCR_EL2.NOSUCH=1", "HCR_EL2.TWE=2"):
        with pytest.raises(UserError, match=f"--set {wrong}"):
            run.send(Edit((wrong,)))
    with pytest.raises(ValueError, match="there is no VM 2"):
        run.send(Read(0, 1, vm=2))


def test_what_is_typed_goes_to_one_vm(tmp_path):
    (tmp_path / "typed").write_bytes(b"no")
    first = small(tmp_path, ECHO, input=str(tmp_path / "typed"))
    run = vms(first, small(tmp_path, ECHO, name="b"))
    run.send(Type(b"yes.", vm=1))
    run.send(Type(b"t.", vm=0))
    assert run.send(Run(LIMIT))["status"] == 0
    assert list(map(bytes, run.consoles)) == [b"not.", b"yes."]


def test_until_looks_at_each_console(tmp_path):
    run = vms(
        small(tmp_path, TELL + "b .\n", settings=("X7=65",)), small(tmp_path, TELL + OFF, name="b", settings=("X7=66",))
    )
    answer = run.send(Run(LIMIT, until="B01"))
    assert (answer["status"], answer["text"]) == (0, "the console shows 'B01'")
    answer = run.send(Run(answer["n"] + 100, until="01"))
    assert answer["status"] == 1 and "never showed" in answer["text"], "what was shown before does not count"


def test_a_snapshot_goes_on_alike_in_another_runner(tmp_path):
    machines = small(tmp_path, ECHO), small(tmp_path, TELL + ECHO, name="b", settings=("X7=66",))
    one, other = vms(*machines, gic=3), vms(*machines, gic=3)
    for vm, text in enumerate((b"ab.", b"cd.")):
        one.send(Type(text, vm=vm))
    assert not one.send(Step(70_001))["ended"]
    state = one.send(Snapshot())
    assert state.keys() == {"machine", "hypervisor"}
    other.send(Restore(state))
    assert [each.send(Run(LIMIT))["status"] for each in (one, other)] == [0, 0]
    assert list(map(bytes, other.consoles)) == list(map(bytes, one.consoles)) == [b"ab.", b"B01cd."]
    assert other.machine.retired == one.machine.retired
    assert other.send(Read()) == one.send(Read())


HANDLERS = """
from arm_hyp.hypervisor import hypercall

calls = 0

@hypercall(0xC600_0001)
def answer(vcpu, call):
    global calls
    calls += 1
    return 0x40 + calls if call.args[0] else 1 / 0
"""
CALL = """
    ldr x1, =0x09000000
    mov x20, x1
    mov w3, #%s
next:
    mov x1, x3
    ldr x0, =0xC6000001
    hvc #0
    str w0, [x20]
    subs w3, w3, #1
    b.%s next
"""


def test_a_users_handlers_are_called_and_their_state_comes_back(tmp_path):
    (tmp_path / "handlers.py").write_text(HANDLERS)
    vm = small(tmp_path, CALL % (3, "ne") + OFF)
    made = Configuration(hypervisor=str(tmp_path / "handlers.py"), vms=(vm,))
    run, again = Runner(made), Runner(made)
    run.send(Step(10))
    again.send(Restore(run.send(Snapshot())))
    for each in (run, again):
        assert each.send(Run(LIMIT))["status"] == 0
        assert bytes(each.consoles[0]) == b"ABC"


def test_a_failure_of_a_handler_ends_the_run_and_is_told(tmp_path):
    (tmp_path / "handlers.py").write_text(HANDLERS)
    vm = small(tmp_path, CALL % (1, "pl") + OFF)
    run = Runner(Configuration(hypervisor=str(tmp_path / "handlers.py"), vms=(vm,)))
    answer = run.send(Run(LIMIT))
    assert (answer["status"], answer["reason"], bytes(run.consoles[0])) == (1, "handler", b"A")
    assert f"{tmp_path}/handlers.py:10: in answer" in answer["text"] and "ZeroDivisionError" in answer["text"]
    assert run.hypervisor.vms[0].vcpus[0].x(0) == 0xC600_0001, "the state before the exit can be looked at"


def test_handlers_that_are_not_there_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.py"):
        Runner(Configuration(hypervisor="nowhere.py", vms=(small(tmp_path, OFF),)))
