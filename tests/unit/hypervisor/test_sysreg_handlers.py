"""Every row of the table of system registers, by a guest that really traps; and what a VM's ID registers show."""

from __future__ import annotations

import functools
from typing import NamedTuple

import pytest
from guest_support import BASE, Guest

from arm_hyp.arch import sysregs
from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.id_policy import id_value
from arm_hyp.arch.registers import features
from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.hypervisor.exits import Syndrome, decode_exit
from arm_hyp.hypervisor.handlers.sysregs import TABLE, row_of
from arm_hyp.kvm_events import GuestUndefined, KvmHandleSysReg, KvmSetWayFlush, KvmSysAccess, KvmToggleCache

RESULTS = 0x4020_0000
PATTERN = 0xA5A5_A5A5_A5A5_A5A5
PROBE_BYTES = 32
TRAPS = HCR_EL2(0).replace(TVM=1, TRVM=1, TID1=1, TID2=1)
"""Traps that are not set for a guest, but that a user may set."""
TCPAC = 1 << 31
MODELS = pytest.mark.parametrize("model", ["a72", "max", "max-fgt"])
NAMES = sorted(row.name for row in TABLE.values())


class Probe(NamedTuple):
    """What a guest saw: the value that MRS gave, and how many exceptions each of MRS and MSR took it to at EL1."""

    value: int
    read_faults: int
    write_faults: int


def word(encoding: Encoding, rt: int, *, is_read: bool) -> int:
    """Encode MRS, MSR (register), or SYS."""
    op0, op1, crn, crm, op2 = encoding
    return 0xD500_0000 | is_read << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | rt


def exists(encoding: Encoding, model: str, *, is_read: bool) -> bool:
    return sysregs.resolve(encoding, is_read, model, 3).route != "undefined"


def probe_source(encoding: Encoding, model: str) -> str:
    """Read, note, write back what was read (or zero), note."""
    lines = ["mov x27, #0", f"mov x1, #{PATTERN & 0xFFFF if exists(encoding, model, is_read=True) else 0}"]
    if exists(encoding, model, is_read=True):
        lines.append(f".word {word(encoding, 1, is_read=True):#x}")
    lines += ["stp x1, x27, [x20]", "mov x27, #0"]
    if exists(encoding, model, is_read=False):
        lines.append(f".word {word(encoding, 1, is_read=False):#x}")
    return "\n".join([*lines, "str x27, [x20, #16]", f"add x20, x20, #{PROBE_BYTES}\n"])


@functools.cache
def probed(model: str) -> tuple[Guest, dict[str, Probe]]:
    """Run one guest that probes every row, with all traps that lead to one."""
    source = f"ldr x20, ={RESULTS:#x}\n" + "".join(probe_source(encoding, model) for encoding in TABLE)
    guest = Guest(source, model=model, run=False)
    vcpu = guest.vcpu()
    vcpu.write("HCR_EL2", vcpu.read("HCR_EL2") | TRAPS)
    vcpu.write("CPTR_EL2", vcpu.read("CPTR_EL2") | TCPAC)
    vcpu.write("CNTHCTL_EL2", 0)
    assert guest.run().status == 0
    seen = {}
    for index, row in enumerate(TABLE.values()):
        data = guest.vm.read_ipa(RESULTS + index * PROBE_BYTES, 24)
        seen[row.name] = Probe(*(int.from_bytes(data[at : at + 8], "little") for at in (0, 8, 16)))
    return guest, seen


def accesses(guest: Guest, name: str, *, is_write: bool) -> int:
    """Count the trapped accesses of a register, without those of the guest's own exception handler."""
    code = range(BASE, guest.vcpu().read("VBAR_EL1"))
    events = [event for event in guest.events(KvmSysAccess) if event.vcpu_pc in code]
    return sum(event.name == name and event.is_write is is_write for event in events)


# --- every row --------------------------------------------------------------------------------------------------------


def test_the_table_is_sorted_and_names_what_it_encodes():
    assert list(TABLE) == sorted(TABLE)
    assert all(sysregs.parse_name(row.name) == encoding and row.reason for encoding, row in TABLE.items())


@MODELS
@pytest.mark.parametrize("name", NAMES)
def test_each_row_answers_as_it_says(name, model):
    guest, seen = probed(model)
    encoding = sysregs.parse_name(name)
    row, probe = TABLE[encoding], seen[name]
    for is_write, access, faults in ((False, row.read, probe.read_faults), (True, row.write, probe.write_faults)):
        if exists(encoding, model, is_read=not is_write):
            assert accesses(guest, sysregs.name_of(encoding), is_write=is_write) == 1
            assert faults == (access is None)


@MODELS
def test_each_undefined_access_says_why(model):
    guest, seen = probed(model)
    told = {event.what: event.reason for event in guest.events(GuestUndefined)}
    faults = sum(probe.read_faults + probe.write_faults for probe in seen.values())
    assert len(guest.events(GuestUndefined)) == faults
    assert (faults > 0) == (model != "a72")  # an A72 has nothing that its VMs are denied
    assert not any("PMCR_EL0" in what for what in told)  # RAZ/WI
    assert ("read of APIAKeyLo_EL1" in told, "write of LORC_EL1" in told) == (model != "a72",) * 2
    assert ("read of TCR2_EL1" in told, "write of SCTLR2_EL1" in told) == (model == "max-fgt",) * 2


@MODELS
def test_every_access_is_announced_before_its_row_is_found(model):
    guest, _ = probed(model)
    assert len(guest.events(KvmHandleSysReg)) == len(guest.events(KvmSysAccess))


# --- values -----------------------------------------------------------------------------------------------------------

SHOWN = {
    "a72": {
        "ID_AA64PFR0_EL1": 0x0000_0000_0100_1011,
        "ID_AA64DFR0_EL1": 0x0000_00F0_1030_5006,
        "ID_AA64ISAR0_EL1": 0x0000_0000_0001_1120,
        "ID_AA64MMFR0_EL1": 0x0000_0000_0000_1124,
    },
    "max": {
        "ID_AA64PFR0_EL1": 0x0000_0000_0111_1011,
        "ID_AA64PFR1_EL1": 0x0000_0000_0000_0001,
        "ID_AA64DFR0_EL1": 0x0000_00F0_1030_5006,
        "ID_AA64ISAR0_EL1": 0x1021_1111_1021_2120,
        "ID_AA64ISAR1_EL1": 0x0000_0111_0021_1002,
        "ID_AA64MMFR0_EL1": 0x0000_0000_0010_1124,
        "ID_AA64MMFR1_EL1": 0x0000_0000_0020_1000,
        "ID_AA64MMFR2_EL1": 0x0000_0000_0000_0011,
    },
}
SHOWN["max-fgt"] = SHOWN["max"]
"""HCRX_EL2 and the fine-grained traps are the hypervisor's; what HCRX_EL2 governs it does not give to a VM."""
OTHER_VALUES = {"OSLSR_EL1": 0x8}
"""OSLAR_EL1 has been written when OSLSR_EL1 is read."""


@MODELS
def test_id_registers_show_what_a_vm_has_and_all_others_are_zero(model):
    _, seen = probed(model)
    ids = {row.name for row in sysregs.TABLE if row.group == "id" and row.encoding.crm > 0}
    assert len(ids) == 56
    assert {name: seen[name].value for name in ids} == dict.fromkeys(ids, 0) | SHOWN[model]


@MODELS
def test_a_vm_sees_no_field_that_the_cpu_does_not_claim(model):
    """Save for DoubleLock, where all ones mean absent."""
    _, seen = probed(model)
    for name in SHOWN[model]:
        register = getattr(features, name)
        for field in register.FIELDS:
            shown = register(seen[name].value) >> field.lsb & field.max
            claimed = id_value(name, model, 3) >> field.lsb & field.max
            assert shown in (0, claimed) or field.name == "DoubleLock", (name, field.name)


HIDDEN = [
    ("ID_AA64PFR0_EL1", "EL2 SVE RAS AMU MPAM SEL2"), ("ID_AA64PFR1_EL1", "MTE SME NMI"),
    ("ID_AA64DFR0_EL1", "PMUVer PMSVer TraceVer TraceFilt TraceBuffer"), ("ID_AA64ISAR1_EL1", "APA API GPA GPI XS"),
    ("ID_AA64ISAR2_EL1", "APA3 GPA3 WFxT"), ("ID_AA64MMFR0_EL1", "FGT ECV"),
    ("ID_AA64MMFR1_EL1", "VH LO HCX VMIDBits XNX"), ("ID_AA64MMFR2_EL1", "NV FWB EVT"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fields"), HIDDEN)
def test_what_is_hidden_stays_hidden_whatever_the_cpu_claims(name, fields, monkeypatch):
    """A CPU that claims everything shows a VM nothing of these."""
    from arm_hyp.hypervisor.handlers import id_registers

    monkeypatch.setattr(id_registers, "read_cpu", lambda vcpu, exit: (1 << 64) - 1)
    exit = sysreg_exit(sysregs.parse_name(name), is_read=True)
    value = getattr(features, name)(row_of(exit).read(FakeVcpu(), exit))
    assert {field: getattr(value, field) for field in fields.split()} == dict.fromkeys(fields.split(), 0)


def test_pointer_authentication_is_shown_where_hcr_lets_it_through():
    guest = Guest("mrs x1, ID_AA64ISAR1_EL1\n", run=False)
    vcpu = guest.vcpu()
    vcpu.write("HCR_EL2", vcpu.read("HCR_EL2") | HCR_EL2(0).replace(API=1, APK=1))
    guest.run()
    assert features.ID_AA64ISAR1_EL1(vcpu.x(1)).APA == 1


@MODELS
def test_what_reads_as_zero_reads_as_zero(model):
    _, seen = probed(model)
    kept = ("ACTLR_EL1", "OSDLR_EL1", "DBGPRCR_EL1", "MDRAR_EL1", "DBGCLAIMSET_EL1", "DBGCLAIMCLR_EL1", "OSECCR_EL1")
    assert {name: seen[name].value for name in kept} == dict.fromkeys(kept, 0)


@MODELS
@pytest.mark.parametrize(("name", "value"), OTHER_VALUES.items())
def test_registers_of_the_hypervisors_own_making(model, name, value):
    assert probed(model)[1][name].value == value


# --- effects ----------------------------------------------------------------------------------------------------------


def test_the_os_lock_is_the_vcpus_own():
    guest = Guest("mov x1, #1\n msr OSLAR_EL1, x1\n mrs x2, OSLSR_EL1\n msr OSLAR_EL1, xzr\n mrs x3, OSLSR_EL1\n")
    assert (guest.vcpu().x(2), guest.vcpu().x(3)) == (0xA, 0x8)
    assert guest.vcpu().snapshot()["debug"] == {"OSLSR_EL1": 8}


def test_debug_registers_keep_what_is_written():
    source = """
        mov x1, #0x30
        msr DBGBVR5_EL1, x1
        msr DBGWVR3_EL1, x1
        mrs x2, DBGBVR5_EL1
        mrs x3, DBGWVR3_EL1
    """
    vcpu = Guest(source).vcpu()
    assert (vcpu.x(2), vcpu.x(3), vcpu.context["DBGBVR5_EL1"]) == (0x30, 0x30, 0x30)


def test_a_vcpu_can_step_its_own_software():
    source = """
        mov x1, #0x2001        // MDSCR_EL1: KDE <13>, SS <0>
        msr MDSCR_EL1, x1
        ldr x1, =0x2001c5      // EL1h, D clear, SS
        msr SPSR_EL1, x1
        adr x1, here
        msr ELR_EL1, x1
        eret
    here:
        mov x5, #1
        mov x6, #1
    """
    vcpu = Guest(source, limit=20).vcpu()
    assert (vcpu.x(5), vcpu.x(6), vcpu.x(28) >> 26) == (1, 0, 0x33)


def test_breakpoints_that_the_cpu_does_not_have_are_undefined():
    guest = Guest(f".word {word(sysregs.parse_name('DBGBVR6_EL1'), 1, is_read=True):#x}\n")
    assert guest.vcpu().x(27) == 1


@pytest.mark.parametrize(("sctlr", "cache"), [(0, False), (4, False), (1, False), (5, True)])
def test_set_and_way_tells_whether_the_guests_caches_are_on(sctlr, cache):
    guest = Guest("dc isw, x0\n dc csw, x0\n dc cisw, x0\n", run=False)
    vcpu = guest.vcpu()
    table = 0x4030_0000
    guest.vm.write_ipa(table, b"".join(((n << 30) | 0x701).to_bytes(8, "little") for n in range(4)))
    for name, value in {"TTBR0_EL1": table, "TCR_EL1": 0x2_0000_0019, "MAIR_EL1": 0xFF, "SCTLR_EL1": sctlr}.items():
        vcpu.write(name, value)
    assert guest.run().status == 0
    assert [event.cache for event in guest.events(KvmSetWayFlush)] == [cache] * 3


def test_a_trapped_write_of_the_mmus_registers_takes_effect():
    guest = Guest("mrs x1, SCTLR_EL1\n orr x1, x1, #4\n msr SCTLR_EL1, x1\n mrs x2, SCTLR_EL1\n", run=False)
    guest.vcpu().write("HCR_EL2", guest.vcpu().read("HCR_EL2") | HCR_EL2(0).replace(TVM=1))
    guest.run()
    assert guest.vcpu().x(2) & 4
    assert [(event.was, event.now) for event in guest.events(KvmToggleCache)] == [(False, False)]


def test_the_physical_timer_is_emulated():
    source = """
        mov x1, #-1
        msr CNTP_CVAL_EL0, x1
        mov x1, #3
        msr CNTP_CTL_EL0, x1
        mrs x2, CNTP_CTL_EL0
        msr CNTP_CVAL_EL0, xzr
        mrs x3, CNTP_CTL_EL0
        mov x1, #1000
        msr CNTP_TVAL_EL0, x1
        mrs x4, CNTP_TVAL_EL0
        mrs x5, CNTP_CVAL_EL0
    """
    vcpu = Guest(source).vcpu()
    assert (vcpu.x(2), vcpu.x(3)) == (3, 7)
    assert 0 < vcpu.x(4) <= 1000 < vcpu.x(5)
    assert vcpu.timers.physical.cval == vcpu.x(5)


def test_the_physical_timer_fires():
    """A WFI with IRQs masked ends when the timer's interrupt is pending: the PPI is enabled at the redistributor."""
    source = """
        ldr x1, =0x080b0100          // GICR_ISENABLER0 of CPU 0
        mov w2, #1 << 30
        str w2, [x1]
        ldr x1, =0x08000000          // GICD_CTLR: ARE, both groups
        mov w2, #0x13
        str w2, [x1]
        ldr x1, =0x080b0080          // GICR_IGROUPR0
        mov w2, #-1
        str w2, [x1]
        mov x2, #0xff
        msr ICC_PMR_EL1, x2
        mov x2, #1
        msr ICC_IGRPEN1_EL1, x2
        mov x2, #100
        msr CNTP_TVAL_EL0, x2
        mov x2, #1
        msr CNTP_CTL_EL0, x2
        wfi
        mrs x3, CNTP_CTL_EL0
        mrs x4, ICC_IAR1_EL1
    """
    vcpu = Guest(source).vcpu()
    assert (vcpu.x(3), vcpu.x(4)) == (5, 30)


# --- what has no row --------------------------------------------------------------------------------------------------


class FakeVcpu:
    """Enough of a vCPU to read an ID register."""

    def read(self, name: str) -> int:
        return 0


def sysreg_exit(encoding: Encoding, *, is_read: bool):
    op0, op1, crn, crm, op2 = encoding
    esr = 0x18 << 26 | 1 << 25 | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | 1 << 5 | crm << 1 | is_read
    return decode_exit(Syndrome(Kind.SYNC, esr, 0, 0, BASE))


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [
        (Encoding(3, 1, 15, 2, 0), "HCR_EL2.TIDCP"),
        (Encoding(1, 0, 11, 0, 0), "HCR_EL2.TIDCP"),
        (Encoding(2, 0, 15, 0, 7), "no handler"),
        (Encoding(3, 4, 1, 1, 0), "no handler"),
    ],
)
def test_what_has_no_row_is_undefined_with_a_reason(encoding, reason):
    row = row_of(sysreg_exit(encoding, is_read=True))
    assert (row.read, row.write) == (None, None)
    assert reason in row.reason


def test_implementation_defined_registers_are_undefined():
    guest = Guest(f".word {word(Encoding(3, 1, 15, 2, 0), 1, is_read=True):#x}\n")
    assert (guest.vcpu().x(27), guest.vcpu().x(28) >> 26) == (1, 0)
    assert [event.what for event in guest.events(GuestUndefined)] == ["read of CPUACTLR_EL1"]


def test_a_read_into_xzr_is_skipped_like_any_other():
    guest = Guest("mrs xzr, ID_AA64PFR0_EL1\n mov x5, #7\n")
    assert (guest.vcpu().x(5), guest.vcpu().x(27)) == (7, 0)
