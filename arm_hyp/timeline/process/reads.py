"""What a session reads of a machine that stands: memory, walks, interrupts, stage 2, vCPUs. Leaves no mark.

Read `timeline/process/registers.py` and `timeline/process/answers.py` before this file, `timeline/process/session.py`
after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec.structs import replace

from arm_hyp.arch.translation import FETCH, READ, WRITE, Access, Fault, Stage2Parameters, Translated, walk
from arm_hyp.arch.translation import Walk as ArchWalk
from arm_hyp.arch.translation.results import Permissions, Step
from arm_hyp.errors import UserError
from arm_hyp.explain.diagnosis.gates import (
    Interface,
    Interrupt,
    controller_gates,
    cpu_gates,
    first_closed,
    interface_of_cpu,
    interrupts_of_cpu,
    kind_of,
    name_of_intid,
)
from arm_hyp.explain.walk_reasons import base_register, failed, reason
from arm_hyp.hypervisor.stage2.descriptors import LeafDescriptor
from arm_hyp.hypervisor.stage2.dump import attribute_words
from arm_hyp.runner.translation import View, view_of_cpu, view_of_vcpu
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import (
    BranchState,
    CpuState,
    MemoryAnswer,
    Stage2Answer,
    Stage2Range,
    VcpusAnswer,
    VcpuState,
    WalkAnswer,
    WalkStep,
)
from arm_hyp.timeline.process.gic_answers import GicAnswer, InterruptState
from arm_hyp.timeline.process.registers import find_core, find_vcpu

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.runner.runner import Runner
    from arm_hyp.timeline.history import History

_PAGE_BYTES: Final = 4096
Locate = Callable[[int], int | None]
"""Return where an address leads in physical memory; None where nothing is mapped."""
_ACCESSES: Final = {"read": READ, "write": WRITE, "fetch": FETCH}


def view_of(runner: Runner, whose: ask.Whose) -> View:
    """Return translation as a CPU or vCPU has it. Raises: UserError."""
    vcpu = find_vcpu(runner, whose)
    return view_of_cpu(runner, whose.index) if vcpu is None else view_of_vcpu(runner, vcpu.vm.name, vcpu.index)


# --- memory -----------------------------------------------------------------------------------------------------------


def read_memory(runner: Runner, asked: ask.Memory) -> MemoryAnswer:
    """Return memory page by page, as far as it is mapped and RAM or flash. Raises: UserError."""
    if not 0 <= asked.size_bytes <= ask.LONGEST_READ_BYTES:
        raise UserError("memory", f"{asked.size_bytes:,} bytes are too many", f"at most {ask.LONGEST_READ_BYTES:,}")
    find, data = locate_in(runner, asked.space, asked.whose), bytearray()
    for start, length in pieces(asked.address, asked.size_bytes):
        pa = find(start)
        piece = b"" if pa is None else _physical(runner, pa, length)
        data += piece
        if len(piece) < length:
            break
    return MemoryAnswer(asked.address, bytes(data))


def pieces(address: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """Give a range of addresses as pieces (address, bytes) that each lie in one page. It ends at 2 to the power 64."""
    end = min(address + size_bytes, 1 << 64)
    while address < end:
        length = min(end, (address // _PAGE_BYTES + 1) * _PAGE_BYTES) - address
        yield address, length
        address += length


def locate_in(runner: Runner, space: Literal["pa", "ipa", "va"], whose: ask.Whose) -> Locate:
    """Return how to find where an address leads. Raises: UserError."""
    return _LOCATE[space](runner, whose)


def _as_it_is(_runner: Runner, _whose: ask.Whose) -> Locate:
    return lambda pa: pa


def _by_stage2(runner: Runner, whose: ask.Whose) -> Locate:
    vcpu = find_vcpu(runner, whose)
    if vcpu is None:
        raise UserError("memory by IPA", "a CPU has no IPAs", "say of which VM")

    def find(ipa: int) -> int | None:
        mapping = vcpu.vm.stage2.lookup(ipa)  # a page that the guest has not touched yet is not there
        return None if mapping is None else mapping.pa_of(ipa)

    return find


def _by_walk(runner: Runner, whose: ask.Whose) -> Locate:
    view = view_of(runner, whose)
    levels = (view.el, max(view.el, 1))

    def find(va: int) -> int | None:
        for access in (READ, FETCH):
            for el in levels:  # at EL0 what EL1 maps is found too
                asked = access._replace(is_privileged=el > 0)
                result = walk(va, asked, el, view.registers, view.read64).result
                if isinstance(result, Translated):
                    return int(result.pa)
        return None

    return find


_LOCATE: Final = {"pa": _as_it_is, "ipa": _by_stage2, "va": _by_walk}


def _physical(runner: Runner, pa: int, size_bytes: int) -> bytes:
    ram = runner.machine.ram_device
    if ram.contains(pa):
        return ram.read(pa, min(size_bytes, ram.base + ram.size_bytes - pa))
    found = runner.machine.core.ram.find(pa, size_bytes)
    return b"" if found is None else bytes(found)


# --- walks ------------------------------------------------------------------------------------------------------------


def read_walk(runner: Runner, asked: ask.Walk) -> WalkAnswer:
    """Translate an address, step by step. Raises: UserError."""
    view, el, access = question(runner, asked)
    found = walk(asked.va, access, el, view.registers, view.read64)
    case = failed(found, access)
    return replace(plain_walk(found), reason="" if case is None else reason(case))


def question(runner: Runner, asked: ask.Walk) -> tuple[View, int, Access]:
    """Return whose translation is asked for, at which level, for which access. Raises: UserError."""
    view = view_of(runner, asked.whose)
    el = view.el if asked.el is None else asked.el
    if not 0 <= el <= 2 or (el == 2 and not view.has_el2):
        raise UserError(f"walk at EL{el}", f"{view.name} has no such level", "say el=0 or el=1")
    if not 0 <= asked.va < 1 << 64:
        raise UserError("walk", "the address does not fit in 64 bits")
    return view, el, _ACCESSES[asked.access]._replace(pan=view.pan and el == view.el, is_privileged=el > 0)


def plain_walk(found: ArchWalk) -> WalkAnswer:
    """Return a walk as plain data."""
    steps = tuple(map(_plain_step, found.steps))
    stage2 = None if found.stage2 is None else plain_walk(found.stage2)
    made = WalkAnswer(found.stage, found.input_address, steps, stage2=stage2)
    if isinstance(found.parameters, Stage2Parameters) or found.parameters.is_enabled:
        bits = found.parameters.tables.input_bits
        made = replace(made, base_register=base_register(found.parameters), input_bits=bits)
    return _with_result(made, found.result)


def _with_result(made: WalkAnswer, result: Translated | Fault) -> WalkAnswer:
    if isinstance(result, Fault):
        return replace(made, fault=(result.kind.name, result.level, result.stage))
    return replace(
        made,
        pa=int(result.pa),
        level=result.level,
        block_bytes=result.block_bytes,
        attributes=tuple(result.attributes),
        permissions=_letters(result.permissions),
    )


def _letters(permissions: Permissions) -> str:
    return "".join(letter if is_given else "-" for letter, is_given in zip("rwxrwx", permissions, strict=True))


def _plain_step(step: Step) -> WalkStep:
    stage2 = None if step.stage2 is None else plain_walk(step.stage2)
    return WalkStep(
        step.kind.value, step.level, step.lsb, int(step.table_address), step.table_index, step.descriptor, stage2
    )


# --- interrupts -------------------------------------------------------------------------------------------------------


def read_gic(runner: Runner, asked: ask.Gic) -> GicAnswer:
    """Return the interrupts of a CPU that are pending, active or enabled, or the vGIC of a VM. Raises: UserError."""
    version, vcpu = runner.machine.options.gic, find_vcpu(runner, asked.whose)
    if vcpu is not None:
        return GicAnswer(version, text=vcpu.vm.vgic.dump())
    core, board = find_core(runner, asked.whose.index), runner.machine.board
    state = board.stateful["gic"].snapshot()
    at = interface_of_cpu(version, state, core.index)
    found = [one for one in interrupts_of_cpu(state, core.index) if one.pending or one.active or one.enabled]
    lists = board.stateful[f"gic-virtual-{core.index}"].snapshot()["list_registers"]
    rows = tuple(_interrupt(one, at, core) for one in found)
    return GicAnswer(
        version, rows, tuple(lists), at.pmr, at.running, groups=at.groups, distributor_groups=at.distributor_groups
    )


def _interrupt(one: Interrupt, at: Interface, core: Core) -> InterruptState:
    held = _held(one, at, core) if one.pending else ""
    return InterruptState(
        one.intid, name_of_intid(one.intid), one.pending, one.enabled, one.active, one.group, one.priority, held
    )


def _held(one: Interrupt, at: Interface, core: Core) -> str:
    of_cpu = cpu_gates(kind_of(one, at), core.pstate, core.controls.values.hcr_el2, can_be_masked=True)
    closed = first_closed(one.intid, [*controller_gates(one, at), *of_cpu])
    return "" if closed is None else closed.text


# --- the hypervisor ---------------------------------------------------------------------------------------------------


def read_stage2(runner: Runner, asked: ask.Stage2Map) -> Stage2Answer:
    """Return what the stage 2 of a VM maps: neighbours that lead to neighbours, alike, as one. Raises: UserError."""
    vcpu = find_vcpu(runner, ask.Whose(0, asked.vm))
    assert vcpu is not None
    stage2, ranges = vcpu.vm.stage2, list[Stage2Range]()
    for one in stage2.mappings():
        words = attribute_words(LeafDescriptor.to(one.pa, one.level, one.attributes))
        made = Stage2Range(one.ipa, one.pa, one.size_bytes, one.level, words)
        if ranges and _goes_on(ranges[-1], made):
            last = ranges.pop()
            made = Stage2Range(last.ipa, last.pa, last.size_bytes + made.size_bytes, last.level, last.words)
        if len(ranges) == ask.MOST_ROWS:
            return Stage2Answer(int(stage2.vttbr), int(stage2.vtcr), tuple(ranges), False)
        ranges.append(made)
    return Stage2Answer(int(stage2.vttbr), int(stage2.vtcr), tuple(ranges), True)


def _goes_on(last: Stage2Range, one: Stage2Range) -> bool:
    follows = (last.ipa + last.size_bytes, last.pa + last.size_bytes) == (one.ipa, one.pa)
    return follows and (last.level, last.words) == (one.level, one.words)


def read_vcpus(runner: Runner, _asked: ask.Vcpus) -> VcpusAnswer:
    """Return what all vCPUs do, in order; none where there are none."""
    vcpus = [] if runner.hypervisor is None else runner.hypervisor.vcpus
    return VcpusAnswer(tuple(map(_vcpu, vcpus)))


def _vcpu(vcpu: Vcpu) -> VcpuState:
    hypervisor = vcpu.vm.hypervisor
    account = hypervisor.scheduler.account_at(vcpu, hypervisor.machine.clock.now_ns)
    is_in_guest = vcpu.cpu is not None and vcpu.cpu.core.el < 2
    return VcpuState(
        vm=vcpu.vm.index,
        index=vcpu.index,
        name=vcpu.name,
        state=vcpu.state.value,
        cpu=None if vcpu.cpu is None else vcpu.cpu.index,
        pc=vcpu.cpu.core.pc if vcpu.cpu is not None and is_in_guest else vcpu.pc,
        weight=account.weight,
        pins=account.pins,
        runtime_ns=account.runtime_ns,
        ran_ns=account.ran_ns,
        stolen_ns=account.stolen_ns,
    )


# --- all --------------------------------------------------------------------------------------------------------------


def cpu_states(runner: Runner) -> tuple[CpuState, ...]:
    """Return what each CPU does."""
    cpus, hypervisor = runner.machine.cpus, runner.hypervisor
    loaded = [] if hypervisor is None else [cpu.vcpu for cpu in hypervisor.cpus]
    vms = {index: vcpu.vm.index for index, vcpu in enumerate(loaded) if vcpu is not None}
    return tuple(
        CpuState(
            core.index, core.el, core.pc, _state(core, cpus.on[core.index]), core is cpus.current, vms.get(core.index)
        )
        for core in cpus.cores
    )


def branch_state(history: History) -> BranchState:
    """Return how far a branch is known, and how it ends."""
    end = history.promised or history.tip  # where this timeline has not been yet, it may be known what is there
    text = "" if end.outcome is None else end.outcome.text
    return BranchState(history.name, history.parent, history.begins_at, end.position, text)


def _state(core: Core, is_on: bool) -> str:
    return "off" if not is_on else core.waiting or "runs"


def state_hash(runner: Runner) -> bytes:
    """Return the hash of the whole state; what was typed and has not entered yet is not of it."""
    state = runner.snapshot(with_ram=False)
    inputs = [state["input"]] if "input" in state else [vm["devices"]["input"] for vm in state["hypervisor"]["vms"]]
    for queue in inputs:
        queue.pop("queue"), queue.pop("script")
    digest = blake2b(repr(_ordered(state)).encode(), digest_size=32)
    digest.update(runner.machine.ram)
    for console in runner.consoles:
        digest.update(console)
    return digest.digest()


def _ordered(state: Any) -> Any:
    if isinstance(state, dict):
        return [(key, _ordered(state[key])) for key in sorted(state, key=repr)]
    return [*map(_ordered, state)] if isinstance(state, list | tuple) else state
