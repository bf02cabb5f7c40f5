"""A witness made by hand, events made short, and what a watch finds in a list of them."""

import struct
from typing import Any

from arm_hyp.arch.translation import TranslationRegisters
from arm_hyp.events import (
    Barrier,
    Ended,
    Event,
    ExceptionReturned,
    ExceptionTaken,
    Maintenance,
    RegisterAccess,
    TranslationWrite,
)
from arm_hyp.explain.checkers import Watch

RAM = 0x4000_0000


class HandMade:
    """A machine of which only what a test sets is there. `count` is what every CPU has retired."""

    def __init__(self, cpus: int = 1) -> None:
        self.cpus, self.count = cpus, 0
        self.registers: dict[str, int] = {}
        self.calls_keep = (0,) * 11
        self.controls = TranslationRegisters()
        self.lists: list[int] = [0, 0, 0, 0]
        self.active: set[int] = set()
        self.memory = bytearray(1 << 20)

    def retired(self, cpu: int) -> int:
        return self.count

    def kept(self, cpu: int) -> tuple[int, ...]:
        return self.calls_keep

    def register(self, cpu: int, name: str) -> int:
        return self.registers.get(name, 0)

    def translation(self, cpu: int) -> TranslationRegisters:
        return self.controls

    def list_registers(self, cpu: int) -> list[int]:
        return list(self.lists)

    def is_active(self, cpu: int, intid: int) -> bool:
        return intid in self.active

    def read(self, pa: int, size_bytes: int) -> bytes | None:
        start = pa - RAM
        return bytes(self.memory[start : start + size_bytes]) if 0 <= start <= len(self.memory) - size_bytes else None

    def write64(self, pa: int, value: int) -> None:
        struct.pack_into("<Q", self.memory, pa - RAM, value)


def place(n: int = 0, cpu: int = 0, el: int = 2, pc: int = 0x1000) -> dict[str, int]:
    return {"n": n, "seq": 0, "cpu": cpu, "el": el, "pc": pc}


def taken(elr: int, ec: int | None = 0x16, *, n: int = 0, cpu: int = 0, **changes: Any) -> ExceptionTaken:
    """An exception from EL1h to EL2, by default an HVC: a call that has completed lies before its ELR."""
    fields: dict[str, Any] = dict(
        kind="sync" if ec is not None else "irq", from_el=1, to_el=2, vector=0x4000_0C00, ec=ec,
        esr=None if ec is None else ec << 26, far=None, hpfar=None, elr=elr, spsr=0x3C5, virtual=False, python=False,
        instruction=None, controls={},
    )  # fmt: skip
    fields |= changes
    pc = fields.pop("pc", elr - 4 if ec in (0x15, 0x16) else elr)
    return ExceptionTaken(**place(n, cpu, fields["from_el"], pc), **fields)


def returned(elr: int, *, n: int = 0, cpu: int = 0, from_el: int = 2, to_el: int = 1, spsr: int = 0x3C5, pc: int = 8):
    """An ERET, by default from EL2 to EL1h."""
    return ExceptionReturned(
        **place(n, cpu, from_el, pc), from_el=from_el, to_el=to_el, elr=elr, spsr=spsr, illegal=None
    )


def tlbi(operation: str, operand: int = 0, **where: int) -> Maintenance:
    return Maintenance(**place(**where), operation=f"TLBI {operation}", operand=operand)


def barrier(instruction: str, **where: int) -> Barrier:
    return Barrier(**place(**where), instruction=instruction)


def writes(register: str, value: int, **where: int) -> RegisterAccess:
    return RegisterAccess(**place(**where), register=register, is_read=False, value=value)


def reads(register: str, value: int, **where: int) -> RegisterAccess:
    return RegisterAccess(**place(**where), register=register, is_read=True, value=value)


def sets_table(register: str, value: int, **where: int) -> TranslationWrite:
    return TranslationWrite(**place(**where), register=register, value=value)


def ended(**where: int) -> Ended:
    return Ended(**place(**where), reason="guest", status=0, text="")


def found(*events: Event, witness: HandMade | None = None) -> list[str]:
    """Return the codes that a list of events raises, in order."""
    watch = Watch(witness or HandMade())
    for event in events:
        watch.emit(event)
    return [finding.code for finding in watch.findings]
