"""The guests as test cases: each by name, with the settings that it is run with."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import msgspec
import pytest

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import EventSink, RecordingSink
from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.loader import Segment
from arm_hyp.machine.machine import Machine, Outcome
from arm_hyp.resources import guests_directory
from arm_hyp.runner.applying import apply_setting
from arm_hyp.runner.settings import parse_setting

BASE = 0x4008_0000
LIMIT = 20_000


@dataclass(frozen=True)
class Case:
    """One run of a guest. `name` is the golden file's; `end` is the reason for the end of the run.

    `not_on_qemu` says why QEMU 7.2 cannot run it to its end.
    """

    name: str
    guest: str
    settings: tuple[str, ...] = ()
    end: str = "guest"
    gic: int = 2
    cpus: int = 1
    model: str = "a72"
    not_on_qemu: str = ""


VARIANTS = (
    Case("02-wfi", "02-wfi", end="idle"),
    Case("02-wfi-twi", "02-wfi", ("HCR_EL2.TWI=1",)),
    Case("03-wfe-waits", "03-wfe", ("X19=1",), end="idle"),
)


def _both_gics(guest: str, **options: Any) -> tuple[Case, Case]:
    return Case(f"{guest}-gicv2", guest, **options), Case(f"{guest}-gicv3", guest, gic=3, **options)


BOARD_CASES = (
    Case("04-hcrx-traps", "04-hcrx-traps", model="max-fgt", not_on_qemu="it has no FEAT_TCR2, FEAT_SCTLR2 and FEAT_XS"),
    Case("14-timer-gicv2", "14-timer-gicv2"),
    Case("15-timer-gicv3", "15-timer-gicv3", gic=3),
    *_both_gics("16-preemption"),
    *_both_gics("17-unmask"),
    Case("18-inject-gicv2", "18-inject-gicv2"),
    Case("18-inject-gicv3", "18-inject-gicv3", gic=3),
    *_both_gics("19-smp", cpus=2),
    Case("20-other-cpus-code", "20-other-cpus-code", cpus=2),
    Case("21-virtual-count", "21-virtual-count"),
    Case("22-vhe", "22-vhe", model="max"),
    *_both_gics("22-vhe-timers", model="max", not_on_qemu="the EL2 virtual timer leads to no interrupt there"),
    *_both_gics("23-pmu"),
    *_both_gics("24-reset"),
)
"""The guests of the board: they print PASS and switch the machine off."""

FIRST_FOR_VMS = 25
"""The guests from this number on run in VMs: see `vm_support.py`."""
_SPECIAL = {"02-wfi", *(case.guest for case in BOARD_CASES)}
_ALL = sorted(path.stem for path in guests_directory().glob("*.s"))
GUESTS = [name for name in _ALL if int(name[:2]) < FIRST_FOR_VMS]
CASES = [Case(name, name) for name in GUESTS if name not in _SPECIAL] + [*VARIANTS, *BOARD_CASES]


class OfGuest(Protocol):
    """One run of a guest, here or in VMs."""

    name: str
    guest: str


def one_of_each_guest(cases: Sequence[OfGuest]) -> pytest.MarkDecorator:
    """Give a test the last case of each guest, and with `LONG=1` the others, too."""
    last = {case.guest: case for case in cases}
    marks = [() if last[case.guest] is case else pytest.mark.long for case in cases]
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=case.name, marks=mark) for case, mark in zip(cases, marks, strict=True)]
    )


@cache
def code_of(guest: str, base: int = BASE) -> bytes:
    """Assemble a guest."""
    path = guests_directory() / f"{guest}.s"
    return assemble(path.read_text(), filename=path.name, base=base, path=path).code


def machine_for(case: Case, sink: EventSink) -> Machine:
    """Make a machine that is about to run the case."""
    machine = Machine(sink=sink, memory_bytes=32 << 20, gic=case.gic, cpus=case.cpus, model=case.model)
    machine.boot(BootPlan((Segment(BASE, code_of(case.guest)),), BASE))
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
