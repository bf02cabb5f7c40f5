"""What the Python hypervisor reports: Linux's KVM tracepoints for arm64, and a few event types of our own.

Read `events.py` before this file; `hypervisor/` emits what is declared here, `explain/kvm_lines.py` prints it as Linux
does. A type named `Kvm...` or `Vgic...` is a tracepoint of Linux 6.1 of that name in snake case, with Linux's fields by
Linux's names; KVM's own calls show where each is emitted. The others have no tracepoint there, and say so.
Where Linux stores a number for a symbol (`ret`, `type`) the field here holds the symbol.

Ref: Linux 6.1, arch/arm64/kvm/trace_arm.h, trace_handle_exit.h, vgic/trace.h and include/trace/events/kvm.h.
"""

from __future__ import annotations

from typing import Literal

from arm_hyp.events import Event, MachineEvent

ExitKind = Literal["IRQ", "SERROR", "TRAP", "ILLEGAL"]
"""kvm_arm_exception_type: why the guest was left. KVM counts an FIQ as IRQ."""

MmioKind = Literal["read", "write", "unsatisfied-read"]
"""kvm_trace_symbol_mmio. A read is unsatisfied until its device has answered."""

IrqLineKind = Literal["CPU", "SPI", "PPI"]
"""KVM_ARM_IRQ_TYPE_*: what kind of input of the vGIC a line is."""

Stage2Operation = Literal["map", "unmap", "protect", "split", "collapse", "cow", "share"]


class VmEvent(Event, frozen=True):
    """What every event of a VM says: its name, its vCPU (None: of the VM as a whole), and virtual time in ns."""

    vm: str
    vcpu: int | None
    time_ns: int


# --- entry, exit and what the exits were ------------------------------------------------------------------------------


class KvmEntry(VmEvent, frozen=True, tag="kvm_entry"):
    """The vCPU is about to run the guest from `vcpu_pc`."""

    vcpu_pc: int


class KvmExit(VmEvent, frozen=True, tag="kvm_exit"):
    """The guest was left at `vcpu_pc`. `esr_ec` is 0 if it was no trap; `esr`, the whole ESR_EL2, is our addition."""

    ret: ExitKind
    esr_ec: int
    vcpu_pc: int
    esr: int


class KvmGuestFault(VmEvent, frozen=True, tag="kvm_guest_fault"):
    """A stage-2 fault is to be handled: `hsr` is ESR_EL2, `hxfar` FAR_EL2, `ipa` the page as HPFAR_EL2 tells it."""

    vcpu_pc: int
    hsr: int
    hxfar: int
    ipa: int


class KvmAccessFault(VmEvent, frozen=True, tag="kvm_access_fault"):
    """A stage-2 access flag fault is to be handled."""

    ipa: int


class KvmWfxArm64(VmEvent, frozen=True, tag="kvm_wfx_arm64"):
    """The guest executed WFI or WFE."""

    vcpu_pc: int
    is_wfe: bool


class KvmHvcArm64(VmEvent, frozen=True, tag="kvm_hvc_arm64"):
    """The guest executed HVC; `r0` is its X0. PC is that of the instruction after it."""

    vcpu_pc: int
    r0: int
    imm: int


class KvmHandleSysReg(VmEvent, frozen=True, tag="kvm_handle_sys_reg"):
    """The access of a system register trapped; `hsr` is ESR_EL2."""

    hsr: int


class KvmSysAccess(VmEvent, frozen=True, tag="kvm_sys_access"):
    """A trapped access found its row in the table of system registers."""

    vcpu_pc: int
    is_write: bool
    name: str
    Op0: int
    Op1: int
    CRn: int
    CRm: int
    Op2: int


class KvmSetWayFlush(VmEvent, frozen=True, tag="kvm_set_way_flush"):
    """The guest cleaned or invalidated caches by set and way; `cache`: whether its caches are on."""

    vcpu_pc: int
    cache: bool


class KvmToggleCache(VmEvent, frozen=True, tag="kvm_toggle_cache"):
    """The guest wrote a trapped register of its MMU; whether its caches were on, and are now."""

    vcpu_pc: int
    was: bool
    now: bool


class KvmMmio(VmEvent, frozen=True, tag="kvm_mmio"):
    """A device of the VM is accessed: `len` in bytes, `gpa` an IPA. `val` is 0 for an unsatisfied read."""

    type: MmioKind
    len: int
    gpa: int
    val: int


class KvmMmioEmulate(VmEvent, frozen=True, tag="kvm_mmio_emulate"):
    """An access without valid ISS: its instruction `instr` was fetched and is emulated; `cpsr` is PSTATE.

    KVM declares this tracepoint, but stopped to emulate such instructions; this hypervisor does emulate them.
    """

    vcpu_pc: int
    instr: int
    cpsr: int


class KvmMmioNisv(VmEvent, frozen=True, tag="kvm_mmio_nisv"):
    """An access without valid ISS that cannot be emulated; `reason`, in words, is our addition."""

    vcpu_pc: int
    esr: int
    far: int
    ipa: int
    reason: str = ""


# --- interrupts and timers --------------------------------------------------------------------------------------------


class KvmIrqLine(VmEvent, frozen=True, tag="kvm_irq_line"):
    """A device of the VM moved its line into the vGIC. `irq_num` is the INTID; `vcpu_idx` is 0 for an SPI."""

    type: IrqLineKind
    vcpu_idx: int
    irq_num: int
    level: bool


class VgicUpdateIrqPending(VmEvent, frozen=True, tag="vgic_update_irq_pending"):
    """The vGIC learns a new level of INTID `irq`; `vcpu_id` is the vCPU that it is for."""

    vcpu_id: int
    irq: int
    level: bool


class KvmTimerUpdateIrq(VmEvent, frozen=True, tag="kvm_timer_update_irq"):
    """A timer of the vCPU changed its output: INTID `irq`."""

    vcpu_id: int
    irq: int
    level: bool


class KvmTimerSaveState(VmEvent, frozen=True, tag="kvm_timer_save_state"):
    """A timer was taken off the CPU. `timer_idx`: 0 is the virtual timer, 1 the physical timer (TIMER_VTIMER, ...)."""

    ctl: int
    cval: int
    timer_idx: int


class KvmTimerRestoreState(VmEvent, frozen=True, tag="kvm_timer_restore_state"):
    """A timer was put on the CPU. Fields as those of `KvmTimerSaveState`."""

    ctl: int
    cval: int
    timer_idx: int


class KvmTimerHrtimerExpire(VmEvent, frozen=True, tag="kvm_timer_hrtimer_expire"):
    """The soft deadline of a timer that is not on a CPU passed."""

    timer_idx: int


class KvmTimerEmulate(VmEvent, frozen=True, tag="kvm_timer_emulate"):
    """A timer that is emulated was looked at."""

    timer_idx: int
    should_fire: bool


# --- vCPUs, their scheduling, and the VM ------------------------------------------------------------------------------


class VcpuBlocked(VmEvent, frozen=True, tag="vcpu_blocked"):
    """The vCPU waits for an event and gives its CPU away. Not in Linux."""

    reason: str


class KvmVcpuWakeup(VmEvent, frozen=True, tag="kvm_vcpu_wakeup"):
    """The vCPU that was blocked for `ns` of virtual time can run again.

    Simplified: KVM may poll before it blocks. Here a vCPU always waits: `waited` and `valid` are true.
    """

    ns: int
    waited: bool = True
    valid: bool = True


class VcpuRunning(VmEvent, frozen=True, tag="vcpu_running"):
    """The scheduler put the vCPU on CPU `cpu`. It had been ready for `waited_ns`: steal time. Linux: sched_switch."""

    waited_ns: int


class VcpuPreempted(VmEvent, frozen=True, tag="vcpu_preempted"):
    """The scheduler took a vCPU that could run off CPU `cpu`, after `ran_ns` on it. Linux: sched_switch."""

    reason: str
    ran_ns: int


class Stage2Changed(VmEvent, frozen=True, tag="stage2_changed"):
    """The VM's stage-2 tables changed for `size_bytes` from `ipa` on; `pa`: None if none is mapped. Not in Linux."""

    operation: Stage2Operation
    ipa: int
    pa: int | None
    size_bytes: int


class GuestCall(VmEvent, frozen=True, tag="guest_call"):
    """An HVC or SMC of the guest was answered: `arguments` are X1 to X3, `result` X0, None if it does not return.

    Not in Linux.
    """

    conduit: str
    function: int
    name: str
    arguments: tuple[int, int, int]
    result: int | None


class GuestUndefined(VmEvent, frozen=True, tag="guest_undefined"):
    """What the guest did at `vcpu_pc` is UNDEFINED for it: `what`, and `reason` in words. Not in Linux."""

    vcpu_pc: int
    what: str
    reason: str


class HandlerOutput(VmEvent, frozen=True, tag="handler_output"):
    """A user's handler printed `text` at `line` of `file`. Not in Linux."""

    text: str
    file: str
    line: int


class HandlerEffect(VmEvent, frozen=True, tag="handler_effect"):
    """A user's handler, in words its decorator and its place, handled an exit: it did `actions`, and gave `answer`.

    `index` counts the exits that the user's code saw; `failure` is what went wrong, None if nothing did. Numbered:
    `seq` counts it. Not in Linux.
    """

    index: int
    handler: str
    place: str
    actions: list[str]
    answer: int | None
    failure: str | None


class VmEnded(VmEvent, frozen=True, tag="vm_ended"):
    """The VM will run no more: `reason` is one word, `text` says it in words. Not in Linux."""

    reason: str
    text: str


AnyEvent = (
    MachineEvent
    | KvmEntry
    | KvmExit
    | KvmGuestFault
    | KvmAccessFault
    | KvmWfxArm64
    | KvmHvcArm64
    | KvmHandleSysReg
    | KvmSysAccess
    | KvmSetWayFlush
    | KvmToggleCache
    | KvmMmio
    | KvmMmioEmulate
    | KvmMmioNisv
    | KvmIrqLine
    | VgicUpdateIrqPending
    | KvmTimerUpdateIrq
    | KvmTimerSaveState
    | KvmTimerRestoreState
    | KvmTimerHrtimerExpire
    | KvmTimerEmulate
    | VcpuBlocked
    | KvmVcpuWakeup
    | VcpuRunning
    | VcpuPreempted
    | Stage2Changed
    | GuestCall
    | GuestUndefined
    | HandlerOutput
    | HandlerEffect
    | VmEnded
)
"""Every event type: what a JSON Lines trace decodes to."""
