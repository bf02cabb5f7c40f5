"""An attacker and a victim, two VMs on one machine: how they are made and run, and what must hold afterwards.

Read `victim_program.py` before this file, `attack_programs.py` after it: it makes what the attacker runs.
`test_attacks.py` and `test_isolation.py` let them run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from victim_program import BASE, victim

from arm_hyp.arch.iss_classes import EC
from arm_hyp.events import Event
from arm_hyp.hypervisor.configuration import VmConfiguration
from arm_hyp.hypervisor.hypervisor import Hypervisor
from arm_hyp.hypervisor.stage2.mapper import Stage2
from arm_hyp.hypervisor.vcpu import State
from arm_hyp.hypervisor.vm import Vm
from arm_hyp.kvm_events import GuestCall, KvmExit, KvmGuestFault, KvmMmio, VmEvent
from arm_hyp.machine import board
from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.loader import Segment
from arm_hyp.machine.machine import Machine, Outcome

VM_BYTES = 4 << 20
MACHINE_BYTES = 24 << 20
SLICE_NS = 10_000
MOST_EXITS = 20_000
"""How many exits may follow each other while nothing retires: no run may go on like this for ever."""


class Shape(NamedTuple):
    """A machine, and how many vCPUs the attacker has."""

    gic: int = 3
    cpus: int = 1
    vcpus: int = 1
    model: str = "max"
    memory_bytes: int = MACHINE_BYTES


class NoProgress(Exception):
    """The hypervisor handles exit after exit, and no instruction retires."""


class Witness:
    """A sink: keeps the victim's synchronous exits, and notices when the run makes no progress."""

    def __init__(self) -> None:
        self.victim: list[tuple[object, ...]] = []
        self.kinds: set[str] = set()
        self._n = self._exits = 0

    def emit(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, KvmExit):
            self._watch(event)
        if isinstance(event, VmEvent) and event.vm == "victim":
            self._keep(event)

    def _watch(self, event: KvmExit) -> None:
        self.kinds.add(f"{event.vm} {event.ret} {event.esr_ec:#x}")
        self._exits = self._exits + 1 if event.n == self._n else 0
        self._n = event.n
        if self._exits > MOST_EXITS:
            raise NoProgress(f"{event.vm} at {event.vcpu_pc:#x}, ESR_EL2 {event.esr:#x}")

    def _keep(self, event: VmEvent) -> None:
        """Keep what happens to the victim by its own doing. When FP has to be loaded anew is the hypervisor's."""
        match event:
            case KvmExit(ret="TRAP", esr_ec=ec) if ec != EC.FP_ACCESS:
                self.victim.append(("exit", event.esr, event.vcpu_pc))
            case KvmGuestFault():
                self.victim.append(("fault", event.hsr, event.hxfar, event.ipa))
            case KvmMmio():
                self.victim.append(("mmio", event.type, event.len, event.gpa, event.val))
            case GuestCall():
                self.victim.append(("call", event.function, event.arguments, event.result))


class Duel:
    """An attacker beside the victim; without a program, the victim alone. The attacker's vCPU 0 comes first."""

    def __init__(self, attacker: bytes | None, shape: Shape) -> None:
        self.witness = Witness()
        self.machine = Machine(
            sink=self.witness,
            memory_bytes=shape.memory_bytes,
            model=shape.model,
            gic=shape.gic,
            cpus=shape.cpus,
            start_el=2,
            list_registers=4,
        )
        made = [] if attacker is None else [_attacker(attacker, shape.vcpus)]
        self.hypervisor = Hypervisor(self.machine, [*made, _configuration("victim", victim(shape.gic), 1)])
        self.hypervisor.scheduler.slice_ns = SLICE_NS
        self.machine.input = self.hypervisor.inputs
        if attacker is not None:
            self.hypervisor.inputs.feed(b"typed" * 1000)

    @property
    def victim(self) -> Vm:
        """The VM that must not notice."""
        return self.hypervisor.vms[-1]

    @property
    def attacker(self) -> Vm:
        """The other VM."""
        return self.hypervisor.vms[0]

    def run(self, limit: int = 1_500_000, at_least: int = 15_000) -> Outcome:
        """Run until the victim has ended, and as many instructions at least, if the attacker does not end before."""
        outcome = self.machine.run(at_least)
        while self.victim.end is None and outcome.reason == "limit" and self.machine.retired < limit:
            outcome = self.machine.run(self.machine.retired + at_least)
        return outcome


class Sectors:
    """A drive of 16 sectors in memory."""

    sectors, read_only = 16, False

    def __init__(self) -> None:
        self._data = bytearray(self.sectors * 512)

    def read(self, sector: int, count: int) -> bytes:
        """Read whole sectors."""
        return bytes(self._data[sector * 512 : (sector + count) * 512])

    def write(self, sector: int, data: bytes) -> None:
        """Write whole sectors, none of them outside."""
        assert sector * 512 + len(data) <= len(self._data)
        self._data[sector * 512 : sector * 512 + len(data)] = data

    def flush(self) -> None:
        """Do nothing."""

    def snapshot(self) -> dict[str, Any]:
        """Return the contents."""
        return {"data": bytes(self._data)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the contents back."""
        self._data[:] = state["data"]


def _attacker(code: bytes, vcpus: int) -> VmConfiguration:
    made = _configuration("attacker", code, vcpus)
    return replace(made, has_rng=True, has_virtio_console=True, drives=(Sectors(),))


def _configuration(name: str, code: bytes, vcpus: int) -> VmConfiguration:
    plan = BootPlan((Segment(BASE, code),), BASE)
    return VmConfiguration(name=name, memory_bytes=VM_BYTES, plan=plan, vcpus=vcpus)


# --- what a VM leaves -------------------------------------------------------------------------------------------------


class Remains(NamedTuple):
    """What is left of the victim: how it ended, its pages by IPA (none that is all zeros), console, its exits."""

    end: str
    pages: dict[int, bytes]
    console: bytes
    exits: Sequence[tuple[object, ...]]


def pages_of(duel: Duel, vm: Vm) -> dict[int, bytes]:
    """Return all pages of a VM's RAM that are not zero, by IPA; nothing is paged in for it."""
    found: dict[int, bytes] = {}
    for slot in vm.memory.slots:
        for mapping in vm.stage2.mappings(slot.ipa, slot.size_bytes):
            data = duel.machine.read_memory(mapping.pa, mapping.size_bytes)
            for start in range(0, mapping.size_bytes, board.PAGE_BYTES):
                page = data[start : start + board.PAGE_BYTES]
                if any(page):
                    found[mapping.ipa + start] = page
    return found


def remains(duel: Duel) -> Remains:
    """Return what is left of the victim."""
    vm = duel.victim
    end = "runs" if vm.end is None else vm.end.reason
    return Remains(end, pages_of(duel, vm), bytes(vm.devices.console), duel.witness.victim)


@lru_cache
def undisturbed(shape: Shape) -> Remains:
    """Return what is left of the victim where it is alone. The machine has one CPU; the attacker's vCPUs are none."""
    duel = Duel(None, shape)
    duel.run()
    return remains(duel)


def check_victim(duel: Duel, shape: Shape) -> None:
    """Check that the victim did what it does alone, to the last byte and the last exit."""
    now, alone = remains(duel), undisturbed(Shape(gic=shape.gic, model=shape.model))
    assert now.end == alone.end == "off", duel.victim.end
    assert now.pages.keys() == alone.pages.keys()
    assert [f"{ipa:#x}" for ipa, page in now.pages.items() if page != alone.pages[ipa]] == []
    assert now.console == alone.console
    assert now.exits == alone.exits


# --- what must hold of the hypervisor ---------------------------------------------------------------------------------


def check_hypervisor(duel: Duel) -> None:
    """Check the invariants of memory, of list registers, and of scheduling."""
    check_memory(duel)
    for vm in duel.hypervisor.vms:
        for cpu in vm.vgic._dist.cpus:
            check_interrupts(cpu, vm)
    check_schedule(duel.hypervisor)


def check_memory(duel: Duel) -> None:
    """Check that each page has one user: a VM, or the tables of one; and that no page is lost."""
    users: dict[int, str] = {}
    allocator = duel.hypervisor.allocator
    for vm in duel.hypervisor.vms:
        for page, use in _pages(vm):
            assert allocator.references(page) == 1
            assert page not in users, f"{page:#x} is {use}, and {users[page]}"
            users[page] = use
    free = allocator.free_bytes // board.PAGE_BYTES
    assert len(users) + free == duel.machine.memory_bytes // board.PAGE_BYTES
    for start, end in allocator.snapshot()["free"]:
        assert not any(start <= page < end for page in users)


def _pages(vm: Vm) -> Iterator[tuple[int, str]]:
    yield from ((page, f"a table of {vm.name}") for page in _tables(vm.stage2))
    for mapping in vm.stage2.mappings():
        if (mapping.ipa, mapping.pa) == (board.GICC_BASE, board.GICV_BASE):
            assert mapping.size_bytes == board.PAGE_BYTES
            continue
        assert vm.is_ram(mapping.ipa, mapping.size_bytes), f"{vm.name} has {mapping}"
        for start in range(0, mapping.size_bytes, board.PAGE_BYTES):
            yield mapping.pa + start, f"{mapping.ipa + start:#x} of {vm.name}"


def _tables(stage2: Stage2) -> Iterator[int]:
    """Yield the pages of all tables, read from RAM as a walker would."""
    geometry = stage2.geometry
    yield from range(stage2.root, stage2.root + geometry.root_bytes, board.PAGE_BYTES)
    below = [(stage2.root, geometry.start_level, geometry.root_bytes)]
    while below:
        table, level, size_bytes = below.pop()
        for address in range(table, table + size_bytes, 8):
            word = stage2.tables.read64(address)
            if word & 3 == 3 and level < 3:
                next_table = word & 0xFFFF_FFFF_F000
                yield next_table
                below.append((next_table, level + 1, board.PAGE_BYTES))


def check_interrupts(cpu: object, vm: Vm) -> None:
    """Check the vGIC's side of a vCPU: each interrupt is on the one list that it says, and in one list register."""
    from arm_hyp.hypervisor.vgic.dist import VgicCpu

    assert isinstance(cpu, VgicCpu)
    intids = [irq.intid for irq in cpu.ap_list]
    assert len(set(intids)) == len(intids)
    assert all(irq.vcpu == cpu.index for irq in cpu.ap_list)
    assert all(irq in cpu.ap_list and irq.on_lr for irq in cpu.in_lrs)
    is_loaded = vm.vcpus[cpu.index].cpu is not None
    assert (cpu.interface is not None) is is_loaded
    assert cpu.is_live <= is_loaded
    if cpu.interface is not None:
        held = [cpu.interface.read_lr(index) & 0x3FF for index in range(cpu.interface.count)]
        valid = [held[index] for index in range(len(held)) if cpu.interface.read_lr(index) >> 62]
        assert len(set(valid)) == len(valid), "an INTID in two list registers"


def check_schedule(hypervisor: Hypervisor) -> None:
    """Check that vCPUs and CPUs agree on who runs where, and that what has ended is off."""
    for cpu in hypervisor.cpus:
        assert cpu.vcpu is None or cpu.vcpu.cpu is cpu
    for vcpu in hypervisor.vcpus:
        assert vcpu.cpu is None or vcpu.cpu.vcpu is vcpu
        assert vcpu.state is not State.RUNNING or vcpu.cpu is not None
        assert vcpu.vm.end is None or vcpu.state is State.OFF
