"""What a handler did, done again without its code.

Read `hypervisor/student/actions.py` and `hypervisor/student/live.py` before this file, `hypervisor/student/code.py`
after it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from arm_hyp.hypervisor.student import actions
from arm_hyp.hypervisor.student.effects import NEXT, Action, Files, answer_of
from arm_hyp.hypervisor.student.failures import Differs
from arm_hyp.hypervisor.student.live import Below
from arm_hyp.hypervisor.student.registry import Registered
from arm_hyp.hypervisor.student.watch import Watch
from arm_hyp.hypervisor.student.wire import Malformed, decode
from arm_hyp.machine.seams import BusError


def repeat(watch: Watch, registered: Registered, what: Any, below: Below, files: Files) -> object:
    """Do what the next call of an effect did, and return its answer. Raises: Problem; BusError."""
    call = watch.next_call()
    if call is None or call.handler != registered.decorator:
        raise Differs(f"{registered.decorator} was not asked then")
    try:
        for action in call.actions:
            if action.name == NEXT:
                _repeat_next(watch, action, what, below)
            else:
                actions.repeat(action, watch.vcpu)
        answer = answer_of(call.answer)
    except Malformed as error:
        raise Differs(str(error)) from None
    if call.failing is not None:
        raise files.problem(call.failing)
    if call.refused is not None and not registered.decorator.startswith("@mmio"):
        raise Differs(f"{registered.decorator} is no device that refuses an access")
    if call.refused is not None:
        raise BusError(call.refused)
    return answer


def _repeat_next(watch: Watch, action: Action, given: Any, below: Below) -> None:
    what = decode(action.arguments[0], objects=True) if action.arguments else given
    if type(what) is not type(given):
        raise Malformed(f"next was asked with a {type(what).__name__}")
    actions.ends_as_before(action, partial(watch.below, below, what))
