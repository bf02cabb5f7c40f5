"""The Runner: one machine made from a configuration and driven by plain-data messages.

Read `runner/configuration.py`, `runner/messages.py` and `machine/machine.py` before this file. Scripts, tests and
`arm-hyp run` call it in their own process; the terminal, gdb and the course will talk to one over a pipe. No threads;
reading state leaves no mark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.cpu.snapshot import snapshot
from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.errors import UserError
from arm_hyp.events import EventSink
from arm_hyp.machine.boot import BootPlan, plan_boot
from arm_hyp.machine.loader import read_file
from arm_hyp.machine.machine import Machine, Outcome
from arm_hyp.runner.applying import apply_setting, apply_vcpu_setting
from arm_hyp.runner.configuration import (
    Configuration,
    VirtualMachine,
    boot_request,
    machine_options,
    virtual_machines,
    vm_configuration,
)
from arm_hyp.runner.messages import Edit, Message, Poke, Read, Restore, Run, Snapshot, Step, Type
from arm_hyp.runner.settings import parse_setting

if TYPE_CHECKING:
    from arm_hyp.hypervisor.hypervisor import Hypervisor
    from arm_hyp.hypervisor.student.code import StudentCode
    from arm_hyp.hypervisor.student.effects import EffectLog
    from arm_hyp.hypervisor.student.recorded import RecordedHandlers
    from arm_hyp.hypervisor.vm import Vm

__all__ = ["Configuration", "Edit", "Message", "Read", "Restore", "Run", "Runner", "Snapshot", "Step", "Type"]

Output = Callable[[int, bytes], None]
"""`output(vm, data)` hears what a guest prints, with the index of its VM: 0 where there are none."""


class Runner:
    """One machine. `send` takes a message and returns plain data. `hypervisor` is None, or what runs at EL2 there.

    `advance` is how `Run` gets there: a timeline puts its own in the place of the machine's.
    """

    def __init__(
        self,
        configuration: Configuration,
        sink: EventSink | None = None,
        output: Output | None = None,
        recorded: RecordedHandlers | None = None,
    ) -> None:
        self.configuration, self._output = configuration, output
        self._needle, self._looked_at, self._found = b"", [0], False
        self.advance: Callable[[int], Outcome] = lambda limit: self.machine.run(limit)
        self.hypervisor: Hypervisor | None = None
        self._student: StudentCode | None = None
        self.plans: tuple[BootPlan, ...]
        self.vms: tuple[VirtualMachine, ...] = virtual_machines(configuration)
        if configuration.hypervisor is None:
            self._boot(configuration, sink)
        else:
            self._start_vms(configuration, configuration.hypervisor, sink, recorded)

    def _boot(self, made: Configuration, sink: EventSink | None) -> None:
        plan = plan_boot(boot_request(made))
        self.plans = (plan,)
        self.machine = Machine(sink=sink, flash=plan.flash, **machine_options(made))
        self.machine.boot(plan)
        self.machine.output = lambda byte: self._printed(0, bytes((byte,)))
        self._apply(made.settings)

    def _start_vms(
        self, made: Configuration, handlers: str, sink: EventSink | None, recorded: RecordedHandlers | None
    ) -> None:
        from arm_hyp.hypervisor.dispatch import dispatch  # here: a bare machine starts sooner without these
        from arm_hyp.hypervisor.hypervisor import Hypervisor
        from arm_hyp.hypervisor.student.code import StudentCode
        from arm_hyp.hypervisor.student.loading import load_handlers

        if recorded is not None:
            self._student = StudentCode(recorded.handlers(), dispatch, recorded.effects)
        elif handlers:
            self._student = StudentCode(load_handlers(handlers), dispatch)
        vms = [vm_configuration(made, vm) for vm in self.vms]
        self.plans = tuple(vm.plan for vm in vms)
        self.machine = Machine(sink=sink, **machine_options(made))
        self.hypervisor = Hypervisor(self.machine, vms, self._student.dispatch if self._student else dispatch)
        self.machine.input = self.hypervisor.inputs
        for index, (vm, wanted) in enumerate(zip(self.hypervisor.vms, self.vms, strict=True)):
            if self._student is not None:
                self._student.attach(vm)
            vm.devices.output = lambda data, index=index: self._printed(index, data)  # type: ignore[misc]
            self._apply(wanted.settings, index)
            if wanted.input is not None:
                self.send(Type(read_file(wanted.input), index))

    def load_handlers(self, made_from: str | RecordedHandlers) -> StudentCode:
        """Return the handlers of a file, loaded anew, or recorded ones. They do nothing yet. Raises: UserError."""
        if self.hypervisor is None:
            raise UserError("the handlers", "have no hypervisor in Python to run in", "run the guest with --hypervisor")
        from arm_hyp.hypervisor.dispatch import dispatch
        from arm_hyp.hypervisor.student.code import StudentCode
        from arm_hyp.hypervisor.student.loading import load_handlers

        handlers = load_handlers(made_from) if isinstance(made_from, str) else made_from.handlers()
        code = StudentCode(handlers, dispatch)
        for vm in self.hypervisor.vms:
            code.check(vm)
        return code

    def use_handlers(self, code: StudentCode | None) -> None:
        """Have these handlers take the exits from now on, in the place of any others; None: the default ones."""
        if code is self._student or self.hypervisor is None:
            return
        from arm_hyp.hypervisor.dispatch import dispatch

        self._student, self.hypervisor.dispatch = code, dispatch if code is None else code.dispatch
        for vm in self.hypervisor.vms:
            vm.bus.take_overrides_away()
            if code is not None:
                code.attach(vm)

    @property
    def handlers(self) -> StudentCode | None:
        """The handlers of a user, live or recorded, if there are any."""
        return self._student

    @property
    def effects(self) -> EffectLog | None:
        """What the user's handlers did at each exit that they saw. Another log may be put in its place."""
        return None if self._student is None else self._student.log

    @effects.setter
    def effects(self, log: EffectLog) -> None:
        if self._student is not None:
            self._student.log = log

    @property
    def symbols(self) -> SymbolTable:
        """The one symbol and line table of the guest's address space; empty where several VMs have one each."""
        return self.plans[0].symbols if len(self.plans) == 1 else SymbolTable()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the boot plans left out, in sentences."""
        return tuple(warning for plan in self.plans for warning in plan.warnings)

    def send(self, message: Message) -> Any:
        """Do what a message asks and return its answer."""
        return _HANDLERS[type(message)](self, message)

    # --- the console -------------------------------------------------------------------------------------------------

    @property
    def consoles(self) -> list[bytearray]:
        """What has been printed: by each VM, or by the machine."""
        if self.hypervisor is None:
            return [self.machine.console]
        return [vm.devices.console for vm in self.hypervisor.vms]

    def _printed(self, vm: int, data: bytes) -> None:
        if self._output is not None:
            self._output(vm, data)
        if self._needle:
            console = self.consoles[vm]
            start = max(self._looked_at[vm], len(console) - len(data) - len(self._needle) + 1)
            if console.find(self._needle, start) >= 0:
                self._found, self._needle = True, b""
                self.machine.request_stop("the console shows the text", 0)

    # --- messages ----------------------------------------------------------------------------------------------------

    def _run(self, message: Run) -> dict[str, Any]:
        machine = self.machine
        self._needle, self._looked_at, self._found = message.until.encode(), [*map(len, self.consoles)], False
        outcome = self.outcome_of(lambda: self.advance(message.limit))
        status, text = outcome.status, outcome.text
        if message.until and not self._found:
            status, text = status or 1, f"{text}, and the console never showed {message.until!r}"
        elif message.until:
            text = f"the console shows {message.until!r}"
        return {
            "reason": outcome.reason,
            "status": status,
            "text": text,
            "n": machine.retired,
            "time_ns": machine.clock.now_ns,
        }

    def outcome_of(self, advance: Callable[[], Outcome]) -> Outcome:
        """Run to an end; a failure of the user's handlers is one."""
        if self._student is None:
            return advance()
        from arm_hyp.hypervisor.student.failures import HandlerFailure

        try:
            return advance()
        except HandlerFailure as failure:
            return Outcome("handler", 1, str(failure))

    def _step(self, message: Step) -> dict[str, Any]:
        return {"ended": self.machine.step(message.count), "n": self.machine.retired}

    def _read(self, message: Read) -> Any:
        if message.address is None:
            return snapshot(self.machine.core)
        if message.vm is None:
            return self.machine.read_memory(message.address, message.size_bytes)
        return self._vm(message.vm).read_ipa(message.address, message.size_bytes)

    def _vm(self, index: int) -> Vm:
        """Return a VM. Raises: ValueError if there is none of that number."""
        vms = [] if self.hypervisor is None else self.hypervisor.vms
        if not 0 <= index < len(vms):
            raise ValueError(f"there is no VM {index}: there are {len(vms)}")
        return vms[index]

    def _edit(self, message: Edit) -> dict[str, Any]:
        self._apply(message.settings, message.vm, message.index)
        return {}

    def _apply(self, settings: tuple[str, ...], vm: int = 0, index: int = 0) -> None:
        """Write registers: of a CPU, or of a vCPU of a VM. One that runs its guest has them in its CPU."""
        vcpu = None if self.hypervisor is None else self._vm(vm).vcpus[index]
        for setting in map(parse_setting, settings):
            if vcpu is None:
                apply_setting(self.machine.cpus.cores[index], setting)
            elif vcpu.cpu is not None and vcpu.cpu.core.el < 2:
                apply_setting(vcpu.cpu.core, setting)
            else:
                apply_vcpu_setting(vcpu, setting)

    def _poke(self, message: Poke) -> dict[str, Any]:
        if message.vm is None:
            self.machine.write_memory(message.address, message.data)
        else:
            self._vm(message.vm).write_ipa(message.address, message.data)
        return {}

    def _type(self, message: Type) -> dict[str, Any]:
        if self.hypervisor is None:
            self.machine.input.feed(message.data)
        else:
            self._vm(message.vm).devices.input.feed(message.data)
        return {}

    def _snapshot(self, message: Snapshot) -> dict[str, Any]:
        return self.snapshot()

    def snapshot(self, *, with_ram: bool = True) -> dict[str, Any]:
        """Return the whole state as plain data."""
        machine = self.machine.snapshot(with_ram=with_ram)
        if self.hypervisor is None:
            return machine
        state = {"machine": machine, "hypervisor": self.hypervisor.snapshot()}
        return state if self._student is None else state | {"handlers": self._student.snapshot()}

    def _restore(self, message: Restore) -> dict[str, Any]:
        self.restore(message.state)
        if self._student is not None:
            self._student.branch()  # a timeline, which repeats what was done, calls `restore` itself
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back; one without RAM, after the caller has put that back."""
        if self.hypervisor is None:
            self.machine.restore(state)
        else:
            self.machine.restore(state["machine"])
            self.hypervisor.restore(state["hypervisor"])
        if self._student is not None:
            self._student.restore(state["handlers"])


_HANDLERS: Final[dict[type, Any]] = {
    Run: Runner._run,
    Step: Runner._step,
    Read: Runner._read,
    Edit: Runner._edit,
    Poke: Runner._poke,
    Type: Runner._type,
    Snapshot: Runner._snapshot,
    Restore: Runner._restore,
}
