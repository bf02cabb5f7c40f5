"""What a handler may do: one total table of the methods that change state, each noted as it is called, and repeatable.

Read `hypervisor/student/effects.py` before this file, `hypervisor/student/code.py` after it. While a user's code runs,
every call from it into this package comes by here. A method of the table is an action; those of `_READS` and what lies
in harmless modules leave no mark and need no record; any other call is refused, as nobody could repeat it.
"""

from __future__ import annotations

import dis
import inspect
import os
from collections.abc import Callable
from functools import cache
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import arm_hyp
from arm_hyp import kvm_events
from arm_hyp.hypervisor import guest_memory
from arm_hyp.hypervisor.stage2.dirty import DirtyLog
from arm_hyp.hypervisor.stage2.mapper import Stage2
from arm_hyp.hypervisor.stage2.paging import PagedMemory
from arm_hyp.hypervisor.student.effects import Action
from arm_hyp.hypervisor.student.failures import Problem
from arm_hyp.hypervisor.student.plain_data import NotPlain
from arm_hyp.hypervisor.student.wire import Malformed, Wire, decode, encode
from arm_hyp.hypervisor.vcpu import Vcpu
from arm_hyp.hypervisor.vgic.irq import VgicIrq
from arm_hyp.hypervisor.vgic.vgic import Vgic
from arm_hyp.hypervisor.vm import Vm
from arm_hyp.hypervisor.vm_bus import MmioAccess
from arm_hyp.hypervisor.vm_devices import VmDevices

if TYPE_CHECKING:
    from arm_hyp.hypervisor.hypervisor import Hypervisor

_PACKAGE: Final = os.path.dirname(arm_hyp.__file__) + os.sep
_STATEFUL: Final = tuple(_PACKAGE + name + os.sep for name in ("cpu", "machine", "hypervisor"))
"""Where calls may change the run. Elsewhere are pure functions, or what cannot reach the run of a handler."""
_HARMLESS: Final = tuple(
    _PACKAGE + os.path.join(*name.split("."))
    for name in (
        *("hypervisor.student.", "hypervisor.exits", "hypervisor.__init__", "machine.seams"),
        *("hypervisor.stage2.descriptors", "hypervisor.stage2.geometry", "hypervisor.stage2.dump", "machine.board"),
    )
)


class Method(NamedTuple):
    """A method that may be called: `name` is that of its class and its own, `is_action` whether it is noted."""

    name: str
    function: Callable[..., Any]
    is_action: bool = True

    @property
    def kind(self) -> str:
        """The class."""
        return self.name.partition(".")[0]


def _setter(named: property) -> Callable[..., Any]:
    assert named.fset is not None
    return named.fset


def _getter(each: Any) -> Callable[..., Any]:
    return each.fget if isinstance(each, property) else each  # type: ignore[return-value]


_ACTIONS: Final[dict[str, tuple[Any, ...]]] = {
    "Vcpu": (
        *(Vcpu.set_x, Vcpu.set_q, _setter(Vcpu.pc), _setter(Vcpu.pstate), Vcpu.write),  # type: ignore[arg-type]
        *(Vcpu.skip_instruction, Vcpu.wait_for_interrupt, Vcpu.yield_cpu),
        *(Vcpu.inject_undef, Vcpu.inject_data_abort, Vcpu.inject_instruction_abort),
        *(Vcpu.inject_serror, Vcpu.inject_irq, Vcpu.read_va, Vcpu.write_va),
        *(Vcpu.power_on, Vcpu.power_off, Vcpu.emit, guest_memory.translate),
    ),
    "Vm": (Vm.read_ipa, Vm.write_ipa, Vm.read64, Vm.power_off, Vm.crash, Vm.reset, Vm.emit),
    "Vgic": (Vgic.inject, Vgic.send_sgi),
    "VmDevices": (VmDevices.put,),
    "Stage2": (
        *(Stage2.map, Stage2.unmap, Stage2.protect, Stage2.write_protect),
        *(Stage2.age, Stage2.split, Stage2.collapse),
    ),
    "PagedMemory": (
        *(PagedMemory.handle_fault, PagedMemory.pieces, PagedMemory.share, PagedMemory.release),
        *(PagedMemory.start_logging, PagedMemory.stop_logging),
    ),
    "DirtyLog": (DirtyLog.mark, DirtyLog.get_and_clear),
}
_READS: Final[tuple[Any, ...]] = (
    *(Vcpu.name, Vcpu.x, Vcpu.q, Vcpu.pc, Vcpu.pstate, Vcpu.read, Vcpu.is_on, Vm.is_ram),
    *(Vgic.has_pending, Vgic.is_physical_active, Vgic.interrupts, Vgic.enables, Vgic.dump),
    *(each for each in vars(VgicIrq).values() if isinstance(each, property)),
    *(Stage2.vtcr, Stage2.vttbr, Stage2.walk, Stage2.lookup),
    *(Stage2.mappings, Stage2._leaves, Stage2._mapping),  # the latter as the user's loop asks for the next
    *(PagedMemory.slot_of, PagedMemory.log_of, MmioAccess.offset, guest_memory.GuestMemoryError.__init__),
)
METHODS: Final = {
    method.name: method
    for kind, functions in _ACTIONS.items()
    for method in (Method(f"{kind}.{function.__name__}", function) for function in functions)
}
"""Every action by name."""
_BY_CODE: Final[dict[int, Method]] = {
    id(method.function.__code__): method
    for method in (*METHODS.values(), *(Method("", _getter(each), is_action=False) for each in _READS))
}
_EVENTS: Final = {kind.__name__: kind for kind in kvm_events.VmEvent.__subclasses__()}


@cache
def _changes_nothing(file: str) -> bool:
    return file.startswith(_HARMLESS) or not file.startswith(_STATEFUL)


# --- while the user's code runs ---------------------------------------------------------------------------------------


def method_of(frame: FrameType) -> Method | None:
    """Return the method of the table that is being called, None for what needs no record. Raises: Problem."""
    code = frame.f_code
    method = _BY_CODE.get(id(code))
    if method is not None:
        return method if method.is_action else None
    if _changes_nothing(code.co_filename) or code.co_name in ("<module>", "__del__"):
        return None
    raise Problem(
        f"calls {code.co_qualname}, which no recording can hold", "see docs/handlers.md for what can be called"
    )


def noted(method: Method, frame: FrameType, vcpu: Vcpu) -> Action:
    """Return the action that a call is, as it begins. Raises: Problem if an argument cannot be kept."""
    receiver, *arguments = _arguments(frame)
    try:
        kept = [_keep(argument, vcpu) for argument in arguments]
        return Action(method.name, kept, _place_of(method.kind, receiver, vcpu))
    except NotPlain as error:
        raise Problem(f"{method.name}: an argument {error.cause}", "give it plain data") from None


def _arguments(frame: FrameType) -> list[Any]:
    """Return the values of the parameters, a `**fields` last."""
    code, values = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return [values[name] for name in code.co_varnames[:count]]


def has_raised(frame: FrameType, result: object) -> bool:
    """Tell, at the end of a call that met an exception, whether it ends by that."""
    return result is None and not dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("RETURN")


def _keep(argument: Any, vcpu: Vcpu) -> Wire:
    if type(argument) is type(kvm_events.VmEvent) and _EVENTS.get(argument.__name__) is argument:
        return ["event", argument.__name__]
    if isinstance(argument, PagedMemory):
        return ["memory", *(_place_of("PagedMemory", argument, vcpu) or [vcpu.vm.index])]
    return encode(argument)


# --- whose method it is -----------------------------------------------------------------------------------------------

_PARTS: Final[dict[str, Callable[[Vm], Any]]] = {
    "Vm": lambda vm: vm,
    "Vgic": lambda vm: vm.vgic,
    "VmDevices": lambda vm: vm.devices,
    "Stage2": lambda vm: vm.stage2,
    "PagedMemory": lambda vm: vm.memory,
}
"""What a VM has one of."""


def _all_of(kind: str, vm: Vm) -> list[Any]:
    """Return what a VM has of a class."""
    if kind == "Vcpu":
        return vm.vcpus
    return [vm.memory.log_of(slot) for slot in vm.memory.slots] if kind == "DirtyLog" else [_PARTS[kind](vm)]


def _place_of(kind: str, receiver: Any, vcpu: Vcpu) -> list[int] | None:
    """Return where an object is, None for the vCPU of the exit and what its VM has one of. Raises: NotPlain."""
    if receiver is (vcpu if kind == "Vcpu" else _PARTS[kind](vcpu.vm) if kind in _PARTS else None):
        return None
    for vm in vcpu.vm.hypervisor.vms:
        for index, each in enumerate(_all_of(kind, vm)):
            if each is receiver:
                return [vm.index, index]
    raise NotPlain("it", f"is a {kind} of another machine")


def _object_at(kind: str, at: list[int] | None, vcpu: Vcpu) -> Any:
    """Return the object at a place. Raises: Malformed."""
    if at is None and kind != "DirtyLog":
        return vcpu if kind == "Vcpu" else _PARTS[kind](vcpu.vm)
    try:
        vm, index = at or []
        if vm < 0 or index < 0:
            raise IndexError
        return _all_of(kind, vcpu.vm.hypervisor.vms[vm])[index]
    except (ValueError, IndexError):
        raise Malformed(f"there is no {kind} {at}") from None


# --- again ------------------------------------------------------------------------------------------------------------


def repeat(action: Action, vcpu: Vcpu) -> None:
    """Do an action. Raises: Malformed if there is no such action, or it ends as it did not before."""
    method = METHODS.get(action.name)
    if method is None:
        raise Malformed(f"there is no action {action.name!r:.60}")
    receiver = _object_at(method.kind, action.at, vcpu)
    call = partial_call(method, receiver, [_taken(each, vcpu.vm.hypervisor) for each in action.arguments])
    ends_as_before(action, call)


def ends_as_before(action: Action, call: Callable[[], object]) -> None:
    """Make a call whose exceptions the user's code saw. Raises: Malformed if it ends otherwise than it did then."""
    try:
        call()
    except Exception as error:
        if not action.raised:
            raise Malformed(f"{action.name} raised {type(error).__name__}") from error
    else:
        if action.raised:
            raise Malformed(f"{action.name} raised nothing")


def partial_call(method: Method, receiver: Any, arguments: list[Any]) -> Callable[[], object]:
    """Return the call of a method with the values of all its parameters. Raises: Malformed if their number is wrong."""
    code: CodeType = method.function.__code__
    positional = code.co_argcount - 1
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    has_fields = bool(code.co_flags & inspect.CO_VARKEYWORDS)
    if len(arguments) != positional + len(keywords) + has_fields:
        raise Malformed(f"{method.name} has another number of arguments")
    fields = arguments.pop() if has_fields else {}
    if type(fields) is not dict or not all(type(name) is str for name in fields):
        raise Malformed(f"{method.name} takes names")
    named = dict(zip(keywords, arguments[positional:], strict=True)) | fields
    return lambda: method.function(receiver, *arguments[:positional], **named)


def _taken(wire: Wire, hypervisor: Hypervisor) -> Any:
    """Return an argument. Raises: Malformed."""
    if type(wire) is list and wire and wire[0] in ("event", "memory"):
        try:
            return _EVENTS[wire[1]] if wire[0] == "event" else hypervisor.vms[wire[1]].memory
        except (IndexError, KeyError, TypeError):
            raise Malformed("an argument is damaged") from None
    return decode(wire, objects=True)
