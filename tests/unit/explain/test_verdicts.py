"""Verdicts: the sentence, the chain, the nearest change; and what a bit catches. All asked without a machine."""

from __future__ import annotations

import random

import pytest

from arm_hyp.arch import id_policy, sysregs, traps
from arm_hyp.arch.traps import RULES, Context, Controls, Outcome
from arm_hyp.errors import UserError
from arm_hyp.explain.asked import after_reset, pointer_key, register_value, request_of, with_field, with_register
from arm_hyp.explain.bits import explain_bit, explain_instruction, find_bit, find_layout
from arm_hyp.explain.examples import EXAMPLES, word_of
from arm_hyp.explain.nearest import nearest
from arm_hyp.explain.verdicts import explain_trap
from arm_hyp.machine.machine import Machine

WFI, WFE, SVC, SMC = 0xD503_207F, 0xD503_205F, 0xD400_0021, 0xD400_0003
MSR_TCR, FADD, ADD = 0xD518_2040, 0x1E62_2820, 0x8B01_0000


def state(el: int, **fields: int) -> Context:
    """`HCR_EL2__TWI=1` sets a field."""
    context = after_reset(el)
    for name, value in fields.items():
        register, _, field = name.partition("__")
        context = with_field(context, register, field, value)
    return context


@pytest.mark.parametrize("gic", id_policy.GIC_VERSIONS)
@pytest.mark.parametrize("model", id_policy.MODELS)
def test_the_state_after_reset_is_that_of_the_machine(model: str, gic: int) -> None:
    machine = Machine(model=model, gic=gic, memory_bytes=1 << 20)
    assert after_reset(2, model, gic).controls == machine.core.controls.values
    assert after_reset(2, model, gic).features == machine.core.features


SENTENCES = [
    (WFI, 1, {"HCR_EL2__TWI": 1}, "WFI at EL1 traps to EL2 because HCR_EL2.TWI is 1: HCR_EL2", "HCR_EL2.TWI=0"),
    (WFI, 1, {}, "WFI at EL1 does not trap: HCR_EL2.TWI is 0, not 1.", "HCR_EL2.TWI=1"),
    (WFI, 0, {}, "does not trap: SCTLR_EL1.nTWI is 1, not 0 and HCR_EL2.TWI is 0, not 1.", "HCR_EL2.TWI=1"),
    (WFI, 0, {"SCTLR_EL1__nTWI": 0, "HCR_EL2__TGE": 1}, "so what is meant for EL1 goes to EL2.", "SCTLR_EL1.nTWI=1"),
    (WFE, 1, {"HCR_EL2__TWE": 1, "PE__EventRegister": 1}, "does not trap: The Event Register is", "PE.EventRegister=0"),
    (MSR_TCR, 1, {}, "MSR TCR_EL1, X0 at EL1 does not trap: HCR_EL2.TVM is 0, not 1.", "HCR_EL2.TVM=1"),
    (FADD, 1, {"CPACR_EL1__FPEN": 0}, "traps to EL1 because CPACR_EL1.FPEN is 0b00", "CPACR_EL1.FPEN=1"),
    (SMC, 1, {}, "is a call to EL3, where the firmware is: it is taken to EL3", "HCR_EL2.TSC=1"),
    (SVC, 0, {"HCR_EL2__TGE": 1}, "is a system call: it is taken to EL2", ""),
    (ADD, 1, {}, "does not trap: no rule that could trap it applies.", ""),
    (0xD53C_1100, 1, {}, "is UNDEFINED and goes to EL1: This register or operation is for a higher", ""),
]  # fmt: skip


@pytest.mark.parametrize(("word", "el", "fields", "part", "nearest_setting"), SENTENCES)
def test_one_sentence_and_the_nearest_change(
    word: int, el: int, fields: dict[str, int], part: str, nearest_setting: str
) -> None:
    story = explain_trap(state(el, **fields), word)
    assert part in story.sentence
    assert "\n" not in story.sentence and ".." not in story.sentence
    assert (story.alternatives[0].settings if story.alternatives else ("",)) == (nearest_setting,)


def test_two_changes_where_one_is_not_enough() -> None:
    story = explain_trap(state(1, PE__EventRegister=1), WFE)
    assert story.alternatives[0].settings == ("HCR_EL2.TWE=1", "PE.EventRegister=0")
    assert story.alternatives[0].sentence.startswith("With HCR_EL2.TWE = 1 and PE.EventRegister = 0 it would trap")


def test_the_chain_ends_with_what_decides() -> None:
    story = explain_trap(state(1, HCR_EL2__TWI=1), WFI)
    assert [step.applies for step in story.steps] == [False, False, True]
    last = story.steps[-1]
    assert (last.rule, story.rule) == ("HCR_EL2.TWI", "HCR_EL2.TWI")
    assert [str(one) for one in last.conditions] == ["HCR_EL2.<E2H,TGE> is 0b00", "HCR_EL2.TWI is 1"]
    assert story.syndrome is not None and story.syndrome.value == story.esr


def random_cases(seed: int, count: int) -> list[tuple[int, Context]]:
    """Words that rules are about, in states with random control bits."""
    rng = random.Random(seed)
    words = [word for _, word in EXAMPLES.values()]
    for row in (*sysregs.TABLE, *sysregs.OPERATIONS):
        words += [found[1] for is_read in (False, True) if (found := word_of(row.name, is_read))]
    cases = []
    for _ in range(count):
        el, model = rng.randrange(3), rng.choice(id_policy.MODELS)
        context = after_reset(el, model, rng.choice(id_policy.GIC_VERSIONS))
        for name in rng.sample(Controls._fields, 4):
            context = with_register(context, name.upper(), rng.getrandbits(64))
        cases.append((rng.choice(words), context))
    return cases


def apply(context: Context, settings: tuple[str, ...]) -> Context:
    """Do what a reader of the settings would do: they name registers, not layouts."""
    for setting in settings:
        name, _, value = setting.partition("=")
        layout, field = find_in(context, name)
        context = with_field(context, layout, field, int(value))
    return context


def find_in(context: Context, name: str) -> tuple[str, str]:
    register, _, field = name.partition(".")
    return find_layout(register, name, field, context)


def test_each_alternative_does_what_it_says_and_none_is_smaller() -> None:
    told = 0
    for word, context in random_cases(20264, 1500):
        story = explain_trap(context, word)
        request = request_of(word)
        assert request is not None
        for one in story.alternatives:
            verdict = traps.decide(request, apply(context, one.settings))
            assert (verdict.outcome.value, verdict.target_el) == (one.outcome, one.target_el), (story, one)
            assert (one.outcome == "trap") == (story.outcome in ("execute", "nop")), (story, one)
            told += 1
        for one in story.alternatives:
            for left_out in one.settings if len(one.settings) == 2 else ():
                fewer = traps.decide(request, apply(context, (left_out,)))
                assert (fewer.outcome is Outcome.TRAP) != (one.outcome == "trap"), (story, one)
    assert told > 150


def test_what_no_software_can_set_is_not_proposed() -> None:
    for word, context in random_cases(20265, 800):
        request = request_of(word)
        assert request is not None
        for way in nearest(request, context, traps.decide(request, context)):
            names = {(change.register, change.field) for change in way.changes}
            assert ("HCR_EL2", "TGE") not in names or context.el != 1
            assert ("HCR_EL2", "E2H") not in names or "VHE" in context.features


@pytest.mark.parametrize("word", [0xDAC1_23E0, 0xD503_233F, 0xD71F_0801, 0xD65F_0BFF, 0xF820_0420])
def test_pointer_authentication_is_recognised(word: int) -> None:
    """paciza x0, paciasp, braa x0, x1, retaa, ldraa x0, [x1]"""
    assert pointer_key(word) in ("IA", "DA")
    closed = with_field(state(1), "SCTLR_EL1", "EnIA", 1)
    asked = Context(1, closed.controls, features=id_policy.features("max", 2), pstate=closed.pstate)
    assert explain_trap(with_field(asked, "HCR_EL2", "API", 0), word).rule in ("HCR_EL2.API", "SCTLR_EL1.EnDA")


def test_what_a_bit_catches() -> None:
    story = explain_bit("hcr_el2.tvm")
    assert story.caught[0].names[:3] == ("SCTLR_EL1", "TTBR0_EL1", "TTBR1_EL1")
    assert (story.caught[0].ec, story.caught[0].levels, story.caught[0].access) == (0x18, (1,), "write")
    assert story.example is not None
    assert story.example.settings == ("HCR_EL2.TVM=1",)


@pytest.mark.parametrize(
    ("bit", "part", "missing"),
    [
        ("HCR_EL2.VM", "traps nothing. It acts on translation", ""),
        ("HCR_EL2.TID0", "AArch32 only", ""),
        ("HCR_EL2.TID4", "decides in 1 rule", "EVT is not claimed"),
        ("HFGRTR_EL2.SCTLR_EL1", "decides in 1 rule", "FGT is not claimed"),
        ("HFGRTR_EL2.nGCS_EL1", "traps nothing. Its feature has no registers", "FGT is not claimed"),
        ("HCRX_EL2.MSCEn", "traps nothing. Its feature has no registers", "; --cpu max-fgt has the register"),
        ("CPTR_EL2.ZEN", "decides in 2 rules", ""),
        ("PSTATE.IL", "about every instruction", ""),
    ],
)
def test_bits_by_kind(bit: str, part: str, missing: str) -> None:
    story = explain_bit(bit)
    assert part in story.sentence
    assert missing in story.missing


@pytest.mark.parametrize(("model", "missing"), [("a72", "HCX is not claimed"), ("max-fgt", "")])
@pytest.mark.parametrize("bit", ["HCRX_EL2.TCR2En", "HCRX_EL2.SCTLR2En", "HCRX_EL2.FGTnXS"])
def test_the_example_of_a_bit_is_one_that_a_model_of_this_machine_shows(bit: str, model: str, missing: str) -> None:
    """Not one with a feature that none has, such as FEAT_TLBIOS, if any will do."""
    story = explain_bit(bit, model)
    assert story.example is not None
    assert (story.example.model, story.example.features) == ("max-fgt", ())
    assert missing in story.missing and story.missing.endswith("--cpu max-fgt has it" if missing else "")


def test_every_bit_of_a_rule_is_explained_and_its_examples_hold() -> None:
    """An example is an instruction that one of the bit's rules decides."""
    bits = {f"{one.register.removesuffix('_E2H')}.{name}" for rule in RULES[:150] for one in rule.bits
            for name in one.fields.split(",")}  # fmt: skip
    without = set()
    for bit in sorted(bits - {"PSTATE.M"}):
        story = explain_bit(bit)
        assert story.caught, bit
        if story.example is None:
            without.add(bit)
            continue
        assert any(bit_rule.rule for bit_rule in story.caught)
        context = after_reset(story.example.el, story.example.model, 3 if "GICv3" in story.example.features else 2,
                              frozenset(story.example.features))  # fmt: skip
        told = explain_trap(apply(context, story.example.settings), story.example.word)
        assert told.rule in {one.rule for one in story.caught}, bit
    behind_apk = {bit for bit in without if bit.endswith("Key")}  # HCR_EL2.APK is 0 after reset and traps them before
    assert without - behind_apk <= {"PSTATE.IL", "PE.TimeoutExpired"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("HCR_EL2.TWX", "near names: TWI, TWE"),
        ("HCRR_EL2.TWI", "near names: HCR_EL2"),
        ("HCR_EL2", "has no field ?"),
        ("FOO.BAR", "there are CNTHCTL_EL2"),
    ],
)
def test_unknown_bits_have_near_names(text: str, part: str) -> None:
    with pytest.raises(UserError) as caught:
        find_bit(text)
    assert part in str(caught.value)


def test_the_rules_of_an_instruction_by_level() -> None:
    story = explain_instruction(MSR_TCR)
    assert [one.rule for one in story.rules[1]] == ["HCR_EL2.TVM", "HFGWTR_EL2.TCR_EL1"]
    assert story.rules[0] == story.rules[2] == ()
    assert "is a write of TCR_EL1. 2 rules can touch it." in story.sentence
    assert "GICv3 is not claimed" in explain_instruction(0xD538_CC00).missing
    assert "no system instruction" in explain_instruction(ADD).sentence
    assert "is an SMC instruction" in explain_instruction(SMC).sentence


def test_registers_by_name() -> None:
    context = with_field(after_reset(1), "CNTHCTL_EL2_E2H", "EL0VTEN", 1)
    assert register_value(context, "CNTHCTL_EL2") >> 8 & 1
    assert register_value(with_field(context, "HFGITR_EL2", "ERET", 1), "HFGITR_EL2") == 1 << 51
    with pytest.raises(KeyError):
        register_value(context, "TTBR0_EL1")
    with pytest.raises(ValueError, match="does not fit"):
        with_field(context, "HCR_EL2", "TWI", 2)
