"""Every exception of every VM has its reason; with the bit that it names turned round, or the page mapped, it is gone.

Read `test_reasons.py` before. The bits are those that the hypervisor in Python gave the vCPU (`EL2_OF_VCPU`). Many
exits come at one position, as a trapped instruction does not retire: so a bit is turned round behind the exit before,
when Python has loaded the vCPU and is about to return to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from functools import cache, partial
from typing import Any, Final

import pytest
from golden_support import one_of_each_guest
from test_reasons import WITHOUT_A_BIT, field_of, value_of
from test_reasons import alike as alike_but_for_the_page
from vm_support import CASES, LIMIT, VmCase, hypervisor_for, restore, saved

from arm_hyp.arch.registers.hypervisor import HPFAR_EL2
from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.sysregs import by_name
from arm_hyp.cpu.core import Core
from arm_hyp.events import Event, ExceptionTaken, NullSink, RecordingSink
from arm_hyp.explain.why import why
from arm_hyp.explain.why_faults import NamedBit
from arm_hyp.hypervisor.stage2.mapper import NORMAL_RWX

PAGE_BYTES = 4096


class Remedy(StrEnum):
    """What takes an exception away."""

    BIT = "the bit that its sentence names"
    BIT_OR_PAGE = "that bit, which turns stage 2 off, or a page in the tables of stage 2 that allows the access"
    NONE = "nothing: it is a call, and the guest means it"


REMEDIES: Final = {
    ("irq", None): Remedy.BIT,
    ("sync", EC.WFX): Remedy.BIT,
    ("sync", EC.FP_ACCESS): Remedy.BIT,
    ("sync", EC.SYSREG): Remedy.BIT,
    ("sync", EC.SMC64): Remedy.BIT,
    ("sync", EC.HVC64): Remedy.NONE,
    ("sync", EC.DATA_ABORT_SAME): Remedy.BIT,
    ("sync", EC.DATA_ABORT_LOWER): Remedy.BIT_OR_PAGE,
    ("sync", EC.INSTRUCTION_ABORT_LOWER): Remedy.BIT_OR_PAGE,
}
"""All that a VM takes here, by kind and exception class."""


def alike(one: ExceptionTaken, other: ExceptionTaken) -> bool:
    """Tell whether two exceptions are the same: an access across two pages faults on one, then on the other."""
    return alike_but_for_the_page(one, other) and one.hpfar == other.hpfar


def remedy_of(event: ExceptionTaken) -> Remedy:
    return REMEDIES[event.kind, None if event.ec is None else EC(event.ec)]


@cache
def exceptions(case: VmCase) -> tuple[ExceptionTaken, ...]:
    sink = RecordingSink()
    hypervisor_for(case, sink).machine.run(LIMIT)
    return tuple(event for event in sink.events if isinstance(event, ExceptionTaken))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_exception_of_a_vm_has_its_reason(case: VmCase) -> None:
    taken = exceptions(case)
    assert any(event.python for event in taken)
    for event in taken:
        reason = why(event, case.model, case.gic)
        assert reason.sentence.endswith(".") and "no trap control decides" not in reason.sentence
        for register, field, value in reason.bits:
            assert f"{register}.{field}" in reason.sentence
            assert value_of(event, register, field) == value
        assert bool(reason.bits) is (remedy_of(event) is not Remedy.NONE), reason.sentence
        assert reason.bits or any(text in reason.sentence for text in WITHOUT_A_BIT)


def test_every_remedy_is_needed() -> None:
    assert {(event.kind, event.ec) for case in CASES for event in exceptions(case)} == REMEDIES.keys()


class Heard:
    """The exceptions of a run, each with how often a vCPU was entered before it."""

    def __init__(self) -> None:
        self.passed = 0
        self.taken: list[ExceptionTaken] = []
        self.entries: list[int] = []

    def emit(self, event: Event) -> None:
        if isinstance(event, ExceptionTaken):
            self.taken.append(event)
            self.entries.append(self.passed)

    def forget(self) -> None:
        self.passed, self.taken, self.entries = 0, [], []


class Trial:
    """VMs that go on from exception to exception, and a second machine that tries what comes next, otherwise."""

    def __init__(self, case: VmCase) -> None:
        self._guest, self._sink = hypervisor_for(case, NullSink()), Heard()
        self._other = hypervisor_for(case, self._sink)
        self._state: dict[str, Any] = {}
        self._change_at = self._behind = -1
        self._change: Callable[[], None] = lambda: None
        for core in self._other.machine.cpus.cores:
            self._listen(core)

    def _listen(self, core: Core) -> None:
        """Hear when the Python at EL2 is about to return to a vCPU."""
        entered, resumed = core.python_el2, core.python_resumes
        assert entered is not None

        def after_exit(core: Core, event: ExceptionTaken | None) -> None:
            entered(core, event)
            self._entry()

        def after_wait(core: Core) -> None:
            resumed(core)
            self._entry()

        core.python_el2, core.python_resumes = after_exit, after_wait

    def _entry(self) -> None:
        self._sink.passed += 1
        if self._sink.passed == self._change_at:
            self._change()

    def stop_before(self, event: ExceptionTaken) -> bool:
        """Run the VMs to one instruction before this exception, and count the entries that lie between."""
        machine, n = self._guest.machine, max(event.n - 1, 0)
        if machine.retired < n or not self._state:
            machine.run(n)
            self._state = saved(self._guest)
        self._change_at = -1
        taken = self._run(event)
        found = [entries for one, entries in zip(taken, self._sink.entries, strict=True) if alike(one, event)]
        self._behind = found[0] if found else -1
        return bool(found)

    def _run(self, event: ExceptionTaken) -> list[ExceptionTaken]:
        restore(self._other, self._state)
        self._sink.forget()
        if self._change_at == 0:
            self._change()
        self._other.machine.run(event.n + 1)
        return self._sink.taken

    def is_taken_with(self, change: Callable[[], None], event: ExceptionTaken) -> bool:
        """Tell whether the exception still comes with a change made before it."""
        self._change, self._change_at = change, self._behind
        return any(alike(one, event) for one in self._run(event))

    def gone_with_bits(self, event: ExceptionTaken, bits: tuple[NamedBit, ...]) -> str:
        """Turn the bits round that a sentence names: one, or together those of which each would do."""
        for some in (*((bit,) for bit in bits), bits):
            if not self.is_taken_with(partial(self.flip, event, some), event):
                return "gone with the bit" if len(some) == 1 else "gone with the bits together"
        return "it comes anyway"

    # --- changes -----------------------------------------------------------------------------------------------------

    def flip(self, event: ExceptionTaken, bits: tuple[NamedBit, ...]) -> None:
        """Turn control bits of the vCPU round that is loaded."""
        registers = self._other.machine.cpus.cores[event.cpu].registers
        for register, name, value in bits:
            field, encoding = field_of(event, register, name), by_name(register).encoding
            held = registers.read(encoding)
            assert held is not None and held >> field.lsb & field.max == value
            assert registers.write(encoding, held & ~field.mask | (field.max ^ value) << field.lsb)

    def map(self, event: ExceptionTaken) -> None:
        """Give the VM a page where its access faulted, or all permissions for the one that it has."""
        vcpu = self._other.cpus[event.cpu].vcpu
        assert vcpu is not None and event.hpfar is not None
        stage2, ipa = vcpu.vm.stage2, HPFAR_EL2(event.hpfar).FIPA * PAGE_BYTES
        mapping = stage2.lookup(ipa)
        if mapping is None:
            stage2.map(ipa, self._other.allocator.allocate(PAGE_BYTES), PAGE_BYTES)
        else:
            stage2.update(mapping.ipa, mapping.size_bytes, lambda _: NORMAL_RWX)


@one_of_each_guest(CASES)
def test_with_its_remedy_the_exception_is_gone(case: VmCase) -> None:
    outcomes: Counter[str] = Counter()
    done: set[tuple[int, tuple[NamedBit, ...]]] = set()
    trial = Trial(case)
    for event in exceptions(case):
        reason, remedy = why(event, case.model, case.gic), remedy_of(event)
        if remedy is Remedy.NONE or (event.pc, reason.bits) in done:
            continue
        assert trial.stop_before(event), reason.sentence
        done.add((event.pc, reason.bits))
        outcomes[trial.gone_with_bits(event, reason.bits)] += 1
        if remedy is Remedy.BIT_OR_PAGE:
            assert not trial.is_taken_with(partial(trial.map, event), event), reason.sentence
            outcomes["gone with the page"] += 1
    print(f"\n{case.name}: {dict(outcomes)}")
    assert not outcomes["it comes anyway"]
