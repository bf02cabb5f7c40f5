"""A machine as gdb looks at it: threads, registers and memory of a Runner that stands still. Leaves no mark.

Read `registers.py`, `memory.py` and `runner/runner.py` before this file, `timeline_debuggee.py` after it. CPUs are
threads 1, 2, ...; the vCPUs of a hypervisor in Python follow, VM by VM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arm_hyp.cpu.symbols import SymbolTable
from arm_hyp.debug.gdb import memory
from arm_hyp.debug.gdb.debuggee import Thread
from arm_hyp.debug.gdb.registers import CpuRegisters, VcpuRegisters
from arm_hyp.debug.gdb.target_description import Description, describe
from arm_hyp.runner.translation import View, view_of_cpu, view_of_vcpu

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.runner.runner import Runner


class MachineView:
    """The threads of a machine. With `is_physical` addresses are physical ones; `found` are symbols found in memory."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.is_physical = False
        self.found = SymbolTable()
        made = runner.configuration
        self.description: Description = describe(made.cpu, made.gic, made.list_registers)
        self._cpus = [CpuRegisters(core) for core in runner.machine.cpus.cores]
        vcpus = [] if runner.hypervisor is None else runner.hypervisor.vcpus
        self._vcpus = [VcpuRegisters(vcpu, self._cpus) for vcpu in vcpus]

    @property
    def symbols(self) -> SymbolTable:
        """All symbols that are known."""
        return SymbolTable.merged((self.runner.symbols, self.found)) if self.found.symbols else self.runner.symbols

    # --- threads -----------------------------------------------------------------------------------------------------

    def threads(self) -> tuple[Thread, ...]:
        """Return all CPUs, then all vCPUs."""
        cpus = [self._cpu_thread(index) for index in range(len(self._cpus))]
        first = len(cpus) + 1
        return (*cpus, *(self._vcpu_thread(first + index, one.vcpu) for index, one in enumerate(self._vcpus)))

    def _cpu_thread(self, index: int) -> Thread:
        cpus = self.runner.machine.cpus
        core = cpus.cores[index]
        waits = f"waits in {core.waiting.upper()}" if core.waiting else f"at EL{core.el}"
        turn = ", its turn" if core is cpus.current else ""
        return Thread(index + 1, f"CPU {index}", f"{waits}{turn}" if cpus.on[index] else "off")

    def _vcpu_thread(self, number: int, vcpu: Vcpu) -> Thread:
        on = "" if vcpu.cpu is None else f" on CPU {vcpu.cpu.index}"
        return Thread(number, vcpu.name, f"{vcpu.state}{on}")

    def thread_at_stop(self) -> int:
        """Return the thread whose turn it is: a vCPU, where there are any."""
        return self.thread_of_cpu(self.runner.machine.cpus.current.index)

    def thread_of_cpu(self, index: int) -> int:
        """Return the thread that a CPU is running: the vCPU that is loaded, else the first; without VMs the CPU."""
        loaded = (number for number, one in enumerate(self._vcpus) if (cpu := one.vcpu.cpu) and cpu.index == index)
        return len(self._cpus) + 1 + next(loaded, 0) if self._vcpus else index + 1

    def cpu_of_thread(self, thread: int) -> int | None:
        """Return the index of the CPU that a thread is, or that a vCPU is loaded on; None for one that is not."""
        vcpu = self.vcpu_of_thread(thread)
        if vcpu is None:
            return thread - 1
        return None if vcpu.cpu is None else vcpu.cpu.index

    def vcpu_of_thread(self, thread: int) -> Vcpu | None:
        """Return the vCPU that a thread is; None for a CPU."""
        index = thread - 1 - len(self._cpus)
        return self._vcpus[index].vcpu if index >= 0 else None

    # --- state -------------------------------------------------------------------------------------------------------

    def read_register(self, thread: int, name: str) -> int | None:
        """Return a register's value; None where the thread has no such register."""
        index = thread - 1 - len(self._cpus)
        return self._cpus[thread - 1].read(name) if index < 0 else self._vcpus[index].read(name)

    def view(self, thread: int) -> View:
        """Return translation as a thread has it."""
        vcpu = self.vcpu_of_thread(thread)
        return (
            view_of_cpu(self.runner, thread - 1)
            if vcpu is None
            else view_of_vcpu(self.runner, vcpu.vm.name, vcpu.index)
        )

    def locate(self, thread: int, address: int) -> int | None:
        """Return the physical address behind an address; None where none is."""
        return address if self.is_physical else memory.physical_address(self.view(thread), address)

    def read_memory(self, thread: int, address: int, size_bytes: int) -> bytes:
        """Return what can be read from an address on, at most so much; nothing where nothing can."""
        data = b""
        for start, length in memory.pieces(address, size_bytes):
            found = self.locate(thread, start)
            piece = b"" if found is None else memory.read_physical(self.runner.machine, found, length)
            data += piece
            if len(piece) < length:
                break
        return data
