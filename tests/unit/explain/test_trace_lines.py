"""One line an event: every event type has its words, and the demo's comparison finds where two runs part."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from arm_hyp import events
from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.syndromes import encode_hvc, encode_wfx
from arm_hyp.cpu.symbols import Symbol, SymbolTable
from arm_hyp.events import ConsoleOutput, Ended, Event, ExceptionReturned, ExceptionTaken, RegisterAccess, Waited
from arm_hyp.explain import comparison
from arm_hyp.explain.trace_lines import ascii_text, line, merged

PLACE = {"n": 12, "seq": 2, "cpu": 0, "el": 1, "pc": 0x4008_0030}
SYMBOLS = SymbolTable((Symbol("guest", 0x4008_0028, 16),))

TRAP = ExceptionTaken(
    **PLACE,
    kind="sync",
    from_el=1,
    to_el=2,
    vector=0x4008_0C00,
    ec=1,
    esr=encode_wfx(0),
    far=None,
    hpfar=None,
    elr=0x4008_0030,
    spsr=0x3C5,
    virtual=False,
    python=False,
    instruction=0xD503_207F,
    controls={"hcr_el2": int(HCR_EL2.of(TWI=1))},
)
RETURN = ExceptionReturned(**PLACE, from_el=2, to_el=1, elr=0x4008_0028, spsr=0x3C5, illegal=None)
WAIT = Waited(**PLACE, instruction="wfi")
END = Ended(**PLACE, reason="idle", status=1, text="WFI waits for ever")

LINES: tuple[tuple[Event, str], ...] = (
    (
        events.Started(**PLACE, schema=1, model="a72", gic=2, memory_bytes=256 << 20),
        "      12.2  cpu0 EL1  0x40080030  start: a72, GICv2, 256 MiB",
    ),
    (
        TRAP,
        "      12.2  cpu0 EL1  0x40080030  wfi                     ->  EL2  WFx: trapped WFI (TI=0b00)  "
        "vector 0x40080c00 (VBAR_EL2+0x400)",
    ),
    (RETURN, "      12.2  cpu0 EL1  0x40080030  eret                    ->  EL1  0x40080028 <guest>"),
    (
        RegisterAccess(**PLACE, register="HCR_EL2", is_read=False, value=0x80002000),
        "      12.2  cpu0 EL1  0x40080030  writes HCR_EL2          ->  = 0x80002000",
    ),
    (
        events.Maintenance(**PLACE, operation="TLBI VMALLE1", operand=0),
        "      12.2  cpu0 EL1  0x40080030  tlbi vmalle1            ->  operand 0x0",
    ),
    (events.Barrier(**PLACE, instruction="dsb ish"), "      12.2  cpu0 EL1  0x40080030  dsb ish"),
    (
        events.TranslationWrite(**PLACE, register="TTBR0_EL1", value=0x40200000),
        "      12.2  cpu0 EL1  0x40080030  writes TTBR0_EL1        ->  = 0x40200000",
    ),
    (WAIT, "      12.2  cpu0 EL1  0x40080030  wfi                     ->  the CPU waits"),
    (
        events.NotWaited(**PLACE, instruction="wfe", reason="the Event Register was set"),
        "      12.2  cpu0 EL1  0x40080030  wfe                     ->  goes on: the Event Register was set",
    ),
    (ConsoleOutput(**PLACE, device="pl011", text='a"\n\xff'), r'      12.2  cpu0 EL1              prints "a\"\n\xff"'),
    (
        events.ConsoleInput(**PLACE, device="pl011", text="ls\r", time_ns=100),
        r'      12.2  cpu0 EL1              pl011 receives "ls\r"',
    ),
    (events.Edited(**PLACE), "      12.2  cpu0 EL1              registers or memory are changed from outside"),
    (events.InterruptLine(**PLACE, line="IRQ", level=True), "      12.2  cpu0 EL1              IRQ line rises"),
    (
        events.DeviceAccess(**PLACE, device="gicd", offset=0x100, size_bytes=4, is_write=True, value=0x8000000),
        "      12.2  cpu0 EL1  0x40080030  writes gicd+0x100       ->  = 0x8000000 (32-bit)",
    ),
    (
        events.FirmwareCall(**PLACE, conduit="smc", function=0x84000000, name="PSCI_VERSION", result=0x10001),
        "      12.2  cpu0 EL1  0x40080030  smc                     ->  firmware: PSCI_VERSION  returns 0x10001",
    ),
    (
        events.FirmwareCall(**PLACE, conduit="smc", function=0x84000002, name="CPU_OFF", result=None),
        "      12.2  cpu0 EL1  0x40080030  smc                     ->  firmware: CPU_OFF",
    ),
    (END, "      12.2  cpu0 EL1              end (idle, status 1): WFI waits for ever"),
)


@pytest.mark.parametrize(("event", "text"), LINES, ids=lambda one: type(one).__name__)
def test_the_line_of_each_event(event: Event, text: str) -> None:
    assert line(event, SYMBOLS) == text


def test_every_event_type_of_the_machine_has_words() -> None:
    assert {type(event) for event, _ in LINES} == set(get_args(events.MachineEvent))


def test_what_else_an_exception_line_says() -> None:
    changed = msgspec.structs.replace
    python = line(changed(TRAP, ec=0x16, esr=encode_hvc(5), instruction=0xD400_00A2, python=True))
    assert "hvc #5" in python and "HVC #0x5" in python and python.endswith("Python at VBAR_EL2+0x400")
    irq = line(changed(TRAP, kind="irq", ec=None, esr=None, to_el=1, virtual=True, vector=0x480))
    assert "virtual IRQ" in irq and "vector 0x00000480 (VBAR_EL1+0x480)" in irq
    assert "FAR 0x1234" in line(changed(TRAP, far=0x1234))
    assert "(no instruction)" in line(changed(TRAP, instruction=None))
    assert "illegal: M is reserved" in line(changed(RETURN, illegal="M is reserved"))


def test_console_output_is_joined_to_lines_and_nothing_else_is_lost() -> None:
    letters = [ConsoleOutput(**(PLACE | {"n": n}), device="pl011", text=text) for n, text in enumerate("ab\nc")]
    other = ConsoleOutput(**PLACE, device="pl011-2", text="x")
    joined = list(merged([WAIT, *letters, other, END, *letters[:1]]))
    assert [event.text for event in joined if isinstance(event, ConsoleOutput)] == ["ab\n", "c", "x", "a"]
    assert [event.n for event in joined if isinstance(event, ConsoleOutput)] == [0, 3, 12, 0]
    assert [type(event) for event in joined if not isinstance(event, ConsoleOutput)] == [Waited, Ended]


def test_text_is_shown_with_escapes() -> None:
    assert ascii_text("\x1b[2J\\") == '"\\x1b[2J\\\\"'


def test_rows_are_marked_from_where_the_runs_part() -> None:
    writes = [RegisterAccess(**PLACE, register="HCR_EL2", is_read=False, value=value) for value in (0, 1 << 13)]
    read = RegisterAccess(**PLACE, register="HCR_EL2", is_read=True, value=0)
    clear, trapping = [read, writes[0], RETURN, WAIT, END], [read, writes[1], RETURN, TRAP, END]
    shown = comparison.rows(clear, trapping, SYMBOLS)
    assert [row.role for row in shown] == ["plain", "return", "wait", "end"]
    assert [row.differs for row in shown] == [False, False, True, True]
    assert [row.differs for row in comparison.rows(trapping, clear)] == [False, False, True, True]
    assert not any(row.differs for row in comparison.rows(clear, clear))


def test_the_reason_is_one_sentence_from_both_runs() -> None:
    sentence = comparison.reason([WAIT], {"hcr_el2": 0}, [TRAP])
    assert sentence.startswith("WFI at EL1 waits in the CPU itself while HCR_EL2.TWI is 0, and traps to EL2 when")
    assert "HCR_EL2.TWI is 1: HCR_EL2.TWI traps a WFI" in sentence and sentence.count(". ") == 0
    pending = events.NotWaited(**PLACE, instruction="wfi", reason="an interrupt is pending")
    assert "goes on at once (an interrupt is pending) while" in comparison.reason([pending], {"hcr_el2": 0}, [TRAP])


@pytest.mark.parametrize(("first", "second"), [([WAIT], [WAIT]), ([TRAP], [TRAP]), ([], [])])
def test_runs_that_do_the_same_are_said_to(first: list[Event], second: list[Event]) -> None:
    assert comparison.reason(first, {}, second).startswith("Both runs do the same")
