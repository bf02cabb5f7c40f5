"""The guests as test cases: each by name, with the settings that it is run with."""

from dataclasses import dataclass
from functools import cache

import msgspec

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import EventSink, RecordingSink
from arm_hyp.machine.machine import Machine, Outcome
from arm_hyp.resources import guests_directory
from arm_hyp.runner.settings import apply_setting, parse_setting

BASE = 0x4008_0000
LIMIT = 20_000


@dataclass(frozen=True)
class Case:
    """One run of a guest. `name` is the golden file's; `end` is the reason for the end of the run."""

    name: str
    guest: str
    settings: tuple[str, ...] = ()
    end: str = "guest"


VARIANTS = (
    Case("02-wfi", "02-wfi", end="idle"),
    Case("02-wfi-twi", "02-wfi", ("HCR_EL2.TWI=1",)),
    Case("03-wfe-waits", "03-wfe", ("X19=1",), end="idle"),
)
GUESTS = sorted(path.stem for path in guests_directory().glob("*.s"))
CASES = [Case(name, name) for name in GUESTS if name != "02-wfi"] + list(VARIANTS)


@cache
def code_of(guest: str) -> bytes:
    """Assemble a guest."""
    path = guests_directory() / f"{guest}.s"
    return assemble(path.read_text(), filename=path.name, base=BASE).code


def machine_for(case: Case, sink: EventSink) -> Machine:
    """Make a machine that is about to run the case."""
    machine = Machine(sink=sink, memory_bytes=32 << 20)
    machine.write_memory(BASE, code_of(case.guest))
    machine.core.pc = BASE
    for setting in case.settings:
        apply_setting(machine.core, parse_setting(setting))
    return machine


def run(case: Case) -> tuple[Machine, Outcome, list[str]]:
    """Run a case to its end; return its trace, one JSON object an event, without the control registers."""
    sink = RecordingSink()
    machine = machine_for(case, sink)
    return machine, machine.run(LIMIT), trace(sink)


def trace(sink: RecordingSink) -> list[str]:
    """Write down the events, one JSON object each."""
    plain = [msgspec.to_builtins(event) for event in sink.events]
    for event in plain:
        event.pop("controls", None)
    return [msgspec.json.encode(event).decode() for event in plain]
