"""A machine with assembled code, for the tests of the core."""

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import Event, EventSink, RecordingSink
from arm_hyp.machine.machine import Machine

BASE = 0x4008_0000
VECTORS = 0x4009_0000
POWER_OFF = "ldr x0, =0x84000008\n smc #0\n"


def vectors(**handlers: str) -> str:
    """Assembly of a vector table at VECTORS: `sync_same`, `irq_same`, `sync_lower`, ...; the others spin."""
    groups = ("sp0", "same", "lower", "aarch32")
    kinds = ("sync", "irq", "fiq", "serror")
    text = f".org {VECTORS - BASE:#x}\n"
    for group in groups:
        for kind in kinds:
            text += f".balign 128\n{handlers.get(f'{kind}_{group}', 'b .')}\n"
    return text


def machine(source: str, sink: EventSink | None = None, **options: object) -> Machine:
    """Make a machine with the source at BASE, ready to run."""
    made = Machine(sink=sink if sink is not None else RecordingSink(), memory_bytes=16 << 20, **options)  # type: ignore[arg-type]
    assembled = assemble(source, filename="test.s", base=BASE)
    made.write_memory(BASE, assembled.code)
    made.core.pc = BASE
    return made


def events(made: Machine, kind: type[Event]) -> list[Event]:
    """Return the events of one type."""
    assert isinstance(made.core.sink, RecordingSink)
    return [event for event in made.core.sink.events if isinstance(event, kind)]
