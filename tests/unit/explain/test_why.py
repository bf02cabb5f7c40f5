"""Why (not) a trap: the sentence names the deciding bit, for real runs of small guests and for made-up events."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.syndromes import encode_hvc, encode_svc, encode_sysreg, encode_unknown, encode_wfx
from arm_hyp.arch.sysregs import by_name
from arm_hyp.events import ExceptionTaken, NotWaited, RecordingSink, Waited
from arm_hyp.explain.asked import instruction_name
from arm_hyp.explain.why import bits_that_let_pass, deciding_rule, why_not, why_trapped
from arm_hyp.machine.machine import Machine

WFI, HVC, SVC, UDF = 0xD503_207F, 0xD400_00A2, 0xD400_0001, 0
MSR_TCR_EL1 = 0xD518_2040
MRS_PFR0 = 0xD538_0400
MSR_VBAR_EL2 = 0xD51C_C000
FADD = 0x1E62_2820
BASE = 0x4008_0000


def taken(**fields: object) -> ExceptionTaken:
    values: dict[str, object] = {
        "n": 3,
        "seq": 1,
        "cpu": 0,
        "el": 1,
        "pc": BASE,
        "kind": "sync",
        "from_el": 1,
        "to_el": 2,
        "vector": 0x400,
        "ec": 1,
        "esr": encode_wfx(0),
        "far": None,
        "hpfar": None,
        "elr": BASE,
        "spsr": 0x3C5,
        "virtual": False,
        "python": False,
        "instruction": WFI,
        "controls": {},
    }
    return ExceptionTaken(**(values | fields))  # type: ignore[arg-type]


def first_exception(word: int, **registers: int) -> ExceptionTaken:
    """Run one instruction at EL1 and return the exception that it takes."""
    sink = RecordingSink()
    machine = Machine(start_el=1, memory_bytes=1 << 20, sink=sink)
    machine.core.conduit = "smc"
    machine.write_memory(BASE, word.to_bytes(4, "little"))
    for name, value in registers.items():
        assert machine.core.registers.write(by_name(name).encoding, value)
    machine.core.pc = BASE
    machine.run(4)
    return next(event for event in sink.events if isinstance(event, ExceptionTaken))


@dataclass(frozen=True)
class Case:
    """An instruction at EL1, HCR_EL2's fields, and parts of the sentence."""

    word: int
    hcr: int
    parts: tuple[str, ...]
    other: tuple[tuple[str, int], ...] = ()


CASES = (
    Case(WFI, HCR_EL2.of(RW=1, TWI=1), ("WFI at EL1 traps to EL2 because HCR_EL2.TWI is 1:",)),
    Case(MSR_TCR_EL1, HCR_EL2.of(RW=1, TVM=1), ("MSR TCR_EL1, X0 at EL1 traps to EL2", "HCR_EL2.TVM is 1")),
    Case(MRS_PFR0, HCR_EL2.of(RW=1, TID3=1), ("MRS X0, ID_AA64PFR0_EL1 at EL1", "HCR_EL2.TID3 is 1")),
    Case(MSR_VBAR_EL2, HCR_EL2.of(RW=1), ("UNDEFINED and goes to EL1", "higher exception level")),
    Case(
        FADD,
        HCR_EL2.of(RW=1),
        ("An FP or SIMD instruction at EL1 traps to EL2", "CPTR_EL2.TFP is 1"),
        (("CPTR_EL2", 1 << 10), ("CPACR_EL1", 3 << 20)),
    ),
    Case(HVC, HCR_EL2.of(RW=1), ("HVC #", "is a call to EL2")),
    Case(SVC, HCR_EL2.of(RW=1), ("SVC #", "is a system call: it is taken to EL1")),
    Case(UDF, HCR_EL2.of(RW=1), ("The instruction 0x00000000 at EL1 goes to EL1", "no instruction of this machine")),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.parts[0])
def test_a_real_exception_is_explained_from_its_event(case: Case) -> None:
    event = first_exception(case.word, HCR_EL2=int(case.hcr), **dict(case.other))
    sentence = why_trapped(event)
    for part in case.parts:
        assert part in sentence
    assert sentence.endswith(".") and ".." not in sentence


def test_the_sentence_follows_the_controls_and_not_the_syndrome() -> None:
    """With TWI clear in the event no rule can have trapped this WFI, and the sentence must not claim that one did."""
    assert "HCR_EL2.TWI is 1" in why_trapped(taken(controls={"hcr_el2": HCR_EL2.of(TWI=1)}))
    assert "no trap control decides that" in why_trapped(taken(controls={"hcr_el2": 0, "sctlr_el1": 1 << 16}))


def test_a_trap_of_el0_names_el1s_bit_and_the_rerouting() -> None:
    at_el0 = {"el": 0, "from_el": 0, "spsr": 0x3C0}
    to_el1 = why_trapped(taken(**at_el0, to_el=1))
    assert "WFI at EL0 traps to EL1 because SCTLR_EL1.nTWI is 0" in to_el1
    to_el2 = why_trapped(taken(**at_el0, controls={"hcr_el2": HCR_EL2.of(TGE=1)}))
    assert "WFI at EL0 traps to EL2" in to_el2 and "HCR_EL2.TGE is 1" in to_el2


@pytest.mark.parametrize(
    ("hcr", "to_el", "part"),
    [(HCR_EL2.of(TGE=1), 2, "because HCR_EL2.TGE is 1"), (HCR_EL2(0), 1, "taken to EL1")],
)
def test_a_system_call_names_tge_when_el2_takes_it(hcr: int, to_el: int, part: str) -> None:
    event = taken(
        el=0,
        from_el=0,
        to_el=to_el,
        ec=0x15,
        esr=encode_svc(7),
        instruction=SVC | 7 << 5,
        controls={"hcr_el2": int(hcr)},
    )
    assert part in why_trapped(event)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"kind": "irq", "controls": {"hcr_el2": HCR_EL2.of(IMO=1)}}, "HCR_EL2.IMO is 1, so EL2 takes it"),
        ({"kind": "fiq", "controls": {"hcr_el2": HCR_EL2.of(TGE=1)}}, "HCR_EL2.TGE is 1, so EL2 takes it"),
        ({"kind": "irq", "to_el": 1, "controls": {"hcr_el2": 0}}, "HCR_EL2.IMO and TGE are 0, so EL1 takes it"),
        (
            {"kind": "irq", "to_el": 1, "virtual": True, "controls": {"hcr_el2": HCR_EL2.of(IMO=1, VI=1)}},
            "A virtual IRQ is pending and not masked, and HCR_EL2.IMO is 1",
        ),
        ({"kind": "serror", "controls": {"hcr_el2": HCR_EL2.of(AMO=1)}}, "A physical SError is pending; HCR_EL2.AMO"),
    ],
)
def test_an_interrupt_names_its_routing_bit(fields: dict[str, object], part: str) -> None:
    assert part in why_trapped(taken(ec=None, esr=None, **fields))


def test_an_instruction_that_no_rule_is_about_gets_its_syndrome() -> None:
    sentence = why_trapped(taken(ec=0, esr=encode_unknown(), instruction=None, to_el=1))
    assert sentence.startswith("An instruction that cannot be fetched at EL1 goes to EL1:")


def test_why_not_names_the_reason_or_the_bits() -> None:
    place = {"n": 1, "seq": 0, "cpu": 0, "el": 1, "pc": BASE}
    pending = NotWaited(**place, instruction="wfi", reason="an interrupt is pending")
    assert why_not(pending).startswith("WFI at EL1 goes on at once because an interrupt is pending")
    waited = Waited(**place, instruction="wfe")
    assert why_not(waited) == "WFE at EL1 does not trap: the CPU itself waits."
    assert "because HCR_EL2.TWE is 0" in why_not(waited, {"hcr_el2": int(HCR_EL2.of(TWI=1)), "sctlr_el1": 0})
    assert bits_that_let_pass(waited, {"hcr_el2": 0}) == "HCR_EL2.TWE is 0"


def test_the_deciding_rule_comes_with_its_bits() -> None:
    esr = encode_sysreg(3, 0, 2, 0, 2, 0, False)
    event = taken(ec=0x18, esr=esr, instruction=MSR_TCR_EL1, controls={"hcr_el2": int(HCR_EL2.of(TVM=1))})
    bits, text = deciding_rule(event)
    assert bits == "HCR_EL2.TVM is 1" and text.startswith("HCR_EL2.TVM traps writes of the virtual memory controls")
    assert deciding_rule(taken(instruction=None)) == ("", "")


@pytest.mark.parametrize(
    ("word", "name"),
    [
        (WFI, "WFI"),
        (FADD, "an FP or SIMD instruction"),
        (None, "an instruction that cannot be fetched"),
        (0x8B01_0000, "the instruction 0x8b010000"),
    ],
)
def test_instructions_have_short_names(word: int | None, name: str) -> None:
    assert instruction_name(word) == name


def test_hvc_needs_no_bit() -> None:
    assert why_trapped(taken(ec=0x16, esr=encode_hvc(5), instruction=HVC)).endswith("no control bit has to ask for it.")
