"""A user's handlers in front of the default ones: what is called, with what, and what may come back.

Read the other files of this package before this one, `hypervisor/dispatch.py` (the default handlers) beside it. The
first of these that is there is asked, and its `next` reaches those behind:

    @handler(EC.X)  ->  @sysreg, @hypercall  ->  the default handler by class  ->  @mmio  ->  the device

Each exit that a user's code sees is watched from before its first call to its end: what was skipped, printed and left
behind. A `HandlerFailure` leaves the vCPU's general registers, PC and PSTATE as they were before the exit.

What the user's code does is noted in a log. An exit that is in the log already, because the run went back, is repeated
from there, and the user's code is not called.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arm_hyp.arch.syndromes import EC
from arm_hyp.errors import UserError
from arm_hyp.hypervisor.exits import DataAbortExit, HvcExit, SmcExit, SyncExit, SysregExit
from arm_hyp.hypervisor.student.effects import Call, EffectLog, Failing, Files
from arm_hyp.hypervisor.student.failures import Differs, NoMore, Problem, shortly
from arm_hyp.hypervisor.student.live import Below, Live
from arm_hyp.hypervisor.student.plain_data import NotPlain
from arm_hyp.hypervisor.student.recorded import export
from arm_hyp.hypervisor.student.registry import ARGUMENTS, Handlers, Hypercall, Registered, SysregAccess
from arm_hyp.hypervisor.student.repeat import repeat
from arm_hyp.hypervisor.student.telling import tell
from arm_hyp.hypervisor.student.user_data import UserData
from arm_hyp.hypervisor.student.watch import Exited, Watch
from arm_hyp.hypervisor.student.wire import Malformed
from arm_hyp.machine.seams import BusError

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.hypervisor.vm import Vm
    from arm_hyp.hypervisor.vm_bus import Answer, MmioAccess

Handle = Callable[["Vcpu", SyncExit], None]
OnCall = Callable[["Registered | None", "Vcpu | None"], None]
PATIENCE: Final = 100
"""How often the same exit may come with nothing retired between, while the handler's data change."""
_M32: Final = (1 << 32) - 1
_XZR: Final = 31


class StudentCode:
    """The handlers of a user's module over the default ones: `dispatch(vcpu, exit)` in place of `default`.

    `log` holds what they did at each exit that they saw; `index` is the next of these exits. Handlers without
    functions, as `RecordedHandlers` makes them, only repeat the log, and the run ends where it does.
    """

    def __init__(self, handlers: Handlers, default: Handle, log: EffectLog | None = None) -> None:
        self.handlers, self.default = handlers, default
        self.log = EffectLog() if log is None else log
        self.index = 0
        self._files, self._live = Files(handlers.files), Live(handlers.files)
        self._data = UserData(handlers.namespaces)
        self._as_loaded = self._data.snapshot()
        self.registrations = export(handlers, self._as_loaded)
        self._stuck: dict[str, tuple[Exited, int]] = {}  # by vCPU: its last exit, and how often it came in a row
        self._watch: Watch | None = None
        self.on_call: OnCall | None = None
        """Told of each call of the user's code that begins, and with None twice of its end."""
        self._by_class: dict[int, Handle] = {ec: handle for ec in range(64) if (handle := self._entry(ec))}

    @property
    def is_live(self) -> bool:
        """Whether the user's code is there."""
        return bool(self.handlers.modules)

    def attach(self, vm: Vm) -> None:
        """Lay the `@mmio` handlers over a VM's devices. Raises: UserError for a range in its RAM."""
        self.check(vm)
        for addresses, registered in self.handlers.mmio.items():
            vm.bus.override(registered.decorator, addresses, partial(self._mmio, registered))

    def check(self, vm: Vm) -> None:
        """Raises: UserError for an `@mmio` handler in a VM's RAM."""
        for addresses, registered in self.handlers.mmio.items():
            for ram in (range(slot.ipa, slot.ipa + slot.size_bytes) for slot in vm.memory.slots):
                if addresses.start < ram.stop and ram.start < addresses.stop:
                    cause = f"{registered.decorator} overlaps RAM of {vm.name}, whose accesses do not trap"
                    raise UserError(registered.place, cause, f"that is range({ram.start:#x}, {ram.stop:#x})")

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
            if watch.effect is not None:
                self._finish(watch)
            if watch.failure is not None:
                raise watch.failure
        except BaseException:
            watch.put_back()
            raise
        finally:
            self._watch = None
            self._close(watch)

    def _begin(self, watch: Watch) -> None:
        """Before the first call in an exit note the state, and find the exit in the log. Raises: Problem."""
        if watch.before is not None:
            return
        here, known = watch.begin(), self.log.get(self.index)
        self._look(watch)
        watch.is_repeated = not self.is_live or (known is not None and known.exit == here.exit)
        if watch.is_repeated and known is None:
            raise NoMore
        if known is not None and watch.is_repeated and known.exit != here.exit:
            raise Differs(f"exit {self.index} was at {known.pc:#x} of VM {known.vm}, after {known.n:,} instructions")
        watch.effect = known if watch.is_repeated else here

    def _look(self, watch: Watch) -> None:
        try:
            self._data.look(watch.vcpu.vm.hypervisor)
        except NotPlain as error:
            raise _no_plain(error) from None

    def _finish(self, watch: Watch) -> None:
        """Look at what the handlers left behind. Raises: HandlerFailure."""
        try:
            if watch.skipped() > 1:
                raise Problem("the instruction was skipped twice", "next() skips it already, or call skip only once")
            changed = self._settle(watch)
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

    def _settle(self, watch: Watch) -> bool:
        """Note what changed of the user's data, or change it again; tell whether anything did. Raises: Problem."""
        effect, watch.is_settled = watch.effect, True
        assert effect is not None
        try:
            if watch.is_repeated:
                self._data.take(effect.changes)
            else:
                effect.changes = self._data.changes()
        except NotPlain as error:
            problem = _no_plain(error)
            effect.failing = self._files.failing(problem)
            raise problem from None
        except Malformed as error:
            raise Differs(str(error)) from None
        if effect.failing is not None:
            raise self._files.problem(effect.failing)
        if watch.calls < len(effect.calls) and watch.is_repeated:
            raise Differs("more handlers were asked then")
        return bool(effect.changes)

    def _close(self, watch: Watch) -> None:
        """Keep the effect, and tell of it."""
        effect = watch.effect
        if effect is None:
            return
        if not watch.is_settled:
            with suppress(Problem):  # something else went wrong before
                self._settle(watch)
        if not watch.is_repeated:
            effect.output = self._live.output()
            self.log.put(self.index, effect)
        tell(
            watch.vcpu, self.index, effect, self.handlers, "" if watch.failure is None else watch.failure.report.problem
        )
        self.index += 1

    # --- one call ----------------------------------------------------------------------------------------------------

    def _call(self, registered: Registered, vcpu: Vcpu, what: object, below: Below) -> Any:
        """Call one handler, or do again what it did. Raises: HandlerFailure; BusError from an `@mmio` handler."""
        watch = self._watch
        assert watch is not None
        watch.last = registered
        watch.running.append(registered)
        try:
            self._begin(watch)
            if watch.is_repeated:
                return repeat(watch, registered, what, below, self._files)
            return self._call_live(watch, registered, what, below)
        except Problem as problem:
            raise watch.fail(problem) from problem.__cause__
        finally:
            watch.running.pop()

    def _call_live(self, watch: Watch, registered: Registered, what: object, below: Below) -> object:
        """Call the user's function, and note what it does and how it ends. Raises: Problem, BusError."""
        assert watch.effect is not None
        call = Call(registered.decorator, [])
        watch.effect.calls.append(call)
        try:
            self._check_progress(watch)
            answer = self._told(watch, registered, lambda: self._live.call(watch, call, registered, what, below))
            if watch.problem is not None:
                raise watch.problem  # the user's code swallowed it
            return answer
        except BusError as error:
            if registered.decorator.startswith("@mmio"):
                raise
            problem = self._live.bus_error(error)
            call.refused, call.failing = None, self._files.failing(problem)
            raise problem from error
        except Problem as problem:
            call.failing = self._files.failing(watch.problem or problem)
            raise
        except KeyboardInterrupt:
            call.failing = Failing("KeyboardInterrupt", "")
            raise

    def _told(self, watch: Watch, registered: Registered, call: Callable[[], object]) -> object:
        if self.on_call is None:
            return call()
        self.on_call(registered, watch.vcpu)
        try:
            return call()
        finally:
            self.on_call(None, None)

    def _check_progress(self, watch: Watch) -> None:
        """Raises: Problem if the guest makes no progress."""
        last, times = self._stuck.get(watch.vcpu.name, (None, 0))
        if last == watch.before and times >= PATIENCE:
            raise Problem("the same exit came again, nothing executed between", _retry_mend(watch.exit))

    # --- the four kinds of handler -----------------------------------------------------------------------------------

    def _class(self, registered: Registered, below: Handle, vcpu: Vcpu, exit: SyncExit) -> None:
        answer = self._call(registered, vcpu, exit, below)
        if answer is not None:
            self._fail(f"returned {shortly(answer)}", "return nothing: a handler acts through vcpu")

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
            self._fail(
                f"returned {shortly(answer)} for a write of {exit.name}", "return nothing: a write has no answer"
            )
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
            signed = answer + (1 << 64) if isinstance(answer, int) and -(1 << 63) <= answer < 0 else answer
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
            if answer is not None and not (isinstance(answer, int) and answer == 0):
                self._fail(f"returned {shortly(answer)} for a write", "return nothing: a write has no answer")
            return 0
        return self._checked(answer, 8 * access.size_bytes, f"a read of {access.size_bytes} bytes at {access.ipa:#x}")

    def _checked(self, answer: object, bits: int, asked: str) -> int:
        """Return an answer that is an int of so many bits. Raises: HandlerFailure."""
        if answer is None:
            self._fail(f"returned nothing for {asked}", "return the value, an int")
        if not isinstance(answer, int):
            self._fail(f"returned {shortly(answer)} for {asked}", "return the value, an int")
        assert isinstance(answer, int)
        if not 0 <= answer < 1 << bits:
            mend = f"cut it to size: value & {(1 << bits) - 1:#x}"
            self._fail(f"returned {answer:#x} for {asked}: it does not fit into {bits} bits", mend)
        return int(answer)

    # --- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the globals of the user's modules, which exits each vCPU has not got past, and the next in the log."""
        stuck = {name: [*last[:-1], list(last.x), times] for name, (last, times) in self._stuck.items()}
        return {"globals": self._data.snapshot(), "stuck": stuck, "index": self.index}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back, after the VMs have theirs. The log stays: what is in it is repeated."""
        self._data.restore(state["globals"])
        self._stuck = {
            name: (Exited._make((*last, tuple(x))), times) for name, (*last, x, times) in state["stuck"].items()
        }
        self.index = state["index"]

    def begin(self, index: int) -> None:
        """Take over from other handlers before an exit of the log: the globals are as they were loaded."""
        self.restore({"globals": self._as_loaded, "stuck": {}, "index": index})

    def branch(self) -> None:
        """Forget what is in the log from here on, so that the user's code runs again. A recording stays whole."""
        if self.is_live:
            self.log.truncate(self.index)


def _retry_mend(exit: SyncExit) -> str:
    if isinstance(exit, DataAbortExit):
        return "call vcpu.skip_instruction() if the access is done, or map the address at stage 2"
    return "call vcpu.skip_instruction() when the handler has done the instruction's work"


def _no_plain(error: NotPlain) -> Problem:
    mend = "keep plain data (int, str, bytes, list, dict ...) in vcpu.data, which snapshots carry"
    return Problem(f"{error.where} {error.cause}", mend)
