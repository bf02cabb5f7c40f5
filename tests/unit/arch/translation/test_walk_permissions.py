"""Permissions against tables written out from the Arm ARM: AP with APTable, XN, WXN, PAN; S2AP and XN of stage 2."""

from __future__ import annotations

import pytest

from arm_hyp.arch.translation.permissions import is_kept_by_pan, stage1_permissions, stage2_permissions
from arm_hyp.arch.translation.results import Access, Permissions

# AP: for APTable 0b00, 0b01, 0b10, 0b11, "privileged/EL0"
EFFECTIVE = {
    0b00: ("rw/--", "rw/--", "r-/--", "r-/--"),
    0b01: ("rw/rw", "rw/--", "r-/r-", "r-/--"),
    0b10: ("r-/--", "r-/--", "r-/--", "r-/--"),
    0b11: ("r-/r-", "r-/--", "r-/r-", "r-/--"),
}


def _shown(permissions: Permissions) -> str:
    pr, pw, _, ur, uw, _ = permissions
    return f"{'r' if pr else '-'}{'w' if pw else '-'}/{'r' if ur else '-'}{'w' if uw else '-'}"


@pytest.mark.parametrize("ap", range(4))
@pytest.mark.parametrize("ap_table", range(4))
def test_ap_under_the_limits_of_tables(ap: int, ap_table: int) -> None:
    assert _shown(stage1_permissions(ap << 6, ap_table << 61, True, False)) == EFFECTIVE[ap][ap_table]


@pytest.mark.parametrize("ap", range(4))
def test_one_privilege_knows_only_the_write_bit(ap: int) -> None:
    assert _shown(stage1_permissions(ap << 6, 0, False, False)) == ("r-/--" if ap & 2 else "rw/--")
    assert _shown(stage1_permissions(ap << 6, 1 << 62, False, False)) == "r-/--"


# AP, UXN, PXN, WXN: privileged execute, EL0 execute
EXECUTE = [
    (0b00, 0, 0, 0, True, True),
    (0b00, 1, 0, 0, True, False),
    (0b00, 0, 1, 0, False, True),
    (0b01, 0, 0, 0, False, True),  # writable at EL0: never for a privileged level
    (0b10, 0, 0, 0, True, True),
    (0b11, 1, 1, 0, False, False),
    (0b00, 0, 0, 1, False, True),  # WXN: writable at EL1 only
    (0b01, 0, 0, 1, False, False),
    (0b10, 0, 0, 1, True, True),
    (0b11, 0, 0, 1, True, True),
]


@pytest.mark.parametrize(("ap", "uxn", "pxn", "wxn", "px", "ux"), EXECUTE)
def test_execute(ap: int, uxn: int, pxn: int, wxn: int, px: bool, ux: bool) -> None:
    by_leaf = stage1_permissions(ap << 6 | uxn << 54 | pxn << 53, 0, True, bool(wxn))
    by_tables = stage1_permissions(ap << 6, uxn << 60 | pxn << 59, True, bool(wxn))
    assert by_leaf == by_tables
    assert (by_leaf.px, by_leaf.ux) == (px, ux)


def test_wxn_of_one_privilege() -> None:
    assert stage1_permissions(0, 0, False, False).px
    assert not stage1_permissions(0, 0, False, True).px
    assert stage1_permissions(1 << 7, 0, False, True).px


@pytest.mark.parametrize(("ap", "is_kept"), [(0b00, False), (0b01, True), (0b10, False), (0b11, True)])
def test_pan_keeps_from_what_el0_may_touch(ap: int, is_kept: bool) -> None:
    permissions = stage1_permissions(ap << 6, 0, True, False)
    assert is_kept_by_pan(permissions, Access(pan=True)) is is_kept
    assert not is_kept_by_pan(permissions, Access())
    assert not is_kept_by_pan(permissions, Access(pan=True, is_fetch=True))
    assert not is_kept_by_pan(permissions, Access(pan=True, is_privileged=False))


@pytest.mark.parametrize(("s2ap", "shown"), [(0, "--/--"), (1, "r-/r-"), (2, "-w/-w"), (3, "rw/rw")])
def test_s2ap(s2ap: int, shown: str) -> None:
    assert _shown(stage2_permissions(s2ap << 6, False)) == shown


@pytest.mark.parametrize(
    ("xn", "with_xnx", "without"),
    [
        (0b00, (True, True), (True, True)),
        (0b01, (False, True), (True, True)),
        (0b10, (False, False), (False, False)),
        (0b11, (True, False), (False, False)),
    ],
)
def test_xn_of_stage_2(xn: int, with_xnx: tuple[bool, bool], without: tuple[bool, bool]) -> None:
    for has_xnx, expected in ((True, with_xnx), (False, without)):
        permissions = stage2_permissions(xn << 53, has_xnx)
        assert (permissions.px, permissions.ux) == expected
