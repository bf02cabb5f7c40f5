"""KVM's events as Linux prints them: ftrace's `trace` file, with the tracepoints' own formats.

Read `kvm_events.py` before this file, `trace_lines.py` (all events, in our words) after it. A line reads as on a host
that ran `trace-cmd start -e kvm`: task and its number, CPU, flags, time in seconds, tracepoint, text:

        vm0/vcpu0-1       [000] .....     0.000012: kvm_wfx_arm64: guest executed wfi at: 0x0000000040080030

The task is a vCPU's thread, the time is virtual time. Events that KVM does not have are left out.

Simplified: task numbers are given in the order of first appearance, as there are no PIDs; the flags (interrupts off,
preemption depth, ...) are those of a host kernel, which is not there: always dots.

Ref: Linux 6.1, kernel/trace/trace_output.c (trace_print_context); for the formats see `kvm_events.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from arm_hyp.arch.syndromes import EC, ec_name
from arm_hyp.kvm_events import (
    KvmAccessFault,
    KvmEntry,
    KvmExit,
    KvmGuestFault,
    KvmHandleSysReg,
    KvmHvcArm64,
    KvmIrqLine,
    KvmMmio,
    KvmMmioEmulate,
    KvmMmioNisv,
    KvmSetWayFlush,
    KvmSysAccess,
    KvmTimerEmulate,
    KvmTimerHrtimerExpire,
    KvmTimerRestoreState,
    KvmTimerSaveState,
    KvmTimerUpdateIrq,
    KvmToggleCache,
    KvmVcpuWakeup,
    KvmWfxArm64,
    VgicUpdateIrqPending,
    VmEvent,
)

HEADER: Final = """\
# tracer: nop
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
"""
"""The first lines of the file. Simplified: without the number of entries, which nobody knows while they come."""

_LINE: Final = "%16s-%-7d [%03d] ..... %5d.%06d: %s: %s"
_NS_PER_US: Final = 1000
_US_PER_S: Final = 1_000_000

EXCEPTION_CLASSES: Final[Mapping[int, str]] = {
    EC.UNKNOWN: "UNKNOWN",
    EC.WFX: "WFx",
    EC.CP15_MCR_MRC: "CP15_32",
    EC.CP15_MCRR_MRRC: "CP15_64",
    EC.CP14_MCR_MRC: "CP14_MR",
    EC.CP14_LDC_STC: "CP14_LS",
    EC.FP_ACCESS: "FP_ASIMD",
    EC.CP10_VMRS: "CP10_ID",
    EC.PAUTH: "PAC",
    EC.CP14_MRRC: "CP14_64",
    EC.SVC64: "SVC64",
    EC.HVC64: "HVC64",
    EC.SMC64: "SMC64",
    EC.SYSREG: "SYS64",
    EC.SVE: "SVE",
    EC.ERET: "ERET",
    EC.IMPDEF_EL3: "IMP_DEF",
    EC.INSTRUCTION_ABORT_LOWER: "IABT_LOW",
    EC.INSTRUCTION_ABORT_SAME: "IABT_CUR",
    EC.PC_ALIGNMENT: "PC_ALIGN",
    EC.DATA_ABORT_LOWER: "DABT_LOW",
    EC.DATA_ABORT_SAME: "DABT_CUR",
    EC.SP_ALIGNMENT: "SP_ALIGN",
    EC.FP_EXCEPTION32: "FP_EXC32",
    EC.FP_EXCEPTION64: "FP_EXC64",
    EC.SERROR: "SERROR",
    EC.BREAKPOINT_LOWER: "BREAKPT_LOW",
    EC.BREAKPOINT_SAME: "BREAKPT_CUR",
    EC.STEP_LOWER: "SOFTSTP_LOW",
    EC.STEP_SAME: "SOFTSTP_CUR",
    EC.WATCHPOINT_LOWER: "WATCHPT_LOW",
    EC.WATCHPOINT_SAME: "WATCHPT_CUR",
    EC.BKPT32: "BKPT32",
    EC.VECTOR_CATCH32: "VECTOR32",
    EC.BRK: "BRK64",
}
"""kvm_arm_exception_class: the exception classes by Linux's names."""

_ON: Final = {True: "on", False: "off"}
_IRQ_LINES: Final = {"CPU": ("CPU", 0), "SPI": ("VGIC SPI", 1), "PPI": ("VGIC PPI", 2)}


def exit_name(event: KvmExit) -> str:
    """Return the name of an exit as `perf kvm stat` has it; a class that Linux has no name for has Arm's."""
    return class_name(event.esr_ec) if event.ret == "TRAP" else event.ret


def class_name(ec: int) -> str:
    """Return an exception class by Linux's name, or by Arm's."""
    return EXCEPTION_CLASSES.get(ec) or ec_name(ec)


def task(event: VmEvent) -> str:
    """Return the name of the thread that an event happened in: `VM/vcpuN`, or the VM's."""
    return event.vm if event.vcpu is None else f"{event.vm}/vcpu{event.vcpu}"


def tracepoint(event: VmEvent) -> str:
    """Return the name of an event's tracepoint."""
    return str(type(event).__struct_config__.tag)


def text(event: VmEvent) -> str:
    """Return what a tracepoint prints. Raises: KeyError for an event type that KVM does not have."""
    format, values = _PRINTK[type(event)]
    return format % values(event)


class KvmLines:
    """Makes lines, and remembers which number each task has."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def line(self, event: VmEvent) -> str:
        """Return an event as one line, without a newline. Raises: KeyError for an event type that KVM does not have."""
        name = task(event)
        number = self._numbers.setdefault(name, len(self._numbers) + 1)
        seconds, us = divmod((event.time_ns + _NS_PER_US // 2) // _NS_PER_US, _US_PER_S)
        return _LINE % (name, number, event.cpu, seconds, us, tracepoint(event), text(event))


# --- the texts: Linux's formats, with names in place of the order of arguments ----------------------------------------


class _Printk(NamedTuple):
    """A format of the % operator, and the values for its names: the event's fields unless they need symbols."""

    format: str
    values: Callable[[Any], Mapping[str, object]] = msgspec.structs.asdict


def _exit(event: KvmExit) -> dict[str, object]:
    return msgspec.structs.asdict(event) | {"class": EXCEPTION_CLASSES.get(event.esr_ec, hex(event.esr_ec))}


def _wfx(event: KvmWfxArm64) -> dict[str, object]:
    return {"letter": "e" if event.is_wfe else "i", "vcpu_pc": event.vcpu_pc}


def _sys_access(event: KvmSysAccess) -> dict[str, object]:
    return msgspec.structs.asdict(event) | {"access": "write" if event.is_write else "read"}


def _set_way(event: KvmSetWayFlush) -> dict[str, object]:
    return {"vcpu_pc": event.vcpu_pc, "cache": _ON[event.cache]}


def _toggled(event: KvmToggleCache) -> dict[str, object]:
    return {"vcpu_pc": event.vcpu_pc, "was": _ON[event.was], "now": _ON[event.now]}


def _irq_line(event: KvmIrqLine) -> dict[str, object]:
    name, number = _IRQ_LINES[event.type]
    return msgspec.structs.asdict(event) | {"name": name, "number": number}


def _wakeup(event: KvmVcpuWakeup) -> dict[str, object]:
    valid, waited = "valid" if event.valid else "invalid", "wait" if event.waited else "poll"
    return {"waited": waited, "ns": event.ns, "valid": valid}


_TIMER: Final = "CTL: %(ctl)#08x CVAL: %(cval)#16x arch_timer_ctx_index: %(timer_idx)d"

_PRINTK: Final[dict[type[VmEvent], _Printk]] = {
    KvmEntry: _Printk("PC: 0x%(vcpu_pc)016x"),
    KvmExit: _Printk("%(ret)s: HSR_EC: 0x%(esr_ec)04x (%(class)s), PC: 0x%(vcpu_pc)016x", _exit),
    KvmGuestFault: _Printk("ipa %(ipa)#x, hsr %(hsr)#08x, hxfar %(hxfar)#08x, pc %(vcpu_pc)#016x"),
    KvmAccessFault: _Printk("IPA: %(ipa)x"),
    KvmWfxArm64: _Printk("guest executed wf%(letter)s at: 0x%(vcpu_pc)016x", _wfx),
    KvmHvcArm64: _Printk("HVC at 0x%(vcpu_pc)016x (r0: 0x%(r0)016x, imm: 0x%(imm)x)"),
    KvmHandleSysReg: _Printk("HSR 0x%(hsr)08x"),
    KvmSysAccess: _Printk("PC: %(vcpu_pc)x %(name)s (%(Op0)d,%(Op1)d,%(CRn)d,%(CRm)d,%(Op2)d) %(access)s", _sys_access),
    KvmSetWayFlush: _Printk("S/W flush at 0x%(vcpu_pc)016x (cache %(cache)s)", _set_way),
    KvmToggleCache: _Printk("VM op at 0x%(vcpu_pc)016x (cache was %(was)s, now %(now)s)", _toggled),
    KvmMmio: _Printk("mmio %(type)s len %(len)d gpa 0x%(gpa)x val 0x%(val)x"),
    KvmMmioEmulate: _Printk("Emulate MMIO at: 0x%(vcpu_pc)016x (instr: %(instr)08x, cpsr: %(cpsr)08x)"),
    KvmMmioNisv: _Printk("ipa %(ipa)#016x, esr %(esr)#016x, far %(far)#016x, pc %(vcpu_pc)#016x"),
    KvmIrqLine: _Printk(
        "Inject %(name)s interrupt (%(number)d), vcpu->idx: %(vcpu_idx)d, num: %(irq_num)d, level: %(level)d",
        _irq_line,
    ),
    VgicUpdateIrqPending: _Printk("VCPU: %(vcpu_id)d, IRQ %(irq)d, level: %(level)d"),
    KvmTimerUpdateIrq: _Printk("VCPU: %(vcpu_id)d, IRQ %(irq)d, level %(level)d"),
    KvmTimerSaveState: _Printk("   " + _TIMER),
    KvmTimerRestoreState: _Printk(_TIMER),
    KvmTimerHrtimerExpire: _Printk("arch_timer_ctx_index: %(timer_idx)d"),
    KvmTimerEmulate: _Printk("arch_timer_ctx_index: %(timer_idx)d (should_fire: %(should_fire)d)"),
    KvmVcpuWakeup: _Printk("%(waited)s time %(ns)d ns, polling %(valid)s", _wakeup),
}

TRACEPOINTS: Final = frozenset[type[VmEvent]](_PRINTK)
"""The event types that KVM has."""
