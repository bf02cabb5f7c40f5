"""Every field of every control register has a trap rule, or a reason why it has none; and none has both."""

from __future__ import annotations

import pytest

from arm_hyp.arch.registers import REGISTERS
from arm_hyp.arch.trap_rules.without_rules import why_no_rule
from arm_hyp.arch.traps import RULES, Controls, FineGrained

RULED = {(bits.register, field) for rule in RULES for bits in rule.bits for field in bits.fields.split(",")}
LAYOUTS = [name.upper() for name in (*Controls._fields, *FineGrained._fields)]
LAYOUTS += ["CPTR_EL2_E2H", "CNTHCTL_EL2_E2H", "SCTLR_EL2_E2H"]


def has_rule(layout: str, field: str) -> bool:
    """A rule that names the other layout counts where the bit has the same name and place in both."""
    bit = REGISTERS[layout].field(field)
    for other in (layout, layout.removesuffix("_E2H"), f"{layout}_E2H"):
        same = [each for each in REGISTERS[other].FIELDS if each.name == field] if other in REGISTERS else []
        if (other, field) in RULED and same and same[0].lsb == bit.lsb:
            return True
    return False


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_field_has_a_rule_or_a_reason(layout: str) -> None:
    for field in REGISTERS[layout].FIELDS:
        reason = why_no_rule(layout, field.name)
        if has_rule(layout, field.name):
            assert reason is None, f"{layout}.{field.name} has a rule and a reason for none"
        else:
            assert reason, f"{layout}.{field.name} has neither a rule nor a reason"


NAMED = """
    VM PTW FMO IMO AMO VF VI VSE FB BSU DC TWI TWE TID1 TID2 TID3 TID4 TID5 TSC TIDCP TACR TSW TPCP TPU TTLB TVM TGE
    TDZ HCD TRVM RW CD ID E2H TLOR TERR TEA APK API FWB FIEN AT TICAB TOCU TTLBIS TTLBOS EnSCXT AMVOFFEN TWEDEn NV
    NV1 NV2 SWIO TID0
"""


def test_the_bits_of_hcr_that_trap_are_these() -> None:
    """By the Arm ARM's description of HCR_EL2: all others route, translate, or belong to AArch32."""
    silent = {name for name in NAMED.split() if not has_rule("HCR_EL2", name)}
    expected = "VM PTW AMO VF VI VSE FB BSU DC RW CD ID TEA FWB AMVOFFEN TWEDEn SWIO TID0"
    assert silent == set(expected.split())


def test_unknown_fields_have_no_reason() -> None:
    assert why_no_rule("HCR_EL2", "TWI") is None
    assert why_no_rule("HCR_EL2", "XYZ") is None
