"""What a TLBI reaches, by its name: of every one that the table has."""

import pytest

from arm_hyp.arch.sysregs import OPERATIONS
from arm_hyp.explain.checkers.tlbi import decode_tlbi

OPERAND = 0x1234_0000_0040_2000
TLBI = [row.name for row in OPERATIONS if row.kind == "TLBI"]


@pytest.mark.parametrize("name", TLBI)
def test_every_tlbi_but_el3s_is_understood(name: str) -> None:
    assert (decode_tlbi(name, OPERAND) is None) == ("E3" in name)


@pytest.mark.parametrize("name", [name for name in TLBI if name.endswith("NXS")])
def test_with_nxs_it_reaches_the_same(name: str) -> None:
    assert decode_tlbi(name, OPERAND) == decode_tlbi(name.removesuffix("NXS"), OPERAND)
