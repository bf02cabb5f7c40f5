"""The same hypervisor and the same guest on both GIC versions: what the tests of the virtual interface stand on."""

from __future__ import annotations

from typing import ClassVar

from arm_hyp.arch import sysregs
from arm_hyp.arch.gic import INTID_OTHER_GROUP, INTID_SPURIOUS
from arm_hyp.arch.registers.gic_virtual import ICH_LR_EL2
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.gic.gich import Gich, decode_gich_lr, encode_gich_lr
from arm_hyp.machine.gic.gicv import Gicv
from arm_hyp.machine.gic.ich import ich_ports
from arm_hyp.machine.gic.icv import icv_ports
from arm_hyp.machine.gic.virtual import VirtualInterface
from arm_hyp.machine.gic.virtual_control import VirtualLines
from arm_hyp.machine.seams import IrqLine

INVALID, PENDING, ACTIVE, PENDING_AND_ACTIVE = range(4)
EN, UIE, LRENPIE, NPIE, VGRP0EIE, VGRP0DIE, VGRP1EIE, VGRP1DIE = (1 << bit for bit in range(8))
EOI_STATUS, U, LRENP, NP, VGRP0E, VGRP0D, VGRP1E, VGRP1D = (1 << bit for bit in range(8))
EOI_COUNT_ONE = 1 << 27


class Recorder:
    """Takes what the interface drives: the last level of each line, how often it was driven, what was deactivated."""

    def __init__(self) -> None:
        self.levels: dict[str, bool] = {}
        self.calls: list[tuple[str, bool]] = []
        self.deactivated: list[int] = []
        self.lines = VirtualLines(self._line("virq"), self._line("vfiq"), self._line("maintenance"))

    def _line(self, name: str) -> IrqLine:
        def drive(level: bool) -> None:
            self.levels[name] = level
            self.calls.append((name, level))

        return drive


class FakeCpu:
    """A core that keeps ICH_HCR_EL2 and is at EL1."""

    el = 1

    def __init__(self) -> None:
        self.values = {"ich_hcr_el2": 0}

    def control(self, name: str) -> int:
        """Read a control register."""
        return self.values[name]

    def set_control(self, name: str, value: int) -> None:
        """Change a control register as hardware does."""
        self.values[name] = value


class Bench:
    """What both versions share: registers by name, GICv3's names without prefix and suffix (`HCR`, `LR0`, `IAR1`)."""

    interface: VirtualInterface

    def __init__(self) -> None:
        self.recorder = Recorder()

    def read(self, name: str) -> int:
        """Read a register; list registers in the layout of ICH_LR<n>_EL2."""
        raise NotImplementedError

    def write(self, name: str, value: int) -> None:
        """Write a register; list registers in the layout of ICH_LR<n>_EL2."""
        raise NotImplementedError

    def set_enables(self, group0: int, group1: int) -> None:
        """Enable the groups as the guest does."""
        raise NotImplementedError

    def set_mode(self, *, eoi_mode: int = 0, cbpr: int = 0) -> None:
        """Choose the end of interrupt mode and the common binary point as the guest does."""
        raise NotImplementedError

    @property
    def high(self) -> set[str]:
        """The lines that are high."""
        return {name for name, level in self.recorder.levels.items() if level}

    @property
    def deactivated(self) -> list[int]:
        """The physical INTIDs that were deactivated."""
        return self.recorder.deactivated

    @property
    def active(self) -> int:
        """The active priorities of both groups."""
        return self.read("AP0") | self.read("AP1")

    @property
    def eoi_count(self) -> int:
        """ICH_HCR_EL2.EOIcount."""
        return self.read("HCR") >> 27

    def state(self, n: int) -> int:
        """Return the state of a list register."""
        return ICH_LR_EL2(self.read(f"LR{n}")).State

    def open(self, hcr: int = EN) -> None:
        """Enable the interface and both groups, and let all priorities pass."""
        self.write("HCR", hcr)
        self.write("PMR", 0xFF)
        self.set_enables(1, 1)

    def fill(self, n: int, intid: int, state: int = PENDING, **fields: int) -> None:
        """Write a list register: by default a pending interrupt of Group 1 and priority 0x80."""
        self.write(f"LR{n}", ICH_LR_EL2.of(**{"State": state, "Group": 1, "Priority": 0x80, "vINTID": intid} | fields))


class Gicv2Bench(Bench):
    """GICH and GICV. Group 0 goes by IAR, EOIR and HPPIR, Group 1 by their aliases; Group 0 is a virtual FIQ."""

    OFFSETS: ClassVar = {
        "HCR": 0x00, "VTR": 0x04, "VMCR": 0x08, "MISR": 0x10, "EISR": 0x20, "ELRSR": 0x30, "AP0": 0xF0, "AP1": 0xF0,
    }  # fmt: skip
    GUEST_OFFSETS: ClassVar = {
        "CTLR": 0x00, "PMR": 0x04, "BPR0": 0x08, "IAR0": 0x0C, "EOIR0": 0x10, "RPR": 0x14, "HPPIR0": 0x18,
        "BPR1": 0x1C, "IAR1": 0x20, "EOIR1": 0x24, "HPPIR1": 0x28, "DIR": 0x1000,
    }  # fmt: skip

    def __init__(self, list_registers: int = 4) -> None:
        super().__init__()
        self.interface = VirtualInterface.gicv2(self.recorder.lines, self.deactivated.append, list_registers)
        self.gich, self.gicv = Gich(self.interface), Gicv(self.interface)
        self.write("VMCR", 1 << 3)

    def read(self, name: str) -> int:
        if name in self.GUEST_OFFSETS:
            value = self.gicv.read(self.GUEST_OFFSETS[name], 4)
            return INTID_SPURIOUS if value == INTID_OTHER_GROUP else value
        if name.startswith("LR"):
            return decode_gich_lr(self.gich.read(0x100 + 4 * int(name[2:]), 4))
        return self.gich.read(self.OFFSETS[name], 4)

    def write(self, name: str, value: int) -> None:
        if name in self.GUEST_OFFSETS:
            self.gicv.write(self.GUEST_OFFSETS[name], 4, value)
        elif name.startswith("LR"):
            self.gich.write(0x100 + 4 * int(name[2:]), 4, encode_gich_lr(value))
        else:
            self.gich.write(self.OFFSETS[name], 4, value)

    def set_enables(self, group0: int, group1: int) -> None:
        self.write("CTLR", self.read("CTLR") & ~3 | group1 << 1 | group0)

    def set_mode(self, *, eoi_mode: int = 0, cbpr: int = 0) -> None:
        self.write("CTLR", self.read("CTLR") & ~0x210 | eoi_mode << 9 | cbpr << 4)


class Gicv3Bench(Bench):
    """ICH_* and ICV_*, with a core that keeps ICH_HCR_EL2."""

    def __init__(self, list_registers: int = 4) -> None:
        super().__init__()
        self.cpu = FakeCpu()
        self.interface = VirtualInterface.gicv3(self.cpu, self.recorder.lines, self.deactivated.append, list_registers)
        self.ports = {sysregs.name_of(at): port for at, port in ich_ports(self.interface).items()}
        self.guest_ports = {sysregs.name_of(at): port for at, port in icv_ports(self.interface).items()}

    def port(self, name: str) -> RegisterPort:
        """Return the port of a register: of EL2 where it has one by this name, else of the guest."""
        for ports, full_name in (
            (self.ports, f"ICH_{name}_EL2"),
            (self.ports, f"ICH_{name}R0_EL2"),
            (self.guest_ports, f"ICC_{name}_EL1"),
        ):
            if full_name in ports:
                return ports[full_name]
        raise KeyError(name)

    def read(self, name: str) -> int:
        if name == "HCR":
            return self.cpu.control("ich_hcr_el2")
        read = self.port(name).read
        assert read is not None
        return read()

    def write(self, name: str, value: int) -> None:
        if name == "HCR":
            old = self.cpu.control("ich_hcr_el2")
            self.cpu.set_control("ich_hcr_el2", self.interface.filter_control("ich_hcr_el2", old, value))
            self.interface.control_written("ich_hcr_el2")
            return
        write = self.port(name).write
        assert write is not None
        write(value)

    def set_enables(self, group0: int, group1: int) -> None:
        self.write("IGRPEN0", group0)
        self.write("IGRPEN1", group1)

    def set_mode(self, *, eoi_mode: int = 0, cbpr: int = 0) -> None:
        self.write("CTLR", eoi_mode << 1 | cbpr)


BENCHES = {"GICv2": Gicv2Bench, "GICv3": Gicv3Bench}
