"""The agenda: the earliest deadline of all, and no run goes past one, whatever register set it."""

from __future__ import annotations

from board_support import POWER_OFF, events, machine, state, with_vectors
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.events import ExceptionTaken, InterruptLine
from arm_hyp.machine.agenda import Agenda, WithDeadlines


class Source:
    """Something with a deadline; counts its updates."""

    def __init__(self, at: int | None) -> None:
        self.at, self.updates = at, 0

    def next_deadline_ns(self) -> int | None:
        return self.at

    def update(self) -> None:
        self.updates += 1


class Clock:
    now_ns = ticks = 0


class Register:
    """A device whose one register is the deadline of a source."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, offset: int, size_bytes: int) -> int:
        return self._source.at or 0

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        self._source.at = value

    def snapshot(self) -> dict[str, int | None]:
        return {"at": self._source.at}

    def restore(self, state: dict[str, int | None]) -> None:
        self._source.at = state["at"]


def agenda_of(*times: int | None) -> tuple[Agenda, list[Source], list[str]]:
    cuts: list[str] = []
    agenda, sources = Agenda(Clock(), lambda: cuts.append("cut")), [Source(at) for at in times]
    for source in sources:
        agenda.add(source)
    return agenda, sources, cuts


@given(st.lists(st.none() | st.integers(0, 1 << 70)))
def test_the_earliest_deadline_counts(times: list[int | None]) -> None:
    agenda, _, _ = agenda_of(*times)
    known = [at for at in times if at is not None]
    assert agenda.next_ns() == agenda.next_idle_ns() == (min(known) if known else None)


def test_a_source_may_have_another_deadline_while_no_cpu_runs() -> None:
    agenda, _, _ = agenda_of(50)
    agenda.add(Source(10), lambda: None)
    agenda.add(Source(None), lambda: 40)
    assert (agenda.next_ns(), agenda.next_idle_ns()) == (10, 40)


def test_update_reaches_every_source() -> None:
    agenda, sources, _ = agenda_of(None, 5, 7)
    agenda.update()
    assert [source.updates for source in sources] == [1, 1, 1]


def test_only_a_deadline_before_the_planned_end_cuts_the_run_short_and_once() -> None:
    agenda, sources, cuts = agenda_of(None)
    agenda.changed()
    assert cuts == [], "nothing is planned yet"
    agenda.plan(100)
    sources[0].at = 100
    agenda.changed()
    assert cuts == []
    sources[0].at = 99
    agenda.changed()
    agenda.changed()
    assert cuts == ["cut"]


def test_a_device_with_deadlines_tells_of_every_write() -> None:
    agenda, sources, cuts = agenda_of(None)
    device = WithDeadlines(Register(sources[0]), agenda)
    agenda.plan(100)
    device.write(0, 4, 200)
    assert cuts == []
    device.write(0, 4, 20)
    assert cuts == ["cut"]
    assert device.read(0, 4) == 20
    device.restore({"at": 7})
    assert device.snapshot() == {"at": 7}


# --- in a machine --------------------------------------------------------------------------------------------------


def counter_turned_on_by_mdcr() -> str:
    """Event counter 0 counts instructions, belongs to EL2, and overflows soon: MDCR_EL2.HPME turns it on."""
    return with_vectors(
        """
        ldr x1, =0x08000100
        mov w2, #1 << 23
        str w2, [x1]                  // GICD_ISENABLER0: the PMU's PPI
        ldr x1, =0x08000000
        mov w2, #1
        str w2, [x1]
        ldr x1, =0x08010000
        mov w3, #0xff
        str w3, [x1, #4]
        str w2, [x1]
        mrs x3, hcr_el2
        orr x3, x3, #1 << 4           // IMO
        msr hcr_el2, x3
        mov x3, #0
        msr mdcr_el2, x3              // HPMN = 0: all counters are EL2's
        mov x3, #8
        msr pmevtyper0_el0, x3
        ldr x3, =0xffffffc0
        msr pmevcntr0_el0, x3
        mov x3, #1
        msr pmcntenset_el0, x3
        msr pmintenset_el1, x3
        msr daifclr, #2
        mov x3, #1 << 7
        msr mdcr_el2, x3              // HPME
    spin:
        b spin
        """,
        irq_same=POWER_OFF,
    )


def test_a_counter_that_mdcr_el2_turns_on_interrupts_on_time() -> None:
    made = machine(counter_turned_on_by_mdcr(), model="a72")
    assert made.run(100_000).reason == "guest"
    (taken,) = events(made, ExceptionTaken)
    line = next(event for event in events(made, InterruptLine) if event.level)
    assert taken.n == line.n
    cut = machine(counter_turned_on_by_mdcr(), model="a72")
    while not cut.step(1):
        pass
    assert [event.n for event in events(cut, ExceptionTaken)] == [taken.n]
    assert state(cut) == state(made)
