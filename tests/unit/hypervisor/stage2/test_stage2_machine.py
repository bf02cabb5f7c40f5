"""Stage 2 in the RAM of a machine: its TLB maintenance reaches the cores; code that a page held is forgotten."""

from __future__ import annotations

import pytest
from stage2_support import VMID, Checker, RecordingTlb

from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.events import Maintenance, RecordingSink
from arm_hyp.hypervisor.stage2.allocator import PhysicalAllocator
from arm_hyp.hypervisor.stage2.descriptors import Attributes, MemoryType, Permission
from arm_hyp.hypervisor.stage2.dirty import MemorySlot
from arm_hyp.hypervisor.stage2.dump import dump
from arm_hyp.hypervisor.stage2.geometry import choose_geometry
from arm_hyp.hypervisor.stage2.mapper import Stage2
from arm_hyp.hypervisor.stage2.paging import PagedMemory
from arm_hyp.hypervisor.stage2.seams import TlbMaintenance
from arm_hyp.hypervisor.stage2.tables import MachineTables
from arm_hyp.hypervisor.stage2.tlb import MachineTlb
from arm_hyp.machine.cpus import Cpus
from arm_hyp.machine.machine import Machine
from arm_hyp.machine.seams import BusError

RAM, MIB, PAGE, BLOCK = 0x4000_0000, 1 << 20, 0x1000, 0x20_0000
READ, WRITE = 1, 2
VTTBR = by_name("VTTBR_EL2").encoding


def build(cpus: int = 1, tlb: TlbMaintenance | None = None) -> tuple[Machine, Stage2, Checker]:
    """A machine whose CPUs are at EL1 with stage 1 off, under stage-2 tables in its RAM."""
    machine = Machine(memory_bytes=32 * MIB, start_el=1, cpus=cpus, sink=RecordingSink())
    geometry = choose_geometry()
    checker = Checker(geometry, MachineTables(machine.ram_device), tlb or MachineTlb(machine.cpus))
    stage2 = Stage2(geometry, checker, checker, PhysicalAllocator(RAM + 16 * MIB, 16 * MIB), VMID)
    checker.watch(stage2.root)
    for core in machine.cpus.cores:
        values = {"VTCR_EL2": stage2.vtcr, "VTTBR_EL2": stage2.vttbr, "HCR_EL2": HCR_EL2.of(VM=1, RW=1)}
        for name, value in values.items():
            core.registers.write(by_name(name).encoding, int(value))
    return machine, stage2, checker


def translations(cpus: Cpus, ipa: int, permission: int) -> list[int | None]:
    return [core.native.translate(ipa, permission) for core in cpus.cores]


def test_every_core_forgets_what_is_unmapped() -> None:
    machine, stage2, checker = build(cpus=2)
    stage2.map(0x8000_0000, RAM, BLOCK)
    assert translations(machine.cpus, 0x8000_1000, READ) == [RAM + PAGE] * 2
    stage2.unmap(0x8000_0000, PAGE)
    assert translations(machine.cpus, 0x8000_0000, READ) == [None] * 2
    assert translations(machine.cpus, 0x8000_1000, READ) == [RAM + PAGE] * 2
    stage2.write_protect(0x8000_1000, PAGE)
    assert translations(machine.cpus, 0x8000_1000, WRITE) == [None] * 2
    stage2.map(0x8000_1000, RAM + 5 * PAGE, PAGE)
    assert translations(machine.cpus, 0x8000_1000, WRITE) == [RAM + 5 * PAGE] * 2
    checker.settle()


def test_without_maintenance_a_core_remembers() -> None:
    """The witness that the test before can fail: the core's TLB is real."""
    machine, stage2, _ = build(tlb=RecordingTlb())
    stage2.map(0x8000_0000, RAM, BLOCK)
    assert translations(machine.cpus, 0x8000_0000, READ) == [RAM]
    stage2.unmap(0x8000_0000, BLOCK)
    assert translations(machine.cpus, 0x8000_0000, READ) == [RAM]


def maintenance(machine: Machine) -> list[tuple[str, int]]:
    sink = machine.core.sink
    assert isinstance(sink, RecordingSink)
    return [(event.operation, event.operand) for event in sink.events if isinstance(event, Maintenance)]


def test_the_operations_are_told_as_software_at_el2_would_have_done_them() -> None:
    machine, _, _ = build()
    tlb = MachineTlb(machine.cpus)
    tlb.invalidate_ipa(VMID, 0x8000_1000, 3)
    tlb.invalidate_vmid(VMID)
    tlb.invalidate_all()
    assert maintenance(machine) == [
        ("TLBI IPAS2E1IS", 0x8_0001),
        ("TLBI VMALLE1IS", 0),
        ("TLBI VMALLS12E1IS", 0),
        ("TLBI ALLE1IS", 0),
    ]


def test_maintenance_of_another_vm_happens_under_its_vmid(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, stage2, _ = build()
    seen = []

    def invalidate(operation: Encoding, operand: int) -> None:
        seen.append((machine.core.registers.read(VTTBR) or 0) >> 48)

    monkeypatch.setattr(machine.core.maintenance, "invalidate", invalidate)
    tlb = MachineTlb(machine.cpus)
    tlb.invalidate_vmid(VMID + 4)
    tlb.invalidate_ipa(VMID, 0, 3)
    assert seen == [VMID + 4, VMID, VMID]
    assert machine.core.registers.read(VTTBR) == int(stage2.vttbr)


def test_a_table_outside_ram_is_a_fault_of_the_hypervisor() -> None:
    tables = MachineTables(Machine(memory_bytes=MIB).ram_device)
    for address in (RAM - 8, RAM + MIB):
        with pytest.raises(IndexError):
            tables.read64(address)
        with pytest.raises(IndexError):
            tables.write64(address, 1)
    with pytest.raises(BusError):
        tables.clear(RAM + MIB - PAGE, 2 * PAGE)


@pytest.mark.parametrize("how", ["clear", "copy"])
def test_code_that_a_page_held_is_forgotten(how: str) -> None:
    machine = Machine(memory_bytes=MIB)
    tables = MachineTables(machine.ram_device)
    code, other = RAM + 0x8000, RAM + 0x9000
    machine.write_memory(
        code, (0xD2800020).to_bytes(4, "little") + (0x14000000).to_bytes(4, "little")
    )  # mov x0, #1; b .
    machine.write_memory(other, (0xD2800040).to_bytes(4, "little") + (0x14000000).to_bytes(4, "little"))  # mov x0, #2
    machine.core.pc = code
    machine.step(2)
    assert machine.core.x(0) == 1
    if how == "copy":
        tables.copy(code, other, PAGE)
        machine.core.pc = code
        machine.step(2)
        assert machine.core.x(0) == 2
    else:
        machine.core.set_x(0, 5)
        tables.clear(code, PAGE)  # UDF
        machine.core.pc = code
        machine.step(2)
        assert machine.core.x(0) == 5


def test_a_guest_pages_itself_in() -> None:
    """The core faults, the fault is handled, the core goes on; what was zero stays so."""
    machine, stage2, checker = build()
    memory = PagedMemory(stage2, [MemorySlot(0x8000_0000, 4 * MIB)])
    assert translations(machine.cpus, 0x8010_0000, WRITE) == [None]
    assert memory.handle_fault(0x8010_0000, True)
    found = stage2.lookup(0x8010_0000)
    assert found is not None and translations(machine.cpus, 0x8010_0000, WRITE) == [found.pa_of(0x8010_0000)]
    assert machine.core.native.translate(0x8010_0000) is None
    assert memory.handle_fault(0x8010_0000, False, True)
    assert machine.core.native.translate(0x8010_0000) == found.pa_of(0x8010_0000)
    checker.settle()


def test_the_dump_has_linuxs_columns() -> None:
    _, stage2, _ = build()
    stage2.map(0x0804_0000, 0x0804_0000, 2 * PAGE, Attributes(Permission.RW, MemoryType.DEVICE_nGnRE))
    stage2.map(0x4000_0000, RAM, 128 * MIB)
    stage2.map(0x4800_0000, RAM, PAGE, Attributes(Permission.R, copy_on_write=True, accessed=False))
    stage2.map(0x4800_1000, RAM, PAGE, Attributes(Permission.NONE, MemoryType.NORMAL_NC))
    stage2.map(0x10_0000_0000, 0x10_0000_0000, 3 << 30, Attributes(Permission.RX))
    lines = [line.rstrip() for line in dump(stage2).splitlines()]
    assert lines == [
        "---[ Guest IPA ]---",
        "0x0000000008040000-0x0000000008042000           8K PTE   R W   AF     SH          DEV",
        "0x0000000040000000-0x0000000048000000         128M PMD   R W X AF BLK SH          MEM",
        "0x0000000048000000-0x0000000048001000           4K PTE   R            SH      COW MEM",
        "0x0000000048001000-0x0000000048002000           4K PTE         AF     SH          MEM/NC",
        "0x0000001000000000-0x00000010c0000000           3G PUD   R   X AF BLK SH          MEM",
    ]


def test_an_empty_dump_is_a_headline() -> None:
    _, stage2, _ = build()
    assert dump(stage2) == "---[ Guest IPA ]---"
