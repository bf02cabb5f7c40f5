"""A machine as gdb looks at it: threads, registers and memory, asked for by messages. Leaves no mark.

Read `registers.py`, `timeline/process/machine.py` and `timeline/process/messages.py` before this file,
`machine_debuggee.py` after it. CPUs are threads 1, 2, ...; the vCPUs of a hypervisor in Python follow, VM by VM. What
was read is kept until the machine moves or is changed, so all registers of a group are one message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from arm_hyp.cpu.symbols import Line, Symbol, SymbolTable
from arm_hyp.debug.gdb.debuggee import Thread
from arm_hyp.debug.gdb.registers import arm_name, group_of
from arm_hyp.debug.gdb.target_description import Description, describe
from arm_hyp.errors import UserError
from arm_hyp.timeline.process import answers
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.debug_answers import Located
from arm_hyp.timeline.process.machine import Machine

_Answer = TypeVar("_Answer", bound=answers.Answer)
_Values = Mapping[str, int | bytes]
_TOGETHER: Final = ("general", "vector")
"""What gdb asks for in one packet."""
_READINGS: Final = ask.Reading.__args__


class MachineView:
    """The threads of a machine. With `is_physical` addresses are physical ones.

    `files` are symbols from files, `found` those that were found in memory. `say` hears what the user should know at
    once, and `news` keeps it for gdb.
    """

    def __init__(self, machine: Machine, files: SymbolTable, say: Callable[[str], None]) -> None:
        self._machine, self._say = machine, say
        self.is_physical = False
        self.news: list[str] = []
        made = self.get(ask.Description(), answers.DescriptionAnswer)
        self.made = made
        self.description: Description = describe(made.model, made.gic, made.list_registers)
        own = _symbols(made)
        self._symbols, self.found = SymbolTable.merged((own, files)) if files.symbols else own, SymbolTable()
        self._threads: tuple[answers.StatusAnswer, answers.VcpusAnswer] | None = None
        self._registers: dict[ask.Whose, dict[str, _Values]] = {}
        vcpus = (ask.Whose(vcpu.index, vcpu.vm) for vcpu in self._now()[1].vcpus)
        self.whose: Final = (*map(ask.Whose, range(made.cpus)), *vcpus)

    @property
    def symbols(self) -> SymbolTable:
        """All symbols that are known."""
        return SymbolTable.merged((self._symbols, self.found)) if self.found.symbols else self._symbols

    # --- asking ------------------------------------------------------------------------------------------------------

    def get(self, message: ask.Message, kind: type[_Answer]) -> _Answer:
        """Ask; what is only read is asked again where the machine had to be replaced meanwhile. Raises: UserError."""
        answer = self._machine.send(message)
        if isinstance(answer, answers.Restarted):
            self.hear(answer)
            if isinstance(message, _READINGS):
                answer = self._machine.send(message)
        if isinstance(answer, answers.Restarted):
            raise UserError("the machine process", f"was replaced: {answer.reason}", "look where it stands")
        if isinstance(answer, answers.Failed):
            raise UserError(answer.thing, answer.cause, answer.way_out)
        assert isinstance(answer, kind), answer
        return answer

    def hear(self, restarted: answers.Restarted) -> None:
        """Tell the user that the machine process is another one."""
        call = restarted.handler
        where = "" if call is None else f" in {call.decorator} at {call.at or call.place}, for {call.vcpu}"
        text = f"the machine process was replaced: {restarted.reason}{where}; the run stands at {restarted.position}"
        self.news.append(text)
        self._say(f"gdb: {text}")
        self.forget()

    def forget(self) -> None:
        """Forget what was read: the machine has moved, or was changed."""
        self._threads = None
        self._registers.clear()

    # --- threads -----------------------------------------------------------------------------------------------------

    def _now(self) -> tuple[answers.StatusAnswer, answers.VcpusAnswer]:
        if self._threads is None:
            status, vcpus = self.get(ask.Several((ask.Status(), ask.Vcpus())), answers.SeveralAnswer).answers
            assert isinstance(status, answers.StatusAnswer) and isinstance(vcpus, answers.VcpusAnswer)
            self._threads = status, vcpus
        return self._threads

    @property
    def status(self) -> answers.StatusAnswer:
        """Where the run is."""
        return self._now()[0]

    def threads(self) -> tuple[Thread, ...]:
        """Return all CPUs, then all vCPUs."""
        status, vcpus = self._now()
        made = [_cpu_thread(cpu) for cpu in status.cpus]
        made += [_vcpu_thread(number, vcpu) for number, vcpu in enumerate(vcpus.vcpus, len(made) + 1)]
        return tuple(made)

    def thread_of(self, whose: ask.Whose) -> int:
        """Return the thread that a CPU or vCPU is."""
        return self.whose.index(whose) + 1

    def current_thread(self) -> int:
        """Return the thread whose turn it is: the vCPU that is loaded, else the first; without VMs the CPU."""
        status, vcpus = self._now()
        cpu = next(cpu.index for cpu in status.cpus if cpu.is_current)
        loaded = (number for number, vcpu in enumerate(vcpus.vcpus) if vcpu.cpu == cpu)
        return len(status.cpus) + 1 + next(loaded, 0) if vcpus.vcpus else cpu + 1

    def cpu_of_thread(self, thread: int) -> int | None:
        """Return the index of the CPU that a thread is, or that a vCPU is loaded on; None for one that is not."""
        status, vcpus = self._now()
        vcpu = thread - 1 - len(status.cpus)
        return thread - 1 if vcpu < 0 else vcpus.vcpus[vcpu].cpu

    # --- state -------------------------------------------------------------------------------------------------------

    def know(self, whose: ask.Whose, group: str, values: _Values) -> None:
        """Take registers that came with another answer."""
        self._registers.setdefault(whose, {})[group] = values

    def read_register(self, thread: int, name: str) -> int | None:
        """Return a register's value; None where the thread has no such register."""
        row = self.description.by_name[name]
        value = self._group(self.whose[thread - 1], group_of(row)).get(arm_name(name))
        return int.from_bytes(value, "little") if isinstance(value, bytes) else value

    def _group(self, whose: ask.Whose, group: str) -> _Values:
        known = self._registers.setdefault(whose, {})
        if group not in known:
            wanted = tuple(one for one in _TOGETHER if one not in known) if group in _TOGETHER else (group,)
            for read in self.get(ask.Registers(whose, wanted), answers.RegistersAnswer).groups:
                known[read.name] = read.values
        return known[group]

    def locate(self, thread: int, address: int) -> int | None:
        """Return the physical address behind an address; None where none is."""
        return address if self.is_physical else self.get(ask.Locate(address, self.whose[thread - 1]), Located).pa

    def read_memory(self, thread: int, address: int, size_bytes: int) -> bytes:
        """Return what can be read from an address on, at most so much; nothing where nothing can."""
        asked = ask.Memory(address, size_bytes, "pa" if self.is_physical else "va", self.whose[thread - 1])
        return self.get(asked, answers.MemoryAnswer).data


def _symbols(made: answers.DescriptionAnswer) -> SymbolTable:
    lines = tuple(Line(line.address, line.file, line.line) for line in made.lines)
    return SymbolTable(tuple(Symbol(*row) for row in made.symbols), lines)


def _cpu_thread(cpu: answers.CpuState) -> Thread:
    turn = ", its turn" if cpu.is_current else ""
    words = {"off": "off", "runs": f"at EL{cpu.el}{turn}"}.get(cpu.state, f"waits in {cpu.state.upper()}{turn}")
    return Thread(cpu.index + 1, f"CPU {cpu.index}", words)


def _vcpu_thread(number: int, vcpu: answers.VcpuState) -> Thread:
    return Thread(number, vcpu.name, vcpu.state + ("" if vcpu.cpu is None else f" on CPU {vcpu.cpu}"))
