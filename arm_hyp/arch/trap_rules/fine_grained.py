"""Rules of FEAT_FGT and FEAT_HCX: the fine-grained traps, and what HCRX_EL2 traps.

Read `arch/registers/fine_grained.py` (the table of bits) and `trap_rules/el2_controls.py` before,
`trap_rules/el3_controls.py` after. Only the model max-fgt claims these features; for the others the rules say what a
newer CPU would do.

HFGITR_EL2 has no bits for the TLBI operations with nXS (FEAT_XS): that of the operation without it counts for both,
unless HCRX_EL2.FGTnXS is 1.

They come after the controls of HCR_EL2 and the like, as in the access pseudocode of each register. SCR_EL3.FGTEn and
HXEn switch them on; where EL3 is not implemented, both count as 1 (see `lookup.values_of`).

Simplified: HCRX_EL2 has rules for SCTLR2_EL1, TCR2_EL1, TLBI with nXS, and ALLINT only; what else it governs is in none
of this machine's tables. `MSR ALLINT, #imm` is not decoded.
"""

from __future__ import annotations

from arm_hyp.arch import sysregs
from arm_hyp.arch.registers.fine_grained import TRAP_BITS, TrapBit
from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.trap_rules.model import BELOW_EL2, NOT_HOST, Bits, Direction, Rule

_ENABLED = Bits("SCR_EL3", "FGTEn", (1,))
_DIRECTIONS: dict[str, Direction] = {
    "HFGRTR_EL2": "read",
    "HDFGRTR_EL2": "read",
    "HFGWTR_EL2": "write",
    "HDFGWTR_EL2": "write",
}
_EXCEPTION_CLASSES = {"ERET": EC.ERET, "SVC_EL0": EC.SVC64, "SVC_EL1": EC.SVC64}
_LEVELS = {"ERET": (1,), "SVC_EL0": (0,), "SVC_EL1": (1,)}


def _levels(row: TrapBit, direction: Direction) -> tuple[int, ...]:
    """Return the levels below EL2 at which what a bit traps would be executed otherwise."""
    if row.field in _LEVELS:
        return _LEVELS[row.field]
    first = row.what[0].replace("*", "0")
    if direction == "both":
        return BELOW_EL2 if sysregs.operation_by_name(first).min_el == 0 else (1,)
    return BELOW_EL2 if sysregs.by_name(first).may_access(0, direction == "read") else (1,)


def _rule(row: TrapBit) -> Rule:
    direction = _DIRECTIONS.get(row.register, "both")
    els = _levels(row, direction)
    verb = "traps" if row.trapping_value else "is 0, which traps"
    how = {"read": "reads of ", "write": "writes of ", "both": ""}[direction]
    where = " and ".join(f"EL{el}" for el in reversed(els))
    own = Bits(row.register, row.field, (row.trapping_value,))
    return Rule(
        f"{row.register}.{row.field}",
        row.what,
        f"{row.register}.{row.field} {verb} {how}{', '.join(row.what)} from {where}.",
        f"Arm ARM, {row.register}.{row.field}",
        bits=(_ENABLED, NOT_HOST, own) if 0 in els else (_ENABLED, own),
        els=els,
        access=direction,
        feature="FGT",
        ec=_EXCEPTION_CLASSES.get(row.field, EC.SYSREG),
    )


def _hcrx(
    identity: str, what: str, text: str, bits: tuple[Bits, ...], feature: str, access: Direction = "both"
) -> Rule:
    field = ".".join(identity.split(".")[:2])
    return Rule(identity, (what,), text, f"Arm ARM, {field}; {what}", bits, access=access, feature=feature)


_HCRX_ON, _HCRX_OFF = Bits("SCR_EL3", "HXEn", (1,)), Bits("SCR_EL3", "HXEn", (0,))
_HCRX = (
    _hcrx(
        "HCRX_EL2.TALLINT",
        "ALLINT",
        "HCRX_EL2.TALLINT traps writes of ALLINT from EL1.",
        (_HCRX_ON, Bits("HCRX_EL2", "TALLINT", (1,))),
        "NMI+HCX",
        "write",
    ),
    *(
        row
        for register, field, feature in (("SCTLR2_EL1", "SCTLR2En", "SCTLR2"), ("TCR2_EL1", "TCR2En", "TCR2"))
        for row in (
            _hcrx(
                f"SCR_EL3.HXEn.{register}",
                register,
                f"SCR_EL3.HXEn is 0, so HCRX_EL2 counts as 0, and HCRX_EL2.{field} = 0 traps {register} from EL1.",
                (_HCRX_OFF,),
                f"{feature}+HCX",
            ),
            _hcrx(
                f"HCRX_EL2.{field}",
                register,
                f"HCRX_EL2.{field} is 0, which traps {register} from EL1.",
                (_HCRX_ON, Bits("HCRX_EL2", field, (0,))),
                f"{feature}+HCX",
            ),
        )
    ),
)


def _nxs_rules(row: TrapBit) -> tuple[Rule, Rule]:
    """Return the rules about the nXS form of a TLBI that a bit of HFGITR_EL2 traps."""
    (what,) = row.what
    own, name = f"{row.register}.{row.field}", f"{what}NXS"

    def rule(identity: str, text: str, *conditions: Bits) -> Rule:
        bits = (_ENABLED, *conditions, Bits(row.register, row.field, (1,)))
        return Rule(identity, (name,), text, f"Arm ARM, HCRX_EL2.FGTnXS; {name}", bits, feature="XS+FGT+HCX")

    return (
        rule(
            f"SCR_EL3.HXEn.{name}",
            f"SCR_EL3.HXEn is 0, so HCRX_EL2.FGTnXS counts as 0, and {own} traps {name} from EL1.",
            _HCRX_OFF,
        ),
        rule(
            f"{own}.nXS",
            f"HCRX_EL2.FGTnXS is 0, so {own} traps {name} from EL1 too.",
            _HCRX_ON,
            Bits("HCRX_EL2", "FGTnXS", (0,)),
        ),
    )


_NXS = tuple(rule for row in TRAP_BITS if row.what and row.what[0].startswith("TLBI ") for rule in _nxs_rules(row))

RULES: tuple[Rule, ...] = (*(_rule(row) for row in TRAP_BITS if row.what), *_NXS, *_HCRX)
