"""Permissions from descriptors: AP, UXN, PXN and the tables' limits at stage 1, S2AP and XN at stage 2.

Read `arch/translation/results.py` before and `arch/translation/stage1.py` after this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from arm_hyp.arch.translation.results import Access, Permissions, Step

# AP<2:1> of a descriptor: (privileged read, write, unprivileged read, write)
_AP = {
    0b00: (True, True, False, False),
    0b01: (True, True, True, True),
    0b10: (True, False, False, False),
    0b11: (True, False, True, False),
}
# XN<1:0>: (privileged, unprivileged) execute. Ref: Arm ARM D8.4, FEAT_XNX
_XN = {0b00: (True, True), 0b01: (False, True), 0b10: (False, False), 0b11: (True, False)}


def table_limits(steps: Sequence[Step]) -> int:
    """Return what the tables on the way forbid: bits <63:59> of all table descriptors. Ref: AArch64.S1ApplyTablePerms.

    APTable <62:61>, UXNTable or XNTable <60>, PXNTable <59>.
    """
    limits = 0
    for step in steps[:-1]:  # the last is the block or page
        limits |= step.descriptor or 0
    return limits


def stage1_permissions(descriptor: int, limits: int, has_unprivileged: bool, wxn: bool) -> Permissions:
    """Return what a block or page allows, under the limits of its tables. Ref: AArch64.S1DirectBasePermissions.

    PAN is left to `is_kept_by_pan`, because it depends on the access.
    """
    no_unprivileged, no_write = bool(limits >> 61 & 1), bool(limits >> 62 & 1)
    pr, pw, ur, uw = _AP[descriptor >> 6 & 3]
    pw = pw and not no_write
    xn = bool((descriptor >> 54 | limits >> 60) & 1)
    if not has_unprivileged:
        return Permissions(pr, pw, not (xn or (wxn and pw)), False, False, False)
    ur, uw = ur and not no_unprivileged, uw and not (no_unprivileged or no_write)
    pxn = bool((descriptor >> 53 | limits >> 59) & 1)
    # What EL0 may write, a privileged level must not execute.
    px = not (pxn or uw or (wxn and pw))
    return Permissions(pr, pw, px, ur, uw, not (xn or (wxn and uw)))


def is_kept_by_pan(permissions: Permissions, access: Access) -> bool:
    """Tell whether PSTATE.PAN keeps a privileged data access from what EL0 may read or write. Stage 1 only."""
    return access.pan and access.is_privileged and not access.is_fetch and (permissions.ur or permissions.uw)


def stage2_permissions(descriptor: int, has_xnx: bool) -> Permissions:
    """Return what S2AP <7:6> and XN <54:53> allow; <53> is ignored without FEAT_XNX.

    Ref: AArch64.S2CheckPermissions.
    """
    return _stage2_permissions(descriptor >> 6 & 3, descriptor >> 53 & (3 if has_xnx else 2))


@lru_cache(maxsize=16)
def _stage2_permissions(s2ap: int, xn: int) -> Permissions:
    read, write = bool(s2ap & 1), bool(s2ap & 2)
    px, ux = _XN[xn]
    return Permissions(read, write, px, read, write, ux)
