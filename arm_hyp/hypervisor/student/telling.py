"""What a user's handlers did at an exit, told as events.

Read `hypervisor/student/effects.py` before this file, `hypervisor/student/code.py` beside it. The events are made of
the effect alone, so that they are the same whether the user's code ran or its effect was repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arm_hyp.hypervisor.student.effects import Action, Call, Effect
from arm_hyp.hypervisor.student.failures import Place, clean, shortly
from arm_hyp.hypervisor.student.wire import Malformed, decode
from arm_hyp.kvm_events import HandlerEffect, HandlerOutput

if TYPE_CHECKING:
    from arm_hyp.hypervisor.student.registry import Handlers
    from arm_hyp.hypervisor.vcpu import Vcpu

MOST_ACTIONS: Final = 20
_INT64: Final = range(-(1 << 63), 1 << 64)
"""What JSON's readers are promised."""


def tell(vcpu: Vcpu, index: int, effect: Effect, handlers: Handlers, failure: str) -> None:
    """Emit what was printed, and the effect. This is a numbered event, so it counts even if nobody listens."""
    core = vcpu.cpu.core if vcpu.cpu is not None else vcpu.vm.hypervisor.machine.cpus.current
    if core.silent or not effect.calls:
        core.position(numbered=True)
        return
    for text, file, line in effect.output:
        vcpu.emit(HandlerOutput, text=text, file=file, line=line)
    first = effect.calls[0]
    core.emit(
        HandlerEffect,
        numbered=True,
        vm=vcpu.vm.name,
        vcpu=vcpu.index,
        time_ns=vcpu.vm.hypervisor.machine.clock.now_ns,
        index=index,
        handler=first.handler,
        place=_place(first, handlers),
        actions=actions_in_words(effect.calls),
        answer=first.answer if type(first.answer) is int and first.answer in _INT64 else None,
        failure=failure or None,
    )


def _place(call: Call, handlers: Handlers) -> str:
    """Return the file, by its name without a directory, and the first line of a handler."""
    source = source_of(call, handlers)
    return "" if source is None else f"{source.file}:{source.line}"


def source_of(call: Call, handlers: Handlers) -> Place | None:
    """Return where the handler of a call is, its file by its name without a directory; None if it is not there."""
    names = {file: name for name, file in handlers.files.items()}
    for table in (handlers.classes, handlers.sysregs, handlers.hypercalls, handlers.mmio):
        for registered in table.values():
            if registered.decorator == call.handler:
                file, line, function = registered.source
                return Place(clean(names.get(file, file)), line, function)
    return None


def actions_in_words(calls: list[Call]) -> list[str]:
    """Return the actions as Python would write them; those of further handlers in the same exit begin with its name."""
    said = [_said(action) for action in calls[0].actions]
    for call in calls[1:]:
        said += [f"{call.handler}: {_said(action)}" for action in call.actions] or [call.handler]
    left = len(said) - MOST_ACTIONS
    return said if left <= 0 else [*said[:MOST_ACTIONS], f"and {left} more"]


def _said(action: Action) -> str:
    kind, _, method = action.name.rpartition(".")
    owner = {"": "", "Vcpu": "", "Vm": "vm."}.get(kind, f"vm.{kind.lower()}.")
    where = "" if action.at is None else f" of {'.'.join(map(str, action.at))}"
    return f"{owner}{method}({', '.join(map(_written, action.arguments))}){where}{', raised' * action.raised}"


def _written(wire: object) -> str:
    try:
        return shortly(decode(wire, objects=True))
    except Malformed:
        return "?"
