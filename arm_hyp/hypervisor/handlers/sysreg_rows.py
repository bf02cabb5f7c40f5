"""What a VM gets of each system register that traps, except the ID registers: rows by group, each with its reason.

Read `hypervisor/vcpu.py` before this file, `hypervisor/handlers/id_registers.py` and then
`hypervisor/handlers/sysregs.py` (which joins the rows into one table) after it.

A row with no `read` or no `write` makes that access UNDEFINED. That is the right answer wherever an ID register says
that the VM does not have the feature: software has been told.

Compare Linux: the access functions in `arch/arm64/kvm/sys_regs.c`.

Simplified: breakpoints and watchpoints of a vCPU keep what is written to them and never fire, because the core arms
them only when the guest executes the MSR itself. (KVM stops to trap once they are used.) Software step works. A
vCPU's OS lock keeps its state and disables nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from arm_hyp.arch import id_policy, sysregs
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.hypervisor.exits import SysregExit
from arm_hyp.hypervisor.vcpu import Vcpu
from arm_hyp.kvm_events import KvmSetWayFlush, KvmToggleCache

Read = Callable[[Vcpu, SysregExit], int]
Write = Callable[[Vcpu, SysregExit, int], None]


class Row(NamedTuple):
    """One register: its name, how it is read and written (None: UNDEFINED), and why so."""

    name: str
    read: Read | None
    write: Write | None
    reason: str

    @property
    def encoding(self) -> Encoding:
        """The encoding that the name stands for."""
        return sysregs.parse_name(self.name)


Rows = Iterator[Row]

# --- ways to answer ---------------------------------------------------------------------------------------------------


def read_zero(vcpu: Vcpu, exit: SysregExit) -> int:
    """Read as zero."""
    return 0


def ignore(vcpu: Vcpu, exit: SysregExit, value: int) -> None:
    """Ignore the write."""


def read_cpu(vcpu: Vcpu, exit: SysregExit) -> int:
    """Read what the physical CPU has."""
    assert vcpu.cpu is not None
    return vcpu.cpu.registers.read(exit.name)


def read_own(vcpu: Vcpu, exit: SysregExit) -> int:
    """Read the register of the vCPU, which is in the CPU now: as without the trap."""
    return vcpu.read(exit.name)


def write_own(vcpu: Vcpu, exit: SysregExit, value: int) -> None:
    """Write the register of the vCPU, which is in the CPU now: as without the trap."""
    vcpu.write(exit.name, value)


def undefined(names: str, reason: str) -> Rows:
    """Make rows of registers that the VM does not have."""
    return (Row(name, None, None, reason) for name in names.split())


def raz_wi(names: str, reason: str) -> Rows:
    """Make rows of registers that read as zero and ignore writes."""
    return (Row(name, read_zero, ignore, reason) for name in names.split())


def _group(group: str) -> str:
    return " ".join(row.name for row in sysregs.TABLE if row.group == group)


# --- memory and caches ------------------------------------------------------------------------------------------------

_CACHES_ON: Final = 1 << 2 | 1 << 0
"""SCTLR_EL1.C <2> and M <0>."""


def _has_caches_on(vcpu: Vcpu) -> bool:
    return vcpu.read("SCTLR_EL1") & _CACHES_ON == _CACHES_ON


def _set_way(vcpu: Vcpu, exit: SysregExit, value: int) -> None:
    """Do nothing: this machine has no caches that could hold anything back.

    KVM cleans all of the VM's memory instead, and traps the MMU's registers until the guest's caches are on.
    """
    vcpu.emit(KvmSetWayFlush, vcpu_pc=exit.pc, cache=_has_caches_on(vcpu))


def _write_translation(vcpu: Vcpu, exit: SysregExit, value: int) -> None:
    was = _has_caches_on(vcpu)
    write_own(vcpu, exit, value)
    vcpu.emit(KvmToggleCache, vcpu_pc=exit.pc, was=was, now=_has_caches_on(vcpu))


_TRANSLATION: Final = (
    "SCTLR_EL1 TTBR0_EL1 TTBR1_EL1 TCR_EL1 ESR_EL1 FAR_EL1 AFSR0_EL1 AFSR1_EL1 MAIR_EL1 AMAIR_EL1 CONTEXTIDR_EL1"
)


def memory_rows() -> Rows:
    """Caches, translation, memory ordering."""
    for name in ("DC ISW", "DC CSW", "DC CISW"):
        yield Row(name, None, _set_way, "HCR_EL2.TSW: by set and way one could reach other VMs' lines")
    for name in _TRANSLATION.split():
        yield Row(
            name, read_own, _write_translation, "HCR_EL2.TVM, TRVM: not set, but a user may; nothing else changes"
        )
    for name in ("CCSIDR_EL1", "CLIDR_EL1", "CTR_EL0", "REVIDR_EL1", "AIDR_EL1"):
        yield Row(name, read_cpu, None, "HCR_EL2.TID1, TID2: not set, but a user may; the VM sees the CPU's")
    yield Row("CSSELR_EL1", read_own, write_own, "HCR_EL2.TID2: not set, but a user may; nothing else changes")
    yield from undefined("LORSA_EL1 LOREA_EL1 LORN_EL1 LORC_EL1 LORID_EL1", "the VM has no LORegions")


# --- control ----------------------------------------------------------------------------------------------------------


def control_rows() -> Rows:
    """Control registers, and the keys of pointer authentication."""
    yield from raz_wi(
        "ACTLR_EL1", "HCR_EL2.TACR: what it controls would be the CPU's, not the VM's; it has no bits here"
    )
    yield Row("CPACR_EL1", read_own, write_own, "CPTR_EL2.TCPAC: not set, but a user may; nothing else changes")
    yield from undefined("TCR2_EL1 SCTLR2_EL1", "HCRX_EL2.TCR2En, SCTLR2En: 0, as ID_AA64MMFR3_EL1 tells the VM")
    keys = " ".join(f"AP{key}Key{half}_EL1" for key in ("IA", "IB", "DA", "DB", "GA") for half in ("Lo", "Hi"))
    yield from undefined(keys, "the VM has no pointer authentication: HCR_EL2.APK is 0")


# --- debug and performance monitors -----------------------------------------------------------------------------------

_OSLSR, _OSLSR_RESET, _OSLK = "OSLSR_EL1", 0xA, 1 << 1
"""OSLSR_EL1: OSLM <3> says that the lock exists, OSLK <1> that it is locked, as it is after a reset."""


def _read_oslsr(vcpu: Vcpu, exit: SysregExit) -> int:
    return vcpu.debug.get(_OSLSR, _OSLSR_RESET)


def _write_oslar(vcpu: Vcpu, exit: SysregExit, value: int) -> None:
    """Lock or unlock: OSLAR_EL1.OSLK <0>."""
    vcpu.debug[_OSLSR] = _OSLSR_RESET & ~_OSLK | (value & 1) << 1


def _comparators() -> Iterator[str]:
    """Name the registers of as many breakpoints and watchpoints as a CPU model has."""
    for field, kind in (("BRPs", "B"), ("WRPs", "W")):
        count = 1 + max(id_policy.FIELDS["ID_AA64DFR0_EL1", field].claims)
        yield from (f"DBG{kind}{what}R{number}_EL1" for number in range(count) for what in "VC")


def debug_rows() -> Rows:
    """Self-hosted debug, and the performance monitors."""
    for name in ("MDSCR_EL1", *_comparators()):
        yield Row(name, read_own, write_own, "MDCR_EL2.TDA: the vCPU has its own, in the CPU while it is loaded")
    yield Row("OSLAR_EL1", None, _write_oslar, "MDCR_EL2.TDOSA: the CPU's lock is the hypervisor's; a vCPU has its own")
    yield Row("OSLSR_EL1", _read_oslsr, None, "MDCR_EL2.TDOSA: the CPU's lock is the hypervisor's; a vCPU has its own")
    yield Row("DBGAUTHSTATUS_EL1", read_cpu, None, "MDCR_EL2.TDA: what an external debugger may do is the same for all")
    yield from raz_wi("OSDLR_EL1", "MDCR_EL2.TDOSA: RAZ/WI, because ID_AA64DFR0_EL1.DoubleLock denies the lock")
    yield from raz_wi("DBGPRCR_EL1", "MDCR_EL2.TDOSA: it asks for debug power, which a VM does not have")
    yield from raz_wi("MDRAR_EL1", "MDCR_EL2.TDRA: a VM has no debug ROM")
    yield from raz_wi(
        "DBGCLAIMSET_EL1 DBGCLAIMCLR_EL1", "MDCR_EL2.TDA: a VM shares no debug registers, so nothing to claim"
    )
    channel = "MDCCSR_EL0 MDCCINT_EL1 DBGDTR_EL0 DBGDTRRX_EL0 OSDTRRX_EL1 OSDTRTX_EL1 OSECCR_EL1"
    yield from raz_wi(channel, "MDCR_EL2.TDA: no external debugger is at the other end of a VM's channel")
    yield from raz_wi(_group("pmu"), "MDCR_EL2.TPM: the VM has no PMU; who does not ask ID_AA64DFR0_EL1 goes on")


# --- timers and interrupts --------------------------------------------------------------------------------------------


def _write_ctl(vcpu: Vcpu, exit: SysregExit, value: int) -> None:
    vcpu.timers.write_physical(vcpu.timers.physical.write_ctl, value)


def _write_cval(vcpu: Vcpu, exit: SysregExit, value: int) -> None:
    vcpu.timers.write_physical(vcpu.timers.physical.write_cval, value)


def _write_tval(vcpu: Vcpu, exit: SysregExit, value: int) -> None:
    vcpu.timers.write_physical(vcpu.timers.physical.write_tval, value)


_EMULATED: Final = "CNTHCTL_EL2.EL1PCEN is 0: the physical timer is the hypervisor's, a VM's is emulated"


def timer_rows() -> Rows:
    """The physical timer and counter."""
    yield Row("CNTP_CTL_EL0", lambda vcpu, exit: vcpu.timers.physical.read_ctl(), _write_ctl, _EMULATED)
    yield Row("CNTP_CVAL_EL0", lambda vcpu, exit: vcpu.timers.physical.cval, _write_cval, _EMULATED)
    yield Row("CNTP_TVAL_EL0", lambda vcpu, exit: vcpu.timers.physical.read_tval(), _write_tval, _EMULATED)
    yield Row("CNTPCT_EL0", read_cpu, None, "CNTHCTL_EL2.EL1PCTEN: set, but a user may clear it; time is one for all")


def _send_sgi(vcpu: Vcpu, exit: SysregExit, value: int) -> None:
    vcpu.vm.vgic.send_sgi(vcpu.index, exit.name, value)


def _deactivate(vcpu: Vcpu, exit: SysregExit, value: int) -> None:
    vcpu.vm.vgic.write_dir(vcpu.index, value)


def gic_rows() -> Rows:
    """The CPU interface of a GICv3. With a GICv2 these registers are UNDEFINED already, and never trap.

    Compare KVM: it has ICC_SRE_EL1 too, which does not trap here, as ICC_SRE_EL2.Enable is RAO/WI.
    """
    for name in ("ICC_SGI1R_EL1", "ICC_SGI0R_EL1", "ICC_ASGI1R_EL1"):
        yield Row(name, None, _send_sgi, "HCR_EL2.IMO, FMO: there is no virtual SGI register; the vGIC delivers")
    yield Row("ICC_DIR_EL1", None, _deactivate, "ICH_HCR_EL2.TDIR: the interrupt may be in no list register")
