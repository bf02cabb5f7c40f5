"""Machines with small assembly guests, for the tests of the board: several CPUs, traces, complete states."""

from __future__ import annotations

import hashlib
from typing import Any

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import Event, EventSink, RecordingSink
from arm_hyp.machine.machine import Machine

BASE = 0x4008_0000
DATA = 0x4010_0000
MEMORY_BYTES = 16 << 20
POWER_OFF = "ldr x0, =0x84000008\n smc #0\n"
HANDLER_SKIPS = "mrs x28, elr_el2\n add x28, x28, #4\n msr elr_el2, x28\n eret"


def machine(source: str, sink: EventSink | None = None, **options: object) -> Machine:
    """Make a machine with the source at BASE, ready to run."""
    kept = sink if sink is not None else RecordingSink()
    made = Machine(sink=kept, **{"memory_bytes": MEMORY_BYTES, **options})
    made.write_memory(BASE, assemble(source, filename="test.s", base=BASE).code)
    made.core.pc = BASE
    return made


def with_vectors(source: str, **handlers: str) -> str:
    """Assembly with a vector table in VBAR_EL2: `sync_same`, `irq_same`, ...; the others spin."""
    text = f"adr x0, vector_table\n msr vbar_el2, x0\n isb\n{source}\n b .\n .ltorg\n .balign 2048\nvector_table:\n"
    for group in ("sp0", "same", "lower", "aarch32"):
        for kind in ("sync", "irq", "fiq", "serror"):
            text += f".balign 128\n{handlers.get(f'{kind}_{group}', 'b .')}\n"
    return text + " .ltorg\n"


def start_cpu(number: int, entry: str, context_id: int = 0) -> str:
    """Assembly that starts a CPU by PSCI CPU_ON; X0 holds the answer."""
    return f"ldr x0, =0xc4000003\n mov x1, #{number}\n adr x2, {entry}\n ldr x3, ={context_id:#x}\n smc #0\n"


def events(made: Machine, kind: type[Event]) -> list[Any]:
    """Return the events of one type."""
    return [event for event in trace(made) if isinstance(event, kind)]


def trace(made: Machine) -> list[Event]:
    """Return all events so far."""
    assert isinstance(made.core.sink, RecordingSink)
    return made.core.sink.events


def word(made: Machine, address: int) -> int:
    """Read 32 bits of RAM."""
    return int.from_bytes(made.read_memory(address, 4), "little")


def state(made: Machine) -> dict[str, Any]:
    """Return a snapshot that compares well: RAM by its hash."""
    return made.snapshot() | {"ram": hashlib.sha256(made.ram).hexdigest()}
