"""A user's handlers in front of the default ones: what is called, with what, and what may come back.

Read the other files of this package before this one, `hypervisor/dispatch.py` (the default handlers) beside it. The
first of these that is there is asked, and its `next` reaches those behind:

    @handler(EC.X)  ->  @sysreg, @hypercall  ->  the default handler by class  ->  @mmio  ->  the device

Each exit that a user's code sees is watched from before its first call to its end: what was skipped, printed and left
behind. A `HandlerFailure` leaves the vCPU's general registers, PC and PSTATE as they were before the exit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from arm_hyp.arch.syndromes import EC
from arm_hyp.errors import UserError
from arm_hyp.hypervisor.exits import DataAbortExit, HvcExit, SmcExit, SyncExit, SysregExit
from arm_hyp.hypervisor.student import plain_data
from arm_hyp.hypervisor.student.failures import HandlerFailure, Place, Problem, report
from arm_hyp.hypervisor.student.guard import Guard, caller
from arm_hyp.hypervisor.student.registry import ARGUMENTS, Handlers, Hypercall, Registered, SysregAccess
from arm_hyp.kvm_events import HandlerOutput

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.hypervisor.vm import Vm
    from arm_hyp.hypervisor.vm_bus import Answer, MmioAccess

Handle = Callable[["Vcpu", SyncExit], None]
PATIENCE: Final = 100
"""How often the same exit may come with nothing retired between, while the handler's data change."""
_M32: Final = (1 << 32) - 1
_XZR: Final = 31


class Exited(NamedTuple):
    """A vCPU at an exit: if it is equal at the next one, the guest made no progress."""

    retired: int
    esr: int
    va: int
    pc: int
    pstate: int
    x: tuple[int, ...]


def exited(vcpu: Vcpu, exit: SyncExit) -> Exited:
    """Note the state of the vCPU at its exit."""
    retired = vcpu.cpu.core.retired if vcpu.cpu is not None else 0
    return Exited(retired, exit.esr, getattr(exit, "va", 0), vcpu.pc, vcpu.pstate, tuple(map(vcpu.x, range(31))))


class Watch:
    """One exit that a user's code handles: its state before, the handlers that run now, the first problem."""

    def __init__(self, vcpu: Vcpu, exit: SyncExit) -> None:
        self.vcpu, self.exit = vcpu, exit
        self.skips = vcpu.skips
        self.before: Exited | None = None  # None: no user's code ran yet
        self.running: list[Registered] = []
        self.last: Registered | None = None
        self.failure: HandlerFailure | None = None

    def skipped(self) -> int:
        """Return how often the instruction was skipped in this exit."""
        return self.vcpu.skips - self.skips

    def fail(self, problem: Problem) -> HandlerFailure:
        """Make the failure of a problem, and remember the first: a user's `except` may swallow it."""
        registered = self.running[-1] if self.running else self.last
        assert registered is not None
        code = registered.code
        place = Place(code.co_filename, code.co_firstlineno, code.co_name)
        if self.failure is None:
            said = report(problem, place, registered.decorator, self.vcpu.name, self.exit)
            self.failure = HandlerFailure(said)
        return self.failure

    def put_back(self) -> None:
        """Give the vCPU the registers that it had before."""
        if self.before is not None:
            for number, value in enumerate(self.before.x):
                self.vcpu.set_x(number, value)
            self.vcpu.pc, self.vcpu.pstate = self.before.pc, self.before.pstate


class StudentCode:
    """The handlers of a user's module over the default ones: `dispatch(vcpu, exit)` in place of `default`."""

    def __init__(self, handlers: Handlers, default: Handle) -> None:
        self.handlers = handlers
        self.default = default
        files = frozenset(str(module.__file__) for module in handlers.modules)
        self._guard = Guard(files, self._library_called)
        self._globals = plain_data.Globals(handlers.modules)
        self._data: dict[str, plain_data.Data] = {}
        self._stuck: dict[str, tuple[Exited, int]] = {}  # by vCPU: its last exit, and how often it came in a row
        self._watch: Watch | None = None
        self._by_class: dict[int, Handle] = {ec: handle for ec in range(64) if (handle := self._entry(ec))}

    def attach(self, vm: Vm) -> None:
        """Lay the `@mmio` handlers over a VM's devices. Raises: UserError for a range in its RAM."""
        for addresses, registered in self.handlers.mmio.items():
            for ram in (range(slot.ipa, slot.ipa + slot.size_bytes) for slot in vm.memory.slots):
                if addresses.start < ram.stop and ram.start < addresses.stop:
                    cause = f"{registered.decorator} overlaps RAM of {vm.name}, whose accesses do not trap"
                    raise UserError(registered.place, cause, f"that is range({ram.start:#x}, {ram.stop:#x})")
            vm.bus.override(registered.decorator, addresses, partial(self._mmio, registered))

    def dispatch(self, vcpu: Vcpu, exit: SyncExit) -> None:
        """Handle an exit. Raises: HandlerFailure."""
        handle = self._by_class.get(exit.ec)
        if handle is None:
            self.default(vcpu, exit)
        else:
            self._watched(handle, vcpu, exit)

    def _entry(self, ec: int) -> Handle | None:
        """Return the first handler of a class, None where no user's code can be reached."""
        handlers, handle = self.handlers, self.default
        if ec == EC.SYSREG and handlers.sysregs:
            handle = self._sysreg
        if ec in (EC.HVC64, EC.SMC64) and handlers.hypercalls:
            handle = self._hypercall
        for known, registered in handlers.classes.items():
            if known == ec:
                handle = partial(self._class, registered, handle)
        reaches_mmio = ec == EC.DATA_ABORT_LOWER and handlers.mmio
        return handle if handle is not self.default or reaches_mmio else None

    # --- one exit ----------------------------------------------------------------------------------------------------

    def _watched(self, handle: Handle, vcpu: Vcpu, exit: SyncExit) -> None:
        watch = self._watch = Watch(vcpu, exit)
        try:
            handle(vcpu, exit)
            if watch.before is not None:
                self._finish(watch)
            if watch.failure is not None:
                raise watch.failure
        except HandlerFailure:
            watch.put_back()
            raise
        finally:
            self._watch = None
            self._tell_output(vcpu)

    def _finish(self, watch: Watch) -> None:
        """Look at what the handlers left behind."""
        try:
            if watch.skipped() > 1:
                raise Problem("the instruction was skipped twice", "next() skips it already, or call skip only once")
            changed = self._changed(watch.vcpu)
        except Problem as problem:
            raise watch.fail(problem) from None
        name, before = watch.vcpu.name, watch.before
        assert before is not None
        if watch.vcpu.pc != before.pc or isinstance(watch.exit, HvcExit):
            self._stuck.pop(name, None)
            return
        last, times = self._stuck.get(name, (None, 0))
        times = times + 1 if last == before else 1
        self._stuck[name] = before, times if changed else PATIENCE

    def _changed(self, vcpu: Vcpu) -> bool:
        """Tell whether the user's data changed. Raises: Problem if they are not plain any more."""
        try:
            changes = [self._globals.changed(), *(data.changed() for data in self._data_of(vcpu))]
        except plain_data.NotPlain as error:
            mend = "keep plain data (int, str, bytes, list, dict ...) in vcpu.data, which snapshots carry"
            raise Problem(f"{error.where} {error.cause}", mend) from None
        return any(changes)

    def _data_of(self, vcpu: Vcpu) -> list[plain_data.Data]:
        """Return the watches over `vcpu.data` and `vm.data`. Raises: NotPlain."""
        for key, name, live in ((vcpu.name, "vcpu.data", vcpu.data), (vcpu.vm.name, "vm.data", vcpu.vm.data)):
            if key not in self._data or self._data[key].live is not live:
                self._data[key] = plain_data.Data(name, live)
        return [self._data[vcpu.name], self._data[vcpu.vm.name]]

    def _tell_output(self, vcpu: Vcpu) -> None:
        for text, file, line in self._guard.output.take():
            vcpu.emit(HandlerOutput, text=text, file=file, line=line)

    # --- one call ----------------------------------------------------------------------------------------------------

    def _call(self, registered: Registered, vcpu: Vcpu, what: object, below: Callable[[Vcpu, Any], Any]) -> Any:
        """Call one handler in the guard. Raises: HandlerFailure."""
        watch = self._watch
        assert watch is not None
        watch.last = registered
        following = (partial(self._guard.outside, self._below, watch, below),) if registered.takes_next else ()
        watch.running.append(registered)
        try:
            self._begin(watch)
            answer = self._guard.call(registered.function, vcpu, what, *following)
        except Problem as problem:
            raise watch.fail(problem) from problem.__cause__
        finally:
            watch.running.pop()
        if watch.failure is not None:
            raise watch.failure
        return answer

    @staticmethod
    def _below(watch: Watch, below: Callable[[Vcpu, Any], Any], vcpu: Vcpu, what: Any) -> Any:
        """Carry out a handler's `next`: meanwhile that handler does not run."""
        running, watch.running = watch.running, []
        try:
            return below(vcpu, what)
        finally:
            watch.running = running

    def _begin(self, watch: Watch) -> None:
        """Note the state before the first call in an exit. Raises: Problem if the guest makes no progress."""
        if watch.before is not None:
            return
        watch.before = exited(watch.vcpu, watch.exit)
        if watch.vcpu.name not in self._data:
            self._changed(watch.vcpu)
        last, times = self._stuck.get(watch.vcpu.name, (None, 0))
        if last == watch.before and times >= PATIENCE:
            raise Problem("the same exit came again, nothing executed between", _retry_mend(watch.exit))

    def _library_called(self, frame: FrameType) -> None:
        """Notice, in the user's code, a call of this package: a wrong `skip_instruction` ends where it stands."""
        watch = self._watch
        if watch is None or frame.f_code.co_name != "skip_instruction" or not watch.running:
            return
        wrong = self._wrong_skip(watch)
        if wrong is not None:
            problem = Problem(*wrong, caller(frame))
            watch.fail(problem)
            raise problem

    @staticmethod
    def _wrong_skip(watch: Watch) -> tuple[str, str] | None:
        decorator = watch.running[-1].decorator
        if isinstance(watch.exit, HvcExit):
            return "skip_instruction after an HVC", "leave it out: an HVC has completed, ELR_EL2 is behind it already"
        if not decorator.startswith("@handler"):
            return "skip_instruction where the instruction is skipped for you", "leave it out, and return the answer"
        if watch.skipped():
            return "skip_instruction a second time in one exit", "skip once; next() skips what it handles"
        return None

    # --- the four kinds of handler -----------------------------------------------------------------------------------

    def _class(self, registered: Registered, below: Handle, vcpu: Vcpu, exit: SyncExit) -> None:
        answer = self._call(registered, vcpu, exit, below)
        if answer is not None:
            self._fail(f"returned {_short(answer)}", "return nothing: a handler acts through vcpu")

    def _fail(self, problem: str, mend: str) -> None:
        assert self._watch is not None
        raise self._watch.fail(Problem(problem, mend))

    def _sysreg(self, vcpu: Vcpu, exit: SyncExit) -> None:
        assert isinstance(exit, SysregExit)
        registered = self.handlers.sysregs.get(exit.encoding)
        if registered is None:
            return self.default(vcpu, exit)
        access = SysregAccess(exit, 0 if exit.is_read else vcpu.x(exit.rt))
        answer = self._call(registered, vcpu, access, self._default_sysreg)
        if exit.is_read:
            value = self._checked(answer, 64, f"a read of {exit.name}")
            if self._goes_on(vcpu, exit):
                vcpu.set_x(exit.rt, value)
        elif answer is not None:
            self._fail(f"returned {_short(answer)} for a write of {exit.name}", "return nothing: a write has no answer")
        if vcpu.pc == exit.pc:
            vcpu.skip_instruction()

    @staticmethod
    def _goes_on(vcpu: Vcpu, exit: SyncExit) -> bool:
        """Tell whether the guest goes on behind the instruction, not in a handler of an injected exception."""
        return vcpu.pc in (exit.pc, exit.pc + 4)

    def _default_sysreg(self, vcpu: Vcpu, access: SysregAccess) -> int:
        """Let the default handler carry out an access; return what it read. The guest's register stays as it is."""
        exit = access.exit._replace(rt=0) if access.exit.rt == _XZR else access.exit
        kept = vcpu.x(exit.rt)
        if exit.is_write:
            vcpu.set_x(exit.rt, access.value)
        self.default(vcpu, exit)
        answer = vcpu.x(exit.rt)
        vcpu.set_x(exit.rt, kept)
        return answer if exit.is_read else 0

    def _hypercall(self, vcpu: Vcpu, exit: SyncExit) -> None:
        assert isinstance(exit, HvcExit | SmcExit)
        registered = self.handlers.hypercalls.get(vcpu.x(0) & _M32)
        if registered is None:
            return self.default(vcpu, exit)
        call = Hypercall(vcpu.x(0) & _M32, tuple(map(vcpu.x, range(1, ARGUMENTS + 1))))
        answer = self._call(registered, vcpu, call, partial(self._default_call, exit, call))
        if answer is not None:
            signed = answer + (1 << 64) if type(answer) is int and -(1 << 63) <= answer < 0 else answer
            vcpu.set_x(0, self._checked(signed, 64, f"call {call.number:#x}"))
        if isinstance(exit, SmcExit) and vcpu.pc == exit.pc:
            vcpu.skip_instruction()

    def _default_call(self, exit: SyncExit, original: Hypercall, vcpu: Vcpu, call: Hypercall) -> int:
        """Let the default handler answer a call; return its X0."""
        if call != original:
            for number, value in enumerate((call.number, *call.args)):
                vcpu.set_x(number, value)
        self.default(vcpu, exit)
        return vcpu.x(0)

    def _mmio(self, registered: Registered, vcpu: Vcpu, access: MmioAccess, below: Answer) -> int:
        answer = self._call(registered, vcpu, access, below)
        if access.is_write:
            if answer not in (None, 0):
                self._fail(f"returned {_short(answer)} for a write", "return nothing: a write has no answer")
            return 0
        return self._checked(answer, 8 * access.size_bytes, f"a read of {access.size_bytes} bytes at {access.ipa:#x}")

    def _checked(self, answer: object, bits: int, asked: str) -> int:
        """Return an answer that is an int of so many bits. Raises: HandlerFailure."""
        if answer is None:
            self._fail(f"returned nothing for {asked}", "return the value, an int")
        if not isinstance(answer, int):
            self._fail(f"returned {_short(answer)} for {asked}", "return the value, an int")
        assert isinstance(answer, int)
        if not 0 <= answer < 1 << bits:
            mend = f"cut it to size: value & {(1 << bits) - 1:#x}"
            self._fail(f"returned {answer:#x} for {asked}: it does not fit into {bits} bits", mend)
        return int(answer)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the globals of the user's modules, and which exits each vCPU has not got past."""
        stuck = {name: [*last[:-1], list(last.x), times] for name, (last, times) in self._stuck.items()}
        return {"globals": self._globals.snapshot(), "stuck": stuck}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back, after the VMs have theirs."""
        self._globals.restore(state["globals"])
        self._stuck = {
            name: (Exited._make((*last, tuple(x))), times) for name, (*last, x, times) in state["stuck"].items()
        }
        self._data.clear()


def _retry_mend(exit: SyncExit) -> str:
    if isinstance(exit, DataAbortExit):
        return "call vcpu.skip_instruction() if the access is done, or map the address at stage 2"
    return "call vcpu.skip_instruction() when the handler has done the instruction's work"


def _short(value: object) -> str:
    """Return a value as it is written, cut; the type alone where that fails."""
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 40 else text[:37] + "..."
