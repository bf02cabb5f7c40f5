"""A guest sees on a vGIC what it sees on the machine's own GIC, however few list registers there are.

Both get the same registers written, the same lines driven, and the same guest. Priorities are all different, so that
the architecture leaves no choice of order; the guest ends interrupts in the reverse order of their activation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from vgic_support import (
    CPU_BYTES,
    ICACTIVER,
    ICENABLER,
    ICPENDR,
    ISACTIVER,
    ISENABLER,
    ISPENDR,
    SGI_BASE,
    SGIR,
    TIMER,
    Board,
    GuestView,
    PhysicalCpu,
)

from arm_hyp.arch.gic import FIRST_SPECIAL
from arm_hyp.arch.sysregs import by_name
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.gic.cpu_interface import CpuLines
from arm_hyp.machine.gic.gicv2 import Gicv2
from arm_hyp.machine.gic.gicv3 import Gicv3
from arm_hyp.machine.seams import Device, no_line

CPUS: Final = 2
SGIS: Final = (1, 6)
PPIS: Final = (20, TIMER)
EDGES: Final = (33, 40, 41, 255)
LEVELS: Final = (34, 287)
SPIS: Final = EDGES + LEVELS
ALL: Final = SGIS + PPIS + SPIS
GROUP_0: Final = (6, 33, 34)


class El2View:
    """A CPU whose GIC is not virtualised."""

    el = 1

    def __init__(self) -> None:
        self.values: dict[str, int] = {"hcr_el2": 0}

    def control(self, name: str) -> int:
        return self.values[name]

    def set_control(self, name: str, value: int) -> None:
        self.values[name] = value


class BareCpu:
    """The physical CPU interface of one CPU, as a guest on the bare machine uses it."""

    def __init__(self, version: int, registers: Any) -> None:
        self.version, self.registers = version, registers

    def icc(self, name: str, value: int | None = None) -> int:
        port: RegisterPort = self.registers[by_name(f"ICC_{name}_EL1").encoding]
        if value is None:
            assert port.read is not None
            return port.read()
        assert port.write is not None
        port.write(value)
        return 0

    def open(self, groups: int = 3, pmr: int = 0xF8) -> None:
        if self.version == 3:
            self.icc("PMR", pmr)
            self.enable_groups(groups)
        else:
            self.registers.write(4, 4, pmr)
            self.registers.write(0, 4, groups | 1 << 2)

    def enable_groups(self, groups: int) -> None:
        if self.version == 3:
            self.icc("IGRPEN0", groups & 1)
            self.icc("IGRPEN1", groups >> 1)
        else:
            self.registers.write(0, 4, self.registers.read(0, 4) & ~3 | groups)

    def mask(self, pmr: int) -> None:
        if self.version == 3:
            self.icc("PMR", pmr)
        else:
            self.registers.write(4, 4, pmr)

    def acknowledge(self) -> int | None:
        if self.version == 2:
            value: int = self.registers.read(0xC, 4)
            return None if value & 0x3FF >= FIRST_SPECIAL else value
        found = [intid for intid in (self.icc("IAR0"), self.icc("IAR1")) if intid < FIRST_SPECIAL]
        return found[0] if found else None

    def end(self, value: int, group: int) -> None:
        if self.version == 2:
            self.registers.write(0x10, 4, value)
        else:
            self.icc(f"EOIR{group}", value)

    def split(self) -> None:
        if self.version == 3:
            self.icc("CTLR", 1 << 1)
        else:
            self.registers.write(0, 4, self.registers.read(0, 4) | 1 << 9)

    def deactivate(self, value: int) -> None:
        if self.version == 3:
            self.icc("DIR", value)
        else:
            self.registers.write(0x1000, 4, value)

    @property
    def running_priority(self) -> int:
        return int(self.registers.read(0x14, 4)) if self.version == 2 else self.icc("RPR")


class Bare(GuestView):
    """The machine's own GIC: what a vGIC is measured against."""

    vcpus = CPUS

    def __init__(self, version: int) -> None:
        self.version = version
        lines = [CpuLines(no_line, no_line)] * CPUS
        self.gic: Gicv2 | Gicv3
        if version == 3:
            gic = self.gic = Gicv3(lines, [El2View() for _ in range(CPUS)])
            self.gicd = [gic.distributor()] * CPUS
            self.gicr: Device = gic.redistributors()
            self.cpus = [BareCpu(3, gic.ports(cpu)) for cpu in range(CPUS)]
        else:
            old = self.gic = Gicv2(lines)
            self.gicd = [old.distributor(cpu) for cpu in range(CPUS)]
            self.cpus = [BareCpu(2, old.cpu_interface(cpu)) for cpu in range(CPUS)]
        self.write_d(0, 3)

    def place(self, intid: int, vcpu: int) -> tuple[Device, int]:
        if self.version == 3 and intid < 32:
            return self.gicr, CPU_BYTES * vcpu + SGI_BASE
        return self.gicd[vcpu], 0

    def drive(self, intid: int, level: bool, vcpu: int = 0) -> None:
        (self.gic.ppi(vcpu, intid) if intid < 32 else self.gic.spi(intid))(level)


Cpu = PhysicalCpu | BareCpu


class Side:
    """One of the two: a guest, and the GIC that it runs on."""

    def __init__(self, gic: Board | Bare, splits: bool) -> None:
        self.gic, self.splits = gic, splits
        self.ended: list[int] = []
        self.stacks: list[list[int]] = [[] for _ in range(CPUS)]
        for n, intid in enumerate(ALL):
            for vcpu in range(CPUS if intid < 32 else 1):
                gic.enable(intid, 0x10 + 0x10 * (n * 7 % len(ALL)), int(intid not in GROUP_0), intid in EDGES, vcpu)
        for vcpu in range(CPUS):
            if isinstance(gic, Board):
                gic.load(vcpu)
            self.cpu(vcpu).open()
            if splits:
                self.cpu(vcpu).split()

    def cpu(self, vcpu: int) -> Cpu:
        """Return the CPU interface that a vCPU has now."""
        found = self.gic.where[vcpu] if isinstance(self.gic, Board) else self.gic.cpus[vcpu]
        assert found is not None
        return found

    def do(self, step: tuple[Any, ...]) -> Any:
        """Do one step of the guest or of the devices; return what the guest sees."""
        seen = getattr(self, f"do_{step[0]}")(*step[1:])
        self.serve()
        return seen

    def serve(self) -> None:
        """Let the hypervisor take the exits that are due."""
        if isinstance(self.gic, Board):
            self.gic.serve()

    def do_line(self, intid: int, level: bool, vcpu: int) -> None:
        self.gic.drive(intid, level, vcpu)

    def do_pulse(self, intid: int) -> None:
        self.gic.drive(intid, True)
        self.gic.drive(intid, False)

    def do_register(self, register: int, intid: int, vcpu: int) -> None:
        self.gic.set(register, intid, vcpu)

    def do_read(self, register: int, intid: int, vcpu: int) -> bool:
        return self.gic.get(register, intid, vcpu)

    def do_distributor(self, groups: int) -> None:
        self.gic.write_d(0, groups)

    def do_groups(self, vcpu: int, groups: int) -> None:
        self.cpu(vcpu).enable_groups(groups)

    def do_mask(self, vcpu: int, pmr: int) -> None:
        self.cpu(vcpu).mask(pmr)

    def do_route(self, intid: int, vcpu: int) -> None:
        if not any(self.gic.get(ISACTIVER, intid, each) for each in range(CPUS)):
            self.gic.route(intid, vcpu)

    def do_sgi(self, intid: int, sender: int, vcpu: int) -> None:
        name = "SGI0R" if intid in GROUP_0 else "SGI1R"
        if self.gic.version == 2:
            self.gic.write_d(SGIR, 1 << 16 + vcpu | intid, vcpu=sender)
        elif isinstance(self.gic, Board):
            self.gic.vgic.send_sgi(sender, f"ICC_{name}_EL1", intid << 24 | 1 << vcpu)
        else:
            self.gic.cpus[sender].icc(name, intid << 24 | 1 << vcpu)

    def do_arrive(self, intid: int, vcpu: int) -> int | None:
        """Let an interrupt come, and the guest acknowledge what is signalled then: nests grow deep."""
        if intid in SGIS:
            self.do_sgi(intid, vcpu, vcpu)
        elif intid in EDGES:
            self.do_pulse(intid)
        else:
            self.do_line(intid, True, vcpu)
        self.serve()
        return self.do_acknowledge(vcpu)

    def do_acknowledge(self, vcpu: int) -> int | None:
        value = self.cpu(vcpu).acknowledge()
        if value is not None:
            self.stacks[vcpu].append(value)
        return value

    def do_end(self, vcpu: int) -> int:
        """End what was acknowledged last; return the running priority."""
        if self.stacks[vcpu]:
            value = self.stacks[vcpu].pop()
            self.cpu(vcpu).end(value, int(value & 0x3FF not in GROUP_0))
            self.ended += [value] * self.splits
        return self.cpu(vcpu).running_priority

    def do_unwind(self, vcpu: int, count: int) -> list[int]:
        """End some interrupts in a row, and look only then which are active still."""
        for _ in range(count):
            self.do_end(vcpu)
            self.serve()
        return [intid for intid in ALL if self.gic.get(ISACTIVER, intid, vcpu)]

    def do_deactivate(self, vcpu: int, index: int) -> None:
        """Deactivate any interrupt whose priority was dropped, on any CPU; with EOImode 0 there is none."""
        if self.ended:
            value = self.ended.pop(index % len(self.ended))
            if isinstance(self.gic, Board):
                self.gic.write_dir(vcpu, value)
            else:
                self.gic.cpus[vcpu].deactivate(value)

    def do_activate(self, register: int, intid: int, vcpu: int) -> None:
        """Change an active state by the distributor.

        With EOImode 0 the hardware counts ends of interrupts that are in no list register, and does not say which: a
        guest that meddles with active states meanwhile is beyond us, as it is beyond KVM.
        """
        if self.splits:
            self.gic.set(register, intid, vcpu)

    def do_hypervisor(self, what: str) -> None:
        """What no guest may notice."""
        if isinstance(self.gic, Board):
            actions: dict[str, Callable[[], object]] = {
                "trip": partial(self.gic.trip, 0),
                "renew": self.gic.renew,
                "swap": self.swap,
                "dump": self.gic.vgic.dump,
            }
            actions[what]()

    def swap(self) -> None:
        assert isinstance(self.gic, Board)
        places = [self.gic.cpus.index(self.cpu(vcpu)) for vcpu in range(CPUS)]  # type: ignore[arg-type]
        for vcpu in range(CPUS):
            self.gic.put(vcpu)
        for vcpu in range(CPUS):
            self.gic.load(vcpu, places[1 - vcpu])


vcpus = st.integers(0, CPUS - 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from(ALL), vcpus),
        st.tuples(st.just("arrive"), st.sampled_from(ALL), st.just(0)),
        st.tuples(st.just("arrive"), st.sampled_from(ALL), st.just(0)),
        st.tuples(st.just("unwind"), vcpus, st.integers(2, 4)),
        st.tuples(st.just("line"), st.sampled_from(LEVELS + PPIS), st.booleans(), vcpus),
        st.tuples(st.just("pulse"), st.sampled_from(EDGES)),
        st.tuples(st.just("sgi"), st.sampled_from(SGIS), vcpus, vcpus),
        st.tuples(st.just("acknowledge"), vcpus),
        st.tuples(st.just("acknowledge"), vcpus),
        st.tuples(st.just("end"), vcpus),
        st.tuples(st.just("end"), vcpus),
        st.tuples(st.just("register"), st.sampled_from([ISENABLER, ICENABLER]), st.sampled_from(ALL), vcpus),
        st.tuples(st.just("register"), st.sampled_from([ISPENDR, ICPENDR]), st.sampled_from((20, *SPIS)), vcpus),
        st.tuples(st.just("read"), st.sampled_from([ISENABLER, ISPENDR, ISACTIVER]), st.sampled_from(ALL), vcpus),
        st.tuples(st.just("deactivate"), vcpus, st.integers(0, 3)),
        st.tuples(st.just("deactivate"), vcpus, st.integers(0, 3)),
        st.tuples(st.just("activate"), st.sampled_from([ISACTIVER, ICACTIVER]), st.sampled_from(ALL), vcpus),
        st.tuples(st.just("distributor"), st.integers(0, 3)),
        st.tuples(st.just("groups"), vcpus, st.integers(0, 3)),
        st.tuples(st.just("mask"), vcpus, st.sampled_from([0x40, 0xF8])),
        st.tuples(st.just("route"), st.sampled_from(SPIS), vcpus),
        st.tuples(st.just("hypervisor"), st.sampled_from(["trip", "renew", "swap", "dump"])),
    ),
    max_size=60,
)


def compare(version: int, list_registers: int, splits: bool, plan: list[tuple[Any, ...]]) -> None:
    virtual, bare = Side(Board(version, CPUS, list_registers), splits), Side(Bare(version), splits)
    for number, step in enumerate(plan):
        seen, expected = virtual.do(step), bare.do(step)
        assert seen == expected, f"step {number}, {step}: {seen}, but the machine's own GIC shows {expected}"
    for side in (virtual, bare):
        for vcpu in range(CPUS):
            side.do(("mask", vcpu, 0xF8))
            side.do(("groups", vcpu, 3))
        side.do(("distributor", 3))
    for vcpu in range(CPUS):
        drain(virtual, bare, vcpu)


def drain(virtual: Side, bare: Side, vcpu: int) -> None:
    """Let both guests end what they have, and take what is left, with all lines low at last: nothing may be lost."""
    for intid in LEVELS + PPIS:
        for side in (virtual, bare):
            side.do(("line", intid, False, vcpu))
    for _ in range(4 * len(ALL)):
        for step in (("end", vcpu), ("deactivate", vcpu, 0), ("acknowledge", vcpu)):
            assert virtual.do(step) == bare.do(step)
    assert not virtual.stacks[vcpu]
    for intid in ALL:
        assert virtual.do_read(ISACTIVER, intid, vcpu) == bare.do_read(ISACTIVER, intid, vcpu)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([2, 3]), st.sampled_from([1, 2, 3, 4, 16]), st.booleans(), steps)
def test_a_guest_cannot_tell_it_from_the_machines_gic(
    version: int, count: int, splits: bool, plan: list[tuple[Any, ...]]
) -> None:
    compare(version, count, splits, plan)
