"""The CPU interface of GICv3 as system registers, ICC_*_EL1.

Read `machine/gic/cpu_interface.py` and `arch/registers/gic.py` before this file, `machine/gic/register_ports.py` after
it. One Security state: Group 0 is signalled as FIQ, Group 1 as IRQ.

Simplified: what IHI 0069 leaves CONSTRAINED UNPREDICTABLE is decided as QEMU does. An EOI is ignored unless the running
priority is of its group; ICC_DIR_EL1 is ignored while EOImode is 0.

Ref: IHI 0069 12.2, by register name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from arm_hyp.arch.gic import INTID_COUNT, INTID_SPURIOUS, common_bpr1
from arm_hyp.arch.registers.gic import ICC_CTLR_EL1
from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.cpu.system_registers import RegisterPort
from arm_hyp.machine.gic.cpu_interface import CpuInterface
from arm_hyp.machine.gic.distributor import NOTHING, intid_of
from arm_hyp.machine.gic.priority import highest_active_group, running_priority

PRIORITY_BITS: Final = 5
_CTLR_FIXED: Final = ICC_CTLR_EL1().replace(A3V=1, IDbits=1, PRIbits=PRIORITY_BITS - 1)
_INTID: Final = 0xFF_FFFF

GenerateSgi = Callable[[int, int, tuple[int, ...]], None]
"""`generate(sender, value, groups)`: send an SGI as ICC_SGI1R_EL1 lays it out, if its target has it in `groups`."""


class SystemRegisters:
    """The ICC_* registers of one CPU, but for ICC_SRE_ELx: the core keeps these, and `Gicv3` fixes their values."""

    def __init__(self, interface: CpuInterface, generate: GenerateSgi) -> None:
        self._interface, self._generate = interface, generate

    def ports(self) -> dict[Encoding, RegisterPort]:
        """Return the registers by encoding."""
        rows = self._common_rows() | self._group_rows(0) | self._group_rows(1) | self._sgi_rows()
        return {by_name(f"ICC_{name}_EL1").encoding: port for name, port in rows.items()}

    def _common_rows(self) -> dict[str, RegisterPort]:
        interface = self._interface
        return {
            "CTLR": RegisterPort(self._read_control, self._write_control),
            "PMR": RegisterPort(lambda: interface.pmr, interface.set_pmr),
            "RPR": RegisterPort(lambda: running_priority(*interface.active), None),
            "DIR": RegisterPort(None, self._deactivate),
        }

    def _group_rows(self, group: int) -> dict[str, RegisterPort]:
        interface = self._interface
        return {
            f"IAR{group}": RegisterPort(partial(self._acknowledge, group), None),
            f"EOIR{group}": RegisterPort(None, partial(self._end, group)),
            f"HPPIR{group}": RegisterPort(partial(self._highest, group), None),
            f"BPR{group}": RegisterPort(*((self._read_bpr1, self._write_bpr1) if group else self._bpr0())),
            f"IGRPEN{group}": RegisterPort(lambda: interface.groups >> group & 1, partial(self._enable_group, group)),
            f"AP{group}R0": RegisterPort(
                partial(interface.active[group].register, 0), partial(interface.set_active_priorities, group, 0)
            ),
        }

    def _sgi_rows(self) -> dict[str, RegisterPort]:
        """Return the registers that generate SGIs.

        With one Security state ICC_ASGI1R_EL1 reaches what would be Secure Group 1 of the other: here Group 0.
        """
        sends = {"SGI0R": (0,), "SGI1R": (1,), "ASGI1R": (0,)}
        return {name: RegisterPort(None, partial(self._send, groups)) for name, groups in sends.items()}

    def _send(self, groups: tuple[int, ...], value: int) -> None:
        self._generate(self._interface.cpu, value, groups)

    # --- control -----------------------------------------------------------------------------------------------

    def _read_control(self) -> int:
        return int(_CTLR_FIXED.replace(EOImode=int(self._interface.split), CBPR=int(self._interface.cbpr)))

    def _write_control(self, value: int) -> None:
        control = ICC_CTLR_EL1(value)
        self._interface.split, self._interface.cbpr = bool(control.EOImode), bool(control.CBPR)
        self._interface.update()

    def _enable_group(self, group: int, value: int) -> None:
        interface = self._interface
        interface.groups = interface.groups & ~(1 << group) | (value & 1) << group
        interface.update()

    def _bpr0(self) -> tuple[Callable[[], int], Callable[[int], None]]:
        return lambda: self._interface.bpr0, partial(self._interface.set_bpr, 0)

    def _read_bpr1(self) -> int:
        """Read ICC_BPR1_EL1: under CBPR it shows Group 0's plus one, and ignores writes."""
        return common_bpr1(self._interface.bpr0) if self._interface.cbpr else self._interface.bpr1

    def _write_bpr1(self, value: int) -> None:
        if not self._interface.cbpr:
            self._interface.set_bpr(1, value)

    # --- acknowledge, end --------------------------------------------------------------------------------------

    def _visible(self, rank: int, group: int) -> int:
        return intid_of(rank) if rank != NOTHING and self._interface.group_of(rank) == group else INTID_SPURIOUS

    def _acknowledge(self, group: int) -> int:
        rank = self._interface.signalled()
        intid = self._visible(rank, group)
        return intid if intid == INTID_SPURIOUS else self._interface.acknowledge(rank)

    def _highest(self, group: int) -> int:
        return self._visible(self._interface.highest_pending(), group)

    def _end(self, group: int, value: int) -> None:
        intid, interface = value & _INTID, self._interface
        if intid < INTID_COUNT and highest_active_group(*interface.active) == group:
            interface.end(intid, group)

    def _deactivate(self, value: int) -> None:
        intid, interface = value & _INTID, self._interface
        if interface.split and intid < INTID_COUNT:
            interface.distributor.deactivate(interface.cpu, intid)
