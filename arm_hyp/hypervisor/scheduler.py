"""The scheduler: which vCPU runs on which CPU, by weight; and how long each had to wait.

Read `hypervisor/vcpu.py` before this file and `hypervisor/hypervisor.py` after it. Each vCPU has a virtual runtime: the
time that it ran, divided by its weight. The one with the least runs next, for one slice. Who was blocked does not
save time up: it starts a slice before the others at most. The idea is that of Linux's completely fair scheduler.

The scheduler decides and keeps accounts; it touches no registers. All times are virtual, in ns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.hypervisor.vcpu import State

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu

SLICE_NS: Final = 4_000_000
"""How long a vCPU runs before another's turn: 4 ms."""
NORMAL_WEIGHT: Final = 1024


@dataclass(slots=True)
class Account:
    """What the scheduler knows of one vCPU. `since_ns` is when its state last changed."""

    weight: int = NORMAL_WEIGHT
    pins: tuple[int, ...] = ()
    runtime_ns: int = 0  # virtual: divided by the weight
    since_ns: int = 0
    ran_ns: int = 0
    stolen_ns: int = 0


class Scheduler:
    """The run queue of all CPUs."""

    def __init__(self, slice_ns: int = SLICE_NS) -> None:
        self.slice_ns = slice_ns
        self._accounts: dict[Vcpu, Account] = {}

    def add(self, vcpu: Vcpu, weight: int, pins: Sequence[int]) -> None:
        """Take a vCPU on. It may run on the CPUs `pins`, on every CPU if there are none."""
        self._accounts[vcpu] = Account(weight, tuple(pins))

    def account(self, vcpu: Vcpu) -> Account:
        """Return the account of a vCPU."""
        return self._accounts[vcpu]

    def account_at(self, vcpu: Vcpu, now_ns: int) -> Account:
        """Return the account of a vCPU as it is now: what is kept is as of the last change of its state."""
        account = self._accounts[vcpu]
        since_ns = now_ns - account.since_ns
        return replace(
            account,
            runtime_ns=self._runtime_ns(vcpu, now_ns),
            ran_ns=account.ran_ns + since_ns * (vcpu.state is State.RUNNING),
            stolen_ns=account.stolen_ns + since_ns * (vcpu.state is State.READY),
        )

    def may_run(self, vcpu: Vcpu, cpu: int) -> bool:
        """Tell whether a vCPU may run on a CPU. One that is still loaded somewhere can run only there."""
        if vcpu.cpu is not None:
            return vcpu.cpu.index == cpu
        pins = self._accounts[vcpu].pins
        return not pins or cpu in pins

    def waiting(self, cpu: int) -> list[Vcpu]:
        """Return the vCPUs that are ready and may run on a CPU, the next one first."""
        ready = [vcpu for vcpu in self._accounts if vcpu.state is State.READY and self.may_run(vcpu, cpu)]
        return sorted(ready, key=lambda vcpu: self._accounts[vcpu].runtime_ns)

    def next(self, cpu: int, current: Vcpu | None, now_ns: int) -> Vcpu | None:
        """Return the vCPU to run on a CPU now: the current one until its turn ends; None if there is none."""
        waiting = self.waiting(cpu)
        if current is None or current.state is not State.RUNNING:
            return waiting[0] if waiting else None
        return waiting[0] if waiting and now_ns >= self._turn_end_ns(current, waiting[0]) else current

    def slice_end_ns(self, cpu: int, current: Vcpu | None) -> int | None:
        """Return when another vCPU takes a CPU over: 0 where it waits and none runs, None if none waits."""
        waiting = self.waiting(cpu)
        if not waiting:
            return None
        if current is None or current.state is not State.RUNNING:
            return 0
        return self._turn_end_ns(current, waiting[0])

    def _turn_end_ns(self, current: Vcpu, first: Vcpu) -> int:
        """Return when a vCPU that runs gives way to the first that waits.

        Its slice is over by then, and it is no longer behind the other; or it is more than a slice ahead.
        """
        account = self._accounts[current]
        behind_ns = self._accounts[first].runtime_ns - account.runtime_ns
        fair_ns = max(self.slice_ns, self._unscaled(account, behind_ns))
        return account.since_ns + min(fair_ns, self._unscaled(account, behind_ns + self.slice_ns + 1))

    # --- changes of state --------------------------------------------------------------------------------------------

    def ready(self, vcpu: Vcpu, now_ns: int) -> None:
        """Note that a vCPU can run from now on."""
        account = self._accounts[vcpu]
        others = [
            self._runtime_ns(each, now_ns)
            for each in self._accounts
            if each is not vcpu and each.state in (State.READY, State.RUNNING)
        ]
        account.runtime_ns = max(account.runtime_ns, min(others, default=0) - self.slice_ns)
        account.since_ns = now_ns
        vcpu.state = State.READY

    def run(self, vcpu: Vcpu, now_ns: int) -> int:
        """Note that a vCPU runs from now on; return how long it had to wait, in ns."""
        account = self._accounts[vcpu]
        waited_ns = now_ns - account.since_ns
        account.stolen_ns += waited_ns
        account.since_ns = now_ns
        vcpu.state = State.RUNNING
        return waited_ns

    def stop(self, vcpu: Vcpu, state: State, now_ns: int) -> int:
        """Note that a vCPU runs no more; return how long it ran, in ns."""
        account = self._accounts[vcpu]
        ran_ns = now_ns - account.since_ns if vcpu.state is State.RUNNING else 0
        account.ran_ns += ran_ns
        account.runtime_ns += self._scaled(account, ran_ns)
        account.since_ns = now_ns
        vcpu.state = state
        return ran_ns

    def give_way(self, vcpu: Vcpu, cpu: int, now_ns: int) -> None:
        """Take a vCPU that runs behind all that wait for its CPU."""
        last = max(self._accounts[each].runtime_ns for each in self.waiting(cpu))
        self.stop(vcpu, State.READY, now_ns)
        account = self._accounts[vcpu]
        account.runtime_ns = max(account.runtime_ns, last + 1)

    def _runtime_ns(self, vcpu: Vcpu, now_ns: int) -> int:
        """Return the virtual runtime of a vCPU now; its account has it as of the last change of its state."""
        account = self._accounts[vcpu]
        ran_ns = now_ns - account.since_ns if vcpu.state is State.RUNNING else 0
        return account.runtime_ns + self._scaled(account, ran_ns)

    @staticmethod
    def _scaled(account: Account, ran_ns: int) -> int:
        return ran_ns * NORMAL_WEIGHT // account.weight

    @staticmethod
    def _unscaled(account: Account, runtime_ns: int) -> int:
        """Return the least time to run that makes so much virtual runtime."""
        return -(-runtime_ns * account.weight // NORMAL_WEIGHT)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> list[list[Any]]:
        """Return the accounts, in the order of the vCPUs."""
        return [[each.runtime_ns, each.since_ns, each.ran_ns, each.stolen_ns] for each in self._accounts.values()]

    def restore(self, state: list[list[Any]]) -> None:
        """Take the accounts back."""
        for account, saved in zip(self._accounts.values(), state, strict=True):
            account.runtime_ns, account.since_ns, account.ran_ns, account.stolen_ns = saved
