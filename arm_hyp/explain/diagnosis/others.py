"""The other CPUs, or the other vCPUs of a VM: what each does, and who can hold a lock that one of them wants.

Read `explain/diagnosis/model.py` before this file, `explain/diagnosis/loops.py` after it. Nothing tells who stored a
word: but who has never run has taken no lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from arm_hyp.hypervisor.vcpu import State

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.hypervisor.vcpu import Vcpu

_GIVE_BACK = "have whoever holds the lock store 0 there (STLR), before it waits or goes off"
_TAKEN_TWICE = "see that the word is 0 at the start, and that nobody takes the lock twice: a handler must not either"


class Other(NamedTuple):
    """Another CPU or vCPU: its name, what it does, and whether it has ever run."""

    who: str
    doing: str
    has_run: bool


def other_cpu(core: Core, is_on: bool) -> Other:
    """Say what a CPU does."""
    has_run = core.retired > 0
    if not is_on:
        return Other(f"CPU {core.index}", "is off" if has_run else "has never run", has_run)
    return Other(f"CPU {core.index}", f"waits in {core.waiting.upper()}" if core.waiting else "runs", has_run)


def other_vcpu(vcpu: Vcpu) -> Other:
    """Say what a vCPU does."""
    account = vcpu.vm.hypervisor.scheduler.account(vcpu)
    has_run = vcpu.state is State.RUNNING or account.ran_ns > 0
    return Other(vcpu.name, f"is {vcpu.state}" if has_run else "has never run", has_run)


def in_words(others: Sequence[Other]) -> str:
    """Say what the others do, one after the other."""
    return " and ".join(f"{one.who} {one.doing}" for one in others) or "there is no other CPU"


def holders(who: str, others: Sequence[Other]) -> tuple[str, str]:
    """Say who can have taken a lock that one wants, and what to do."""
    names = [f"{one.who}, which {one.doing}," for one in others if one.has_run]
    advice = _GIVE_BACK if names else _TAKEN_TWICE
    return f"only {' or '.join((*names, f'{who} itself'))} can have taken it", advice
