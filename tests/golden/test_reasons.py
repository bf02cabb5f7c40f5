"""Every exception of every guest has its reason in one sentence; with the bit that it names the other way it is gone.

Read `arm_hyp/explain/why.py` before this file, `test_vm_reasons.py`, the same for VMs, after it. The machine is run to
the instruction that trapped, a named bit is turned round, and one instruction is executed: the same exception must not
come again. Calls, UNDEFINED instructions and aborts that no control bit decides name none, and say so.
"""

from __future__ import annotations

import io
from collections import Counter
from functools import cache
from typing import Any

import pytest
from golden_support import CASES, LIMIT, Case, machine_for, one_of_each_guest

from arm_hyp.arch.bitfields import Field
from arm_hyp.arch.registers import REGISTERS
from arm_hyp.arch.sysregs import by_name
from arm_hyp.cli.trace_sinks import trace_sink
from arm_hyp.debug.exports.formats import Source
from arm_hyp.events import ExceptionTaken, NullSink, RecordingSink
from arm_hyp.explain.why import why
from arm_hyp.explain.why_faults import NamedBit

WITHOUT_A_BIT = (
    "no control bit has to ask for it",
    "is UNDEFINED",
    "nothing answers at the physical address",
    "is not a multiple of",
)
NOT_REACHED = 1
"""Exceptions of a guest before which its run cannot be stopped: they come behind another at the same position."""


@cache
def exceptions(case: Case) -> tuple[ExceptionTaken, ...]:
    sink = RecordingSink()
    machine_for(case, sink).run(LIMIT)
    return tuple(event for event in sink.events if isinstance(event, ExceptionTaken))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_exception_has_its_reason(case: Case) -> None:
    for event in exceptions(case):
        reason = why(event, case.model, case.gic)
        assert reason.sentence.endswith(".") and "\n" not in reason.sentence
        assert "no trap control decides" not in reason.sentence
        for register, field, value in reason.bits:
            assert f"{register}.{field}" in reason.sentence or f"and {field} are" in reason.sentence
            assert value_of(event, register, field) == value
        assert reason.bits or any(text in reason.sentence for text in WITHOUT_A_BIT), reason.sentence


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_trace_carries_the_reasons(case: Case) -> None:
    written = io.StringIO()
    sink = trace_sink("why", written, Source(lambda event: event.n, machine=(case.model, case.gic)))
    machine_for(case, sink).run(LIMIT)
    sink.close()
    told = [line.strip() for line in written.getvalue().splitlines() if line.startswith(" " * 12)]
    assert told == [why(event, case.model, case.gic).sentence for event in exceptions(case)]


def field_of(event: ExceptionTaken, register: str, name: str) -> Field:
    is_e2h = event.controls["hcr_el2"] >> 34 & 1 and f"{register}_E2H" in REGISTERS
    return REGISTERS[f"{register}_E2H" if is_e2h else register].field(name)


def value_of(event: ExceptionTaken, register: str, name: str) -> int:
    held = event.spsr if register == "PSTATE" else event.controls[register.lower()]
    field = field_of(event, register, name)
    return held >> field.lsb & field.max


class Trial:
    """A guest that goes on from exception to exception, and a second machine that tries what comes next."""

    def __init__(self, case: Case) -> None:
        self._guest, self._sink = machine_for(case, NullSink()), RecordingSink()
        self._other = machine_for(case, self._sink)

    def stop_before(self, event: ExceptionTaken) -> bool:
        """Run the guest to a place from which this exception is the next; False if no stop lies there.

        A single step is taken behind an instruction: then the place is before that one.
        """
        states = []
        for n in (event.n - 1, event.n):
            if self._guest.retired < n:
                self._guest.run(n)
            if self._guest.retired == n:
                states.append(self._guest.snapshot())
        return any(self._is_taken_from(state, event) for state in reversed(states))

    def _is_taken_from(self, state: dict[str, Any], event: ExceptionTaken) -> bool:
        self._state = state
        return self.is_taken(event)

    def is_taken(self, event: ExceptionTaken, bit: NamedBit | None = None) -> bool:
        """Tell whether the exception is the first that comes, with a control bit turned round."""
        machine = self._other
        machine.restore(self._state)
        self._sink.events.clear()
        if bit is not None:
            self._flip(event, bit)
        machine.run(event.n + 1)
        taken = [one for one in self._sink.events if isinstance(one, ExceptionTaken)]
        return bool(taken) and alike(taken[0], event)

    def _flip(self, event: ExceptionTaken, bit: NamedBit) -> None:
        register, name, value = bit
        field, registers = field_of(event, register, name), self._other.cpus.cores[event.cpu].registers
        held = registers.read(by_name(register).encoding)
        assert held is not None
        assert registers.write(by_name(register).encoding, held & ~field.mask | (field.max ^ value) << field.lsb)


def alike(first: ExceptionTaken, second: ExceptionTaken) -> bool:
    """Tell whether two exceptions are the same: an abort for another reason is another."""
    return all(
        getattr(first, name) == getattr(second, name) for name in ("kind", "to_el", "esr", "pc", "cpu", "virtual")
    )


@one_of_each_guest(CASES)
def test_with_the_named_bit_the_other_way_the_exception_is_gone(case: Case) -> None:
    outcomes: Counter[str] = Counter()
    done: set[tuple[int, tuple[NamedBit, ...]]] = set()
    trial = Trial(case)
    for event in exceptions(case):
        reason = why(event, case.model, case.gic)
        bits = tuple(bit for bit in reason.bits if bit[0] != "PSTATE")  # not a control: nothing to set beforehand
        if not bits or (event.pc, bits) in done:
            continue
        if not trial.stop_before(event):
            outcomes["not reached"] += 1
            continue
        done.add((event.pc, bits))
        assert not all(trial.is_taken(event, bit) for bit in bits), f"{reason.sentence} It comes anyway"
        outcomes["gone"] += 1
    print(f"\n{case.name}: {dict(outcomes)}")
    assert outcomes["not reached"] <= NOT_REACHED
