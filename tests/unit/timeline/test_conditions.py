"""Conditions: what they mean for each event, and how errors name the place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.errors import UserError
from arm_hyp.events import (
    Barrier,
    ConsoleOutput,
    Event,
    ExceptionReturned,
    ExceptionTaken,
    RegisterAccess,
    TranslationWrite,
)
from arm_hyp.kvm_events import KvmEntry, KvmMmio, VcpuRunning
from arm_hyp.timeline.condition_names import value_in
from arm_hyp.timeline.conditions import Condition, Unknown, parse_condition


def taken(**changes: object) -> ExceptionTaken:
    fields: dict[str, object] = dict(
        n=1200, seq=1, cpu=0, el=1, pc=0x4008_0010, kind="sync", from_el=1, to_el=2, vector=0x4009_0400, ec=0x24,
        esr=0x24 << 26 | 1 << 25 | 1 << 24 | 0x47, far=0xFFFF_0018, hpfar=0x9000 << 4 & ~0xF | 0x9000 << 4 & 0xF0,
        elr=0x4008_0010, spsr=0x3C5, virtual=False, python=True, instruction=0xB900_0001, controls={},
    )  # fmt: skip
    return ExceptionTaken(**fields | changes)  # type: ignore[arg-type]


ABORT = taken()
IRQ = taken(kind="irq", ec=None, esr=None, far=None, hpfar=None, to_el=1)
HVC = taken(ec=0x16, esr=0x16 << 26 | 1 << 25 | 42, far=None, hpfar=None)
MSR = taken(ec=0x18, esr=0x18 << 26 | 1 << 25 | 0x300400, far=None, hpfar=None)  # S3_0_C1_C0_0: SCTLR_EL1
RETURN = ExceptionReturned(1300, 2, 0, 2, 0, 2, 1, 0x4008_0014, 0x3C5, None)
OUTPUT = ConsoleOutput(5, 0, 0, 1, 0, "pl011", "Kernel panic - not syncing")
ACCESS = RegisterAccess(7, 0, 1, 2, 0x4008_0000, "HCR_EL2", False, 0x8000_0000)
MMIO = KvmMmio(8, 1, 0, 2, 0, "vm0", 1, 800, "write", 4, 0x900_0018, 0x41)
ENTRY = KvmEntry(9, 1, 0, 2, 0, "web", 1, 900, 0x4000_0000)
ALL = (ABORT, IRQ, HVC, MSR, RETURN, OUTPUT, ACCESS, MMIO, ENTRY)


def holds(condition: Condition, event: Event, **registers: int) -> bool | None:
    def lookup(name: str) -> int | str | None:
        return registers[name] if name in registers else value_in(event, name)

    return type(event) in condition.interests and condition.test(lookup)


MEANINGS = {
    "EC=0x24 and ipa==0x9000018": (ABORT,),
    "ec == DATA_ABORT_LOWER": (ABORT,),
    "EC=HVC64": (HVC,),
    "imm==42": (HVC,),
    "kind==irq": (IRQ,),
    "kind==IRQ or event==console_output": (IRQ, OUTPUT),
    "to_el==2": (ABORT, HVC, MSR),
    "to_el == EL2 and not ec==HVC64": (ABORT, MSR),
    'text~"panic"': (OUTPUT,),
    "text ~ 'KERNEL'": (OUTPUT,),
    "sysreg==HCR_EL2": (ACCESS,),
    "sysreg==SCTLR_EL1": (MSR,),
    "pc in 0x40080000-0x4008001f": (ABORT, IRQ, HVC, MSR, ACCESS),
    "vcpu==1": (MMIO, ENTRY),
    "vm==web": (ENTRY,),
    "ipa==0x9000018": (ABORT, MMIO),
    "n>1000": (ABORT, IRQ, HVC, MSR, RETURN),
    "n>=1300": (RETURN,),
    "n<1200 and cpu!=0": (ACCESS,),
    "python": (ABORT, IRQ, HVC, MSR),
    "virtual==true": (),
    "is_read==false": (ACCESS,),
    "not (n>10)": (OUTPUT, ACCESS, MMIO, ENTRY),
    "far==0": (),
    "(event==kvm_mmio or event==kvm_entry) and vcpu==1": (MMIO, ENTRY),
    "iss==0x300400": (MSR,),
    "EVENT==exception_returned": (RETURN,),
    "n==1_200 and kind==irq": (IRQ,),
}


@pytest.mark.parametrize("text", MEANINGS)
def test_a_condition_holds_for_the_right_events(text: str):
    condition = parse_condition(text)
    assert tuple(event for event in ALL if holds(condition, event)) == MEANINGS[text]


@pytest.mark.parametrize(
    "text, kinds",
    {
        "EC=0x24": {ExceptionTaken},
        "event==vcpu_running or event==kvm_entry": {VcpuRunning, KvmEntry},
        "event==kvm_entry and EC=0x24": set(),
        "event==barrier": {Barrier},
        "event==translation_write": {TranslationWrite},
    }.items(),
)
def test_only_events_for_which_it_may_hold_are_wanted(text: str, kinds: set[type[Event]]):
    assert parse_condition(text).interests == kinds


@pytest.mark.parametrize("text", ["n>5", "not event==barrier", "X0==3", "event!=barrier"])
def test_what_stops_the_core_is_wanted_only_by_name(text: str):
    assert not parse_condition(text).interests & {Barrier, TranslationWrite}


def test_registers_are_asked_for_by_their_names():
    condition = parse_condition("x0==3 and hcr_el2.twi==1")
    assert holds(condition, ABORT, **{"X0": 3, "HCR_EL2.TWI": 1})
    assert not holds(condition, ABORT, **{"X0": 3, "HCR_EL2.TWI": 0})


def test_what_is_not_known_is_decided_by_the_rest_if_it_can_be():
    def lookup(name: str) -> int | str | None:
        if name == "ipa":
            raise Unknown
        return value_in(ABORT, name)

    answers = {
        "EC=0x24 and ipa==1": None,
        "EC=0x16 and ipa==1": False,
        "EC=0x24 or ipa==1": True,
        "EC=0x16 or ipa==1": None,
        "not ipa==1": None,
        "ipa in 1-2": None,
        "ipa": None,
    }
    assert {text: parse_condition(text).test(lookup) for text in answers} == answers


ERRORS = {
    "": "column 1: the condition ends too early",
    "EC=": "column 4: the value of ec is missing",
    "EC=0x24 and": "column 12: the condition ends too early",
    "EC=0x24 ipa==1": "column 9: ipa is one too many",
    "(EC=0x24": "column 9: a ) is missing",
    "ecc=1": "did you mean ec",
    "HCR_EL2.TWX==1": "did you mean HCR_EL2.TWI",
    "EC=HVC46": "did you mean HVC64",
    "event==console_ouput": "did you mean console_output",
    "event==nonsense_at_all": "column 8: there is no event",
    "HCR_EL3X==1": "there is nothing named",
    "EC=§": "column 4: § is no name, number or operator",
    "kind<irq": "column 5: < compares numbers",
    "pc in 5": "the end of the range is missing",
    "pc in 9-5": "this is no range of numbers",
    "to_el==one": "one is no value of to_el, which is a number",
    "n==0x": "column",
    "n==08_": "column",
    "and": "column 1: and is no name",
    "n == (": "column 6: ( is no value",
    "(" * 1000: "nested too deeply",
    "not " * 1000: "nested too deeply",
}


@pytest.mark.parametrize("text", ERRORS, ids=lambda text: text[:20])
def test_an_error_names_the_place(text: str):
    with pytest.raises(UserError) as caught:
        parse_condition(text)
    assert ERRORS[text] in str(caught.value)
    assert "\n" not in str(caught.value)


WORDS = ["EC", "n", "=", "==", "!=", "(", ")", "and", "or", "not", "in", "-", "0x24", "irq", "~", "text", '"a"', "X0"]


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_a_condition_or_an_error(text: str):
    try:
        condition = parse_condition(text)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        for event in ALL:
            assert condition.test(lambda name, event=event: value_in(event, name)) in (True, False)
