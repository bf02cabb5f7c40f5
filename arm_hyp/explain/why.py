"""Why an instruction trapped, or did not: one sentence that names the deciding control bit.

Read `asked.py` and `why_faults.py` before this file, `comparison.py` after it. An `ExceptionTaken` holds the control
registers at that moment, so the rules can be asked again, long after the run: the sentence comes from the rule that
decides, and from nothing that was written down for this event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from arm_hyp.arch import id_policy, traps
from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.traps import Considered, Context, Outcome, Verdict
from arm_hyp.events import ExceptionTaken, NotWaited, Waited
from arm_hyp.explain.asked import instruction_name, recorded_controls, request_of
from arm_hyp.explain.why_faults import NamedBit, alignment_requests, why_faulted

_WORDS: Final = {"wfi": 0xD503_207F, "wfe": 0xD503_205F}
_CALLS: Final = frozenset({EC.SVC64, EC.HVC64, EC.BRK})
_ROUTE_FIELD: Final = {"irq": "IMO", "fiq": "FMO", "serror": "AMO"}
_KIND_NAME: Final = {"irq": "IRQ", "fiq": "FIQ", "serror": "SError"}


@lru_cache(maxsize=8)
def _features(model: str, gic: int) -> frozenset[str]:
    return id_policy.features(model, gic)


class Why(NamedTuple):
    """Why an exception was taken: a sentence, and the control bits that it names; a call needs none."""

    sentence: str
    bits: tuple[NamedBit, ...] = ()


def why_trapped(event: ExceptionTaken, model: str = "a72", gic: int = 2) -> str:
    """Say in one sentence why this exception was taken. `model` and `gic` say which machine recorded it."""
    return why(event, model, gic).sentence


def why(event: ExceptionTaken, model: str = "a72", gic: int = 2) -> Why:
    """Say why this exception was taken, and which control bits decide it."""
    if event.kind != "sync":
        return _why_interrupted(event)
    verdict = _ask_again(event, _features(model, gic))
    if verdict is not None:
        return _by_rule(event, verdict)
    if event.ec in _CALLS:
        return _why_called(event)
    reason = why_faulted(event)
    return Why(f"{_place(event)} goes to EL{event.to_el}: {reason.text}.", reason.bits)


def _place(event: ExceptionTaken) -> str:
    name = instruction_name(event.instruction)
    return f"{name[0].upper()}{name[1:]} at EL{event.from_el}"


def _ask_again(event: ExceptionTaken, features: frozenset[str]) -> Verdict | None:
    """Return the verdict that agrees with what happened, or None: then no trap rule decided it."""
    controls, fine_grained = recorded_controls(event.controls)
    context = Context(event.from_el, controls, features=features, pstate=event.spsr, fine_grained=fine_grained)
    for request in (*alignment_requests(event), request_of(event.instruction)):
        verdict = None if request is None else traps.decide(request, context)
        if verdict is not None and verdict.esr is not None and verdict.esr >> 26 == event.ec:
            return verdict
    return None


def _by_rule(event: ExceptionTaken, verdict: Verdict) -> Why:
    rule = verdict.rule
    assert rule is not None  # a verdict with a syndrome has its rule
    detail, bits = rule.text.rstrip("."), _own_bits(verdict.considered[-1])
    if verdict.outcome is Outcome.UNDEFINED:
        return Why(f"{_place(event)} is UNDEFINED and goes to EL{event.to_el}: {detail}.", bits)
    because = f" because {_in_words(bits)}" if bits else ""
    rerouted = ", and HCR_EL2.TGE is 1, so what is meant for EL1 goes to EL2" if verdict.is_rerouted else ""
    return Why(f"{_place(event)} traps to EL{event.to_el}{because}: {detail}{rerouted}.", bits)


def _own_bits(considered: Considered) -> tuple[NamedBit, ...]:
    """Return the bits that make the rule's own condition, which is its last; those before it say in which regime."""
    conditions = considered.rule.bits
    if not conditions:
        return ()
    fields = set(conditions[-1].fields.split(","))
    return tuple(bit for bit in considered.bits if set(bit[1].split(",")) <= fields)


def _in_words(bits: Iterable[NamedBit]) -> str:
    return " and ".join(f"{register}.{field} is {value}" for register, field, value in bits)


def _why_called(event: ExceptionTaken) -> Why:
    name = _place(event)
    if event.ec == EC.HVC64:
        return Why(f"{name} is a call to EL2: no control bit has to ask for it.")
    what = "is a system call" if event.ec == EC.SVC64 else "is a breakpoint"
    if event.to_el != 2 or event.from_el == 2:
        return Why(f"{name} {what}: it is taken to EL{event.to_el}, and no control bit has to ask for it.")
    is_tge = HCR_EL2(event.controls.get("hcr_el2", 0)).TGE
    register, field = ("HCR_EL2", "TGE") if is_tge else ("MDCR_EL2", "TDE")
    sentence = f"{name} {what}: it goes to EL2 instead of EL1 because {register}.{field} is 1."
    return Why(sentence, ((register, field, 1),))


def _why_interrupted(event: ExceptionTaken) -> Why:
    field, name = _ROUTE_FIELD[event.kind], _KIND_NAME[event.kind]
    hcr = HCR_EL2(event.controls.get("hcr_el2", 0))
    route: NamedBit = ("HCR_EL2", field, int(getattr(hcr, field)))
    tge: NamedBit = ("HCR_EL2", "TGE", int(hcr.TGE))
    if event.virtual:
        return Why(f"A virtual {name} is pending and not masked, and {_in_words([route])}: EL1 takes it.", (route,))
    if event.to_el == 1:
        sentence = f"A physical {name} is pending and not masked; HCR_EL2.{field} and TGE are 0, so EL1 takes it."
        return Why(sentence, (route, tge))
    bit = route if route[2] else tge
    return Why(f"A physical {name} is pending; {_in_words([bit])}, so EL2 takes it.", (bit,))


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
    return _in_words(_own_bits(verdict.considered[-1])), verdict.rule.text.rstrip(".")


def bits_that_let_pass(event: Waited | NotWaited, controls: Mapping[str, int], model: str = "a72", gic: int = 2) -> str:
    """Name the control bits, with their values, that would have to be different for EL2 to trap a WFI or WFE."""
    request = request_of(_WORDS.get(event.instruction))
    if request is None:
        return ""
    known, fine_grained = recorded_controls(controls)
    context = Context(event.el, known, features=_features(model, gic), fine_grained=fine_grained)
    verdict = traps.decide(request, context)
    asked = [one for one in verdict.considered if one.rule.outcome is Outcome.TRAP and one.rule.target_el == 2]
    return _in_words(bit for one in asked for bit in _own_bits(one))
