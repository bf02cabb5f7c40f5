"""Why an instruction trapped, or did not: one sentence that names the deciding control bit.

Read `asked.py` and `events.py` before this file, `comparison.py` after it. An `ExceptionTaken` holds the control
registers at that moment, so the rules can be asked again, long after the run: the sentence comes from the rule that
decides, and from nothing that was written down for this event.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from arm_hyp.arch import id_policy, sysregs, traps
from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.syndromes import EC, one_line
from arm_hyp.arch.traps import Considered, Context, Controls, Outcome, Verdict
from arm_hyp.events import ExceptionTaken, NotWaited, Waited
from arm_hyp.explain.asked import instruction_name, request_of

_WORDS: Final = {"wfi": 0xD503_207F, "wfe": 0xD503_205F}
_CALLS: Final = frozenset({EC.SVC64, EC.HVC64, EC.BRK})
_ROUTE_FIELD: Final = {"irq": "IMO", "fiq": "FMO", "serror": "AMO"}
_KIND_NAME: Final = {"irq": "IRQ", "fiq": "FIQ", "serror": "SError"}


@lru_cache(maxsize=8)
def _features(model: str, gic: int) -> frozenset[str]:
    return id_policy.features(model, gic)


def why_trapped(event: ExceptionTaken, model: str = "a72", gic: int = 2) -> str:
    """Say in one sentence why this exception was taken. `model` and `gic` say which machine recorded it."""
    if event.kind != "sync":
        return _why_interrupted(event)
    if event.ec in _CALLS:
        return _why_called(event)
    verdict = _ask_again(event, _features(model, gic))
    if verdict is None or verdict.esr is None or verdict.esr >> 26 != event.ec:
        return f"{_place(event)} goes to EL{event.to_el}: {_syndrome(event)}; no trap control decides that."
    return _sentence(event, verdict)


def _place(event: ExceptionTaken) -> str:
    name = instruction_name(event.instruction)
    return f"{name[0].upper()}{name[1:]} at EL{event.from_el}"


def _syndrome(event: ExceptionTaken) -> str:
    return "no syndrome" if event.esr is None else one_line(event.esr, event.to_el, sysregs.name_of)


def _ask_again(event: ExceptionTaken, features: frozenset[str]) -> Verdict | None:
    request = request_of(event.instruction)
    if request is None:
        return None
    controls = Controls(**{name: value for name, value in event.controls.items() if name in Controls._fields})
    return traps.decide(request, Context(event.from_el, controls, features=features, pstate=event.spsr))


def _sentence(event: ExceptionTaken, verdict: Verdict) -> str:
    rule = verdict.rule
    assert rule is not None  # a verdict with a syndrome has its rule
    detail = rule.text.rstrip(".")
    if verdict.outcome is Outcome.UNDEFINED:
        return f"{_place(event)} is UNDEFINED and goes to EL{event.to_el}: {detail}."
    bits = _own_bits(verdict.considered[-1])
    because = f" because {bits}" if bits else ""
    rerouted = ", and HCR_EL2.TGE is 1, so what is meant for EL1 goes to EL2" if verdict.is_rerouted else ""
    return f"{_place(event)} traps to EL{event.to_el}{because}: {detail}{rerouted}."


def _own_bits(considered: Considered) -> str:
    """Name the bits that make the rule's own condition, which is its last; those before it say in which regime."""
    conditions = considered.rule.bits
    if not conditions:
        return ""
    fields = set(conditions[-1].fields.split(","))
    own = [bit for bit in considered.bits if set(bit[1].split(",")) <= fields]
    return " and ".join(f"{register}.{field} is {value}" for register, field, value in own)


def _why_called(event: ExceptionTaken) -> str:
    name = _place(event)
    if event.ec == EC.HVC64:
        return f"{name} is a call to EL2: no control bit has to ask for it."
    what = "is a system call" if event.ec == EC.SVC64 else "is a breakpoint"
    if event.to_el != 2 or event.from_el == 2:
        return f"{name} {what}: it is taken to EL{event.to_el}, and no control bit has to ask for it."
    bit = "HCR_EL2.TGE" if event.controls.get("hcr_el2", 0) >> 27 & 1 else "MDCR_EL2.TDE"
    return f"{name} {what}: it goes to EL2 instead of EL1 because {bit} is 1."


def _why_interrupted(event: ExceptionTaken) -> str:
    field, name = _ROUTE_FIELD[event.kind], _KIND_NAME[event.kind]
    hcr = HCR_EL2(event.controls.get("hcr_el2", 0))
    value, tge = int(getattr(hcr, field)), int(hcr.TGE)
    if event.virtual:
        return f"A virtual {name} is pending and not masked, and HCR_EL2.{field} is {value}: EL1 takes it."
    if event.to_el == 1:
        return f"A physical {name} is pending and not masked; HCR_EL2.{field} and TGE are 0, so EL1 takes it."
    bit = f"HCR_EL2.{field}" if value else "HCR_EL2.TGE"
    return f"A physical {name} is pending; {bit} is {value or tge}, so EL2 takes it."


def why_not(
    event: Waited | NotWaited, controls: Mapping[str, int] | None = None, model: str = "a72", gic: int = 2
) -> str:
    """Say in one sentence why a WFI or WFE did not trap. With `controls`, name the bits that would have trapped it."""
    name = event.instruction.upper()
    if isinstance(event, NotWaited):
        return f"{name} at EL{event.el} goes on at once because {event.reason}: only one that would wait can trap."
    bits = "" if controls is None else bits_that_let_pass(event, controls, model, gic)
    because = f" because {bits}" if bits else ""
    return f"{name} at EL{event.el} does not trap{because}: the CPU itself waits."


def deciding_rule(event: ExceptionTaken, model: str = "a72", gic: int = 2) -> tuple[str, str]:
    """Return the bits with their values and the text (without a full stop) of the rule that made a trap.

    Both are empty where no trap rule decides.
    """
    verdict = _ask_again(event, _features(model, gic))
    if verdict is None or verdict.rule is None:
        return "", ""
    return _own_bits(verdict.considered[-1]), verdict.rule.text.rstrip(".")


def bits_that_let_pass(event: Waited | NotWaited, controls: Mapping[str, int], model: str = "a72", gic: int = 2) -> str:
    """Name the control bits, with their values, that would have to be different for EL2 to trap a WFI or WFE."""
    request = request_of(_WORDS.get(event.instruction))
    if request is None:
        return ""
    known = Controls(**{name: value for name, value in controls.items() if name in Controls._fields})
    verdict = traps.decide(request, Context(event.el, known, features=_features(model, gic)))
    asked = [one for one in verdict.considered if one.rule.outcome is Outcome.TRAP and one.rule.target_el == 2]
    return " and ".join(filter(None, map(_own_bits, asked)))
