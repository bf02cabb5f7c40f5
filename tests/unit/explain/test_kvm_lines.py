"""KVM's events as Linux prints them, each with its exact text; and every event of a VM as a line in words."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from arm_hyp import kvm_events
from arm_hyp.arch.syndromes import EC
from arm_hyp.events import MachineEvent
from arm_hyp.explain.kvm_lines import EXCEPTION_CLASSES, TRACEPOINTS, KvmLines, exit_name, task, text, tracepoint
from arm_hyp.explain.trace_lines import line
from arm_hyp.kvm_events import AnyEvent, KvmEntry, KvmExit, VmEvent

PLACE = {"n": 12, "seq": 2, "cpu": 1, "el": 1, "pc": 0x4008_0030, "vm": "vm0", "vcpu": 3, "time_ns": 2_000_012_600}
PC = {"vcpu_pc": 0x4008_0030}

TEXTS: tuple[tuple[VmEvent, str], ...] = (
    (KvmEntry(**PLACE, **PC), "PC: 0x0000000040080030"),
    (
        KvmExit(**PLACE, **PC, ret="TRAP", esr_ec=0x24, esr=0x9383_0046),
        "TRAP: HSR_EC: 0x0024 (DABT_LOW), PC: 0x0000000040080030",
    ),
    (KvmExit(**PLACE, **PC, ret="IRQ", esr_ec=0, esr=0), "IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x0000000040080030"),
    (KvmExit(**PLACE, **PC, ret="TRAP", esr_ec=0x0E, esr=0), "TRAP: HSR_EC: 0x000e (0xe), PC: 0x0000000040080030"),
    (
        kvm_events.KvmGuestFault(**PLACE, **PC, hsr=0x9383_0046, hxfar=0x0900_0018, ipa=0x900_0000),
        "ipa 0x9000000, hsr 0x93830046, hxfar 0x9000018, pc 0x00000040080030",
    ),
    (
        kvm_events.KvmGuestFault(**PLACE, **PC, hsr=0x8200_0006, hxfar=0, ipa=0),
        "ipa 0x0, hsr 0x82000006, hxfar 0x000000, pc 0x00000040080030",
    ),
    (kvm_events.KvmAccessFault(**PLACE, ipa=0x4000_1000), "IPA: 40001000"),
    (kvm_events.KvmWfxArm64(**PLACE, **PC, is_wfe=False), "guest executed wfi at: 0x0000000040080030"),
    (kvm_events.KvmWfxArm64(**PLACE, **PC, is_wfe=True), "guest executed wfe at: 0x0000000040080030"),
    (
        kvm_events.KvmHvcArm64(**PLACE, **PC, r0=0x8400_0008, imm=0),
        "HVC at 0x0000000040080030 (r0: 0x0000000084000008, imm: 0x0)",
    ),
    (kvm_events.KvmHandleSysReg(**PLACE, hsr=0x6234_0EF0), "HSR 0x62340ef0"),
    (
        kvm_events.KvmSysAccess(
            **PLACE, **PC, is_write=True, name="ICC_SGI1R_EL1", Op0=3, Op1=0, CRn=12, CRm=11, Op2=5
        ),
        "PC: 40080030 ICC_SGI1R_EL1 (3,0,12,11,5) write",
    ),
    (
        kvm_events.KvmSysAccess(**PLACE, **PC, is_write=False, name="MIDR_EL1", Op0=3, Op1=0, CRn=0, CRm=0, Op2=0),
        "PC: 40080030 MIDR_EL1 (3,0,0,0,0) read",
    ),
    (kvm_events.KvmSetWayFlush(**PLACE, **PC, cache=True), "S/W flush at 0x0000000040080030 (cache on)"),
    (
        kvm_events.KvmToggleCache(**PLACE, **PC, was=False, now=True),
        "VM op at 0x0000000040080030 (cache was off, now on)",
    ),
    (
        kvm_events.KvmMmio(**PLACE, type="write", len=1, gpa=0x900_0000, val=0x41),
        "mmio write len 1 gpa 0x9000000 val 0x41",
    ),
    (
        kvm_events.KvmMmio(**PLACE, type="unsatisfied-read", len=4, gpa=0x900_0018, val=0),
        "mmio unsatisfied-read len 4 gpa 0x9000018 val 0x0",
    ),
    (
        kvm_events.KvmMmioEmulate(**PLACE, **PC, instr=0x2900_0440, cpsr=0x3C5),
        "Emulate MMIO at: 0x0000000040080030 (instr: 29000440, cpsr: 000003c5)",
    ),
    (
        kvm_events.KvmMmioNisv(**PLACE, **PC, esr=0x9200_0045, far=0x800_0420, ipa=0x800_0000),
        "ipa 0x00000008000000, esr 0x00000092000045, far 0x00000008000420, pc 0x00000040080030",
    ),
    (
        kvm_events.KvmIrqLine(**PLACE, type="SPI", vcpu_idx=0, irq_num=33, level=True),
        "Inject VGIC SPI interrupt (1), vcpu->idx: 0, num: 33, level: 1",
    ),
    (
        kvm_events.KvmIrqLine(**PLACE, type="PPI", vcpu_idx=3, irq_num=27, level=False),
        "Inject VGIC PPI interrupt (2), vcpu->idx: 3, num: 27, level: 0",
    ),
    (
        kvm_events.KvmIrqLine(**PLACE, type="CPU", vcpu_idx=1, irq_num=0, level=True),
        "Inject CPU interrupt (0), vcpu->idx: 1, num: 0, level: 1",
    ),
    (kvm_events.VgicUpdateIrqPending(**PLACE, vcpu_id=1, irq=33, level=True), "VCPU: 1, IRQ 33, level: 1"),
    (kvm_events.KvmTimerUpdateIrq(**PLACE, vcpu_id=1, irq=27, level=False), "VCPU: 1, IRQ 27, level 0"),
    (
        kvm_events.KvmTimerSaveState(**PLACE, ctl=5, cval=0x1234, timer_idx=0),
        "   CTL: 0x000005 CVAL:           0x1234 arch_timer_ctx_index: 0",
    ),
    (
        kvm_events.KvmTimerRestoreState(**PLACE, ctl=0, cval=0, timer_idx=1),
        "CTL: 0x000000 CVAL:              0x0 arch_timer_ctx_index: 1",
    ),
    (kvm_events.KvmTimerHrtimerExpire(**PLACE, timer_idx=0), "arch_timer_ctx_index: 0"),
    (kvm_events.KvmTimerEmulate(**PLACE, timer_idx=1, should_fire=True), "arch_timer_ctx_index: 1 (should_fire: 1)"),
    (kvm_events.KvmVcpuWakeup(**PLACE, ns=16000), "wait time 16000 ns, polling valid"),
    (kvm_events.KvmVcpuWakeup(**PLACE, ns=1, waited=False, valid=False), "poll time 1 ns, polling invalid"),
)

OWN: tuple[tuple[VmEvent, str], ...] = (
    (kvm_events.VcpuBlocked(**PLACE, reason="WFI"), "vm0/vcpu3 blocks        ->  WFI"),
    (kvm_events.VcpuRunning(**PLACE, waited_ns=12_345), "vm0/vcpu3 runs          ->  was ready for 12,345 ns"),
    (
        kvm_events.VcpuPreempted(**PLACE, reason="end of slice", ran_ns=5_000),
        "vm0/vcpu3 is preempted  ->  end of slice, ran 5,000 ns",
    ),
    (
        kvm_events.Stage2Changed(
            **(PLACE | {"vcpu": None}), operation="map", ipa=0x4000_0000, pa=0x8000_0000, size_bytes=0x20_0000
        ),
        "vm0 stage 2 map         ->  IPA 0x40000000, 0x200000 bytes  PA 0x80000000",
    ),
    (
        kvm_events.Stage2Changed(**PLACE, operation="unmap", ipa=0x4000_0000, pa=None, size_bytes=0x1000),
        "vm0/vcpu3 stage 2 unmap ->  IPA 0x40000000, 0x1000 bytes",
    ),
    (
        kvm_events.GuestCall(
            **PLACE, conduit="hvc", function=0xC400_0003, name="CPU_ON", arguments=(1, 0x4008_0000, 0), result=0
        ),
        "vm0/vcpu3 calls by hvc  ->  CPU_ON(0x1, 0x40080000, 0x0)  returns 0x0",
    ),
    (
        kvm_events.GuestCall(
            **PLACE, conduit="smc", function=0x8600_1234, name="unknown", arguments=(0, 0, 0), result=None
        ),
        "vm0/vcpu3 calls by smc  ->  0x86001234(0x0, 0x0, 0x0)",
    ),
    (
        kvm_events.GuestUndefined(**PLACE, **PC, what="read of PMCR_EL0", reason="the VM has no PMU"),
        "vm0/vcpu3 read of PMCR_EL0 is UNDEFINED at 0x40080030 ->  the VM has no PMU",
    ),
    (
        kvm_events.HandlerOutput(**PLACE, text="hello\n", file="my.py", line=7),
        r'vm0/vcpu3 handler prints "hello\n" ->  my.py:7',
    ),
    (
        kvm_events.HandlerEffect(
            **PLACE,
            index=3,
            handler="@hypercall(0xc6000001)",
            place="my.py:7",
            actions=["set_x(3, 5)", "read_va(0xf00000, 4), raised"],
            answer=42,
            failure=None,
        ),
        "vm0/vcpu3 @hypercall(0xc6000001) at my.py:7 ->  set_x(3, 5); read_va(0xf00000, 4), raised  answers 0x2a",
    ),
    (
        kvm_events.HandlerEffect(
            **PLACE, index=0, handler="@handler(EC.WFX)", place="my.py:1", actions=[], answer=None, failure="no"
        ),
        "vm0/vcpu3 @handler(EC.WFX) at my.py:1 ->  fails: no",
    ),
    (kvm_events.VmEnded(**PLACE, reason="off", text="PSCI SYSTEM_OFF"), "vm0 ends (off): PSCI SYSTEM_OFF"),
)


@pytest.mark.parametrize(("event", "printed"), TEXTS, ids=lambda one: type(one).__name__)
def test_the_text_of_each_tracepoint(event: VmEvent, printed: str) -> None:
    assert text(event) == printed
    assert line(event).endswith(f"->  {printed.strip()}") and tracepoint(event) in line(event)


@pytest.mark.parametrize(("event", "printed"), OWN, ids=lambda one: type(one).__name__)
def test_the_words_of_what_kvm_does_not_have(event: VmEvent, printed: str) -> None:
    assert line(event) == f"      12.2  cpu1 EL1              {printed}"
    with pytest.raises(KeyError):
        text(event)


def test_every_event_type_of_a_vm_is_here() -> None:
    every = set(get_args(AnyEvent)) - set(get_args(MachineEvent))
    assert every == set(VmEvent.__subclasses__())
    assert {type(event) for event, _ in (*TEXTS, *OWN)} == every
    assert {type(event) for event, _ in TEXTS} == TRACEPOINTS


@pytest.mark.parametrize("event", [event for event, _ in (*TEXTS, *OWN)], ids=lambda one: type(one).__name__)
def test_an_event_comes_back_from_json(event: VmEvent) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=AnyEvent) == event


def test_lines_have_a_task_a_cpu_and_virtual_time_in_us() -> None:
    lines, changed = KvmLines(), msgspec.structs.replace
    entry = TEXTS[0][0]
    body = "kvm_entry: PC: 0x0000000040080030"
    assert lines.line(entry) == f"       vm0/vcpu3-1       [001] .....     2.000013: {body}"
    whole = lines.line(changed(entry, vcpu=None, time_ns=499))
    assert whole == f"             vm0-2       [001] .....     0.000000: {body}"
    long = lines.line(changed(entry, vm="a-virtual-machine", cpu=0, time_ns=999_999_500))
    assert long == f"a-virtual-machine/vcpu3-3       [000] .....     1.000000: {body}"
    assert "vm0/vcpu3-1 " in lines.line(entry)


def test_exits_are_named_as_perf_names_them() -> None:
    changed, trap = msgspec.structs.replace, TEXTS[1][0]
    names = [exit_name(changed(trap, esr_ec=ec)) for ec in (0x01, 0x16, 0x17, 0x18, 0x20, 0x24, 0x0E)]
    assert names == ["WFx", "HVC64", "SMC64", "SYS64", "IABT_LOW", "DABT_LOW", "illegal execution state"]
    assert [exit_name(changed(trap, ret=ret, esr_ec=0)) for ret in ("IRQ", "SERROR")] == ["IRQ", "SERROR"]
    assert set(EXCEPTION_CLASSES) <= set(EC)


def test_an_event_of_the_whole_vm_has_the_vm_as_task() -> None:
    assert task(msgspec.structs.replace(TEXTS[0][0], vcpu=None)) == "vm0"
