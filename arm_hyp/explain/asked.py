"""What is asked about: an instruction word as a request to the trap rules, and the state of a CPU it is asked in.

Read `arch/traps.py` before this file; `verdicts.py` and `why.py` after it.

A state is an `arch.traps.Context`; `after_reset` makes that of a machine at its start, and `with_field` changes one
field of it by name, whichever of its parts holds it: a control register, PSTATE, or PE (what is in no register, e.g.
`PE.InterruptPending`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from arm_hyp.arch import id_policy, sysregs, traps
from arm_hyp.arch.control_bits import HCR_E2H
from arm_hyp.arch.instructions import decode_system, is_fp_simd, is_sve, mnemonic
from arm_hyp.arch.registers import REGISTERS
from arm_hyp.arch.registers.control import SCR_EL3
from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.trap_rules import PE
from arm_hyp.arch.traps import FIRMWARE_ICC_SRE_EL3, FIRMWARE_SCR_EL3, Context, Controls, FineGrained, Request

_PE_ATTRIBUTES: Final = {
    "EventRegister": "event_register",
    "InterruptPending": "interrupt_pending",
    "TimeoutExpired": "timeout_expired",
}
_BY_FIRMWARE: Final = {
    "PAuth": SCR_EL3.of(API=1, APK=1),
    "FGT": SCR_EL3.of(FGTEn=1),
    "HCX": SCR_EL3.of(HXEn=1),
    "TCR2": SCR_EL3.of(TCR2En=1),
    "SCTLR2": SCR_EL3.of(SCTLR2En=1),
}
"""What the firmware allows lower levels, by feature."""
_GICV3_CONTROLS: Final = {"icc_sre_el1": 0x7, "icc_sre_el2": 0xF, "icc_sre_el3": FIRMWARE_ICC_SRE_EL3}
"""ICC_SRE_ELx of a machine with GICv3: SRE, DFB, DIB are RAO/WI, and Enable is 1."""

_PAUTH: Final = (
    # mask, value, key. Ref: Arm ARM C6.2, PACIA, PACGA, BRAA, RETAA, LDRAA and the like
    (0xFFFF_DC00, 0xDAC1_0000, "IA"),  # PACIA, PACIZA
    (0xFFFF_DC00, 0xDAC1_0400, "IB"),
    (0xFFFF_DC00, 0xDAC1_0800, "DA"),
    (0xFFFF_DC00, 0xDAC1_0C00, "DB"),
    (0xFFFF_DC00, 0xDAC1_1000, "IA"),  # AUTIA, AUTIZA
    (0xFFFF_DC00, 0xDAC1_1400, "IB"),
    (0xFFFF_DC00, 0xDAC1_1800, "DA"),
    (0xFFFF_DC00, 0xDAC1_1C00, "DB"),
    (0xFFE0_FC00, 0x9AC0_3000, "GA"),  # PACGA
    (0xFEDF_FC00, 0xD61F_0800, "IA"),  # BRAA, BRAAZ, BLRAA, BLRAAZ
    (0xFEDF_FC00, 0xD61F_0C00, "IB"),
    (0xFFFF_FFFF, 0xD65F_0BFF, "IA"),  # RETAA
    (0xFFFF_FFFF, 0xD65F_0FFF, "IB"),
    (0xFFA0_0400, 0xF820_0400, "DA"),  # LDRAA
    (0xFFA0_0400, 0xF8A0_0400, "DB"),
    (0xFFFF_FF7F, 0xD503_211F, "IA"),  # PACIA1716 and AUTIA1716 (hints 8, 12)
    (0xFFFF_FF7F, 0xD503_215F, "IB"),
    (0xFFFF_FF9F, 0xD503_231F, "IA"),  # PACIAZ, PACIASP, AUTIAZ, AUTIASP
)


def request_of(word: int | None) -> Request | None:
    """Return what the trap rules are asked about an instruction word, or None if no rule is about it alone."""
    if word is None:
        return None
    key = pointer_key(word)
    if key is not None:
        return traps.PointerAuthentication(key)
    system = decode_system(word)
    if system is not None:
        return system
    if is_sve(word):
        return traps.SveAccess()
    return traps.FpAccess() if is_fp_simd(word) else None


def pointer_key(word: int) -> str | None:
    """Return the key that a pointer authentication instruction uses, None for any other; ERETAA is an ERET first."""
    return next((key for mask, value, key in _PAUTH if word & mask == value), None)


def instruction_name(word: int | None) -> str:
    """Return a short name of an instruction for a sentence: `WFI`, `MSR TCR_EL1, X0`, `an FP or SIMD instruction`."""
    if word is None:
        return "an instruction that cannot be fetched"
    system = decode_system(word)
    if system is not None:
        return mnemonic(system).upper()
    if is_sve(word):
        return "an SVE instruction"
    return "an FP or SIMD instruction" if is_fp_simd(word) else f"the instruction {word:#010x}"


def after_reset(el: int, model: str = "a72", gic: int = 2, more_features: frozenset[str] = frozenset()) -> Context:
    """Return the state of a machine at its start, at exception level `el`: what the firmware leaves.

    `more_features` are features that the machine does not claim, e.g. "FGT", to ask what a newer CPU would do.
    Raises: ValueError for an unknown model or GIC.
    """
    features = id_policy.features(model, gic) | more_features
    values = {name: sysregs.reset_value(sysregs.by_name(name), model, gic) for name in Controls._fields}
    firmware = FIRMWARE_SCR_EL3 & ~_BY_FIRMWARE["PAuth"] | SCR_EL3.RES1
    for feature in features & _BY_FIRMWARE.keys():
        firmware |= _BY_FIRMWARE[feature]
    values |= {"hcr_el2": HCR_EL2.of(RW=1), "scr_el3": firmware} | (_GICV3_CONTROLS if gic >= 3 else {})
    controls = Controls(**{name: int(value) for name, value in values.items()})
    return Context(el, controls, features=features, pstate=0x3C0 | el << 2 | (el > 0))


def recorded_controls(controls: Mapping[str, int]) -> tuple[Controls, FineGrained]:
    """Return the control registers that an event holds by name, and the fine-grained traps; what it lacks is 0."""
    known = {name: value for name, value in controls.items() if name in Controls._fields}
    return Controls(**known), FineGrained(**{name: controls.get(name, 0) for name in FineGrained._fields})


def layout_name(register: str, context: Context) -> str:
    """Return the name of a register's layout: CPTR_EL2, CNTHCTL_EL2 and SCTLR_EL2 have another with HCR_EL2.E2H."""
    is_e2h = context.controls.hcr_el2 & HCR_E2H and "VHE" in context.features
    return f"{register}_E2H" if is_e2h and f"{register}_E2H" in REGISTERS else register


def register_value(context: Context, register: str) -> int:
    """Return the value of a control register, of PSTATE or of PE, by name; a layout's suffix does not matter.

    Raises: KeyError for a register that no trap rule asks for.
    """
    name = register.removesuffix("_E2H").lower()
    if name == "pe":
        return sum(getattr(context, _PE_ATTRIBUTES[field.name]) << field.lsb for field in PE.FIELDS)
    if name == "pstate":
        return context.pstate
    for part in (context.controls, context.fine_grained):
        if name in part._fields:
            return int(getattr(part, name))
    raise KeyError(register)


def with_register(context: Context, register: str, value: int) -> Context:
    """Return the state with another value of a register, PSTATE or PE. Raises: KeyError."""
    name = register.removesuffix("_E2H").lower()
    if name == "pe":
        flags: dict[str, Any] = {_PE_ATTRIBUTES[field.name]: bool(value >> field.lsb & 1) for field in PE.FIELDS}
        return replace(context, **flags)
    if name == "pstate":
        return replace(context, pstate=value)
    if name in Controls._fields:
        return _with_controls(context, context.controls._replace(**{name: value}))
    if name in FineGrained._fields:
        return replace(context, fine_grained=context.fine_grained._replace(**{name: value}))
    raise KeyError(register)


def _with_controls(context: Context, controls: Controls) -> Context:
    """Do what `replace` does, which is slow: the search for the nearest change does it often."""
    return Context(
        context.el,
        controls,
        context.event_register,
        context.interrupt_pending,
        context.features,
        context.pstate,
        context.timeout_expired,
        context.fine_grained,
    )


def with_field(context: Context, layout: str, field: str, value: int) -> Context:
    """Return the state with another value of one field. Raises: KeyError, ValueError if it does not fit."""
    place = traps.field_of(layout, field)
    if not 0 <= value <= place.max:
        raise ValueError(f"{value:#x} does not fit in {layout}.{field} <{place.msb}:{place.lsb}>")
    return with_register(context, layout, register_value(context, layout) & ~place.mask | value << place.lsb)
