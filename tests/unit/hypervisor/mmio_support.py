"""One instruction run by the core against RAM, and the same emulated against a device: for the tests of MMIO.

Read `arm_hyp/hypervisor/mmio_emulate.py` before. Both sides begin in the same `State` and must end in the same.
"""

from __future__ import annotations

import ctypes
import random
import struct
from dataclasses import dataclass, field
from typing import Any

from unicorn import arm64_const as a64

from arm_hyp.arch.syndromes import EC
from arm_hyp.cpu import probe
from arm_hyp.cpu.core_registers import X_REGISTERS
from arm_hyp.cpu.native import SCR_EL3_LEAVE, NativeCore
from arm_hyp.hypervisor.exits import DataAbortExit
from arm_hyp.hypervisor.guest_memory import GuestMemoryError
from arm_hyp.hypervisor.vm_bus import VmBus

CODE, DATA, DATA_BYTES = 0x4000_0000, 0x4000_2000, 0x2000
EL1H = 0x3C5
Q_REGISTERS = tuple(a64.UC_ARM64_REG_Q0 + number for number in range(32))
WNR, CM, S1PTW, ISV, SSE, SF = 1 << 6, 1 << 8, 1 << 7, 1 << 24, 1 << 21, 1 << 15


@dataclass
class State:
    """What a load or store reads and writes: X0..X30 and SP, Q0..Q31, the data pages."""

    x: list[int]
    q: list[int]
    data: bytes

    @classmethod
    def random(cls, seed: int) -> State:
        rng = random.Random(seed)
        return cls(
            [rng.getrandbits(64) for _ in range(31)] + [DATA + 0x1000],
            [rng.getrandbits(128) for _ in range(32)],
            rng.randbytes(DATA_BYTES),
        )


class Witness:
    """A bare core at EL1 with its MMU off, which runs one instruction."""

    def __init__(self) -> None:
        self._ram = ctypes.create_string_buffer(0x5000)
        aligned = (ctypes.addressof(self._ram) + 0xFFF) & ~0xFFF
        self._pages = (ctypes.c_char * 0x4000).from_address(aligned)
        self.core = NativeCore("max", probe.internals())
        self.core.map_ram(CODE, 0x4000, aligned)
        self.core.write_cp((3, 6, 1, 1, 0), SCR_EL3_LEAVE["max"])
        self.core.write_cp((3, 0, 1, 0, 2), 3 << 20)  # CPACR_EL1.FPEN
        self._pstate = self.core.batch([a64.UC_ARM64_REG_PSTATE, (3, 0, 1, 0, 0)])
        self._x = self.core.batch([*X_REGISTERS, a64.UC_ARM64_REG_SP])
        self._faulted = False
        self.core.on_interrupt(self._fault)

    def _fault(self, _number: int) -> None:
        self._faulted = True
        self.core.stop()

    def run(self, word: int, before: State, sctlr: int = 0) -> State | None:
        """Return the state after the instruction; None if the core faults."""
        self._pages[0:8] = struct.pack("<2I", word, 0x1400_0000)
        self._pages[0x2000:0x4000] = before.data
        self.core.drop_translations(CODE, CODE + 8)
        self._pstate.write(EL1H, sctlr)
        self._x.write(*before.x)
        for register, value in zip(Q_REGISTERS, before.q, strict=True):
            self.core.write(register, value)
        self._faulted = False
        self.core.start(CODE, 1)
        if self._faulted:
            return None
        q = [self.core.read(register) for register in Q_REGISTERS]
        return State(list(self._x.read()), q, bytes(self._pages[0x2000:0x4000]))


class Memory:
    """A device that is like RAM and notes its accesses: (is_write, offset, size in bytes)."""

    def __init__(self, contents: bytes) -> None:
        self.contents = bytearray(contents)
        self.accesses: list[tuple[bool, int, int]] = []

    def read(self, offset: int, size_bytes: int) -> int:
        assert size_bytes in (1, 2, 4)
        self.accesses.append((False, offset, size_bytes))
        return int.from_bytes(self.contents[offset : offset + size_bytes], "little")

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        assert size_bytes in (1, 2, 4) and 0 <= value < 1 << 8 * size_bytes
        self.accesses.append((True, offset, size_bytes))
        self.contents[offset : offset + size_bytes] = value.to_bytes(size_bytes, "little")

    def snapshot(self) -> dict[str, Any]:
        return {"contents": bytes(self.contents)}

    def restore(self, state: dict[str, Any]) -> None:
        self.contents[:] = state["contents"]


class FakeVm:
    """A VM of which only the bus and RAM are asked. RAM is a dict: byte by IPA."""

    def __init__(self) -> None:
        self.bus = VmBus()
        self.ram: dict[int, int] = {}

    def is_ram(self, ipa: int, size_bytes: int) -> bool:
        return all(address in self.ram for address in range(ipa, ipa + size_bytes))

    def read_ipa(self, ipa: int, size_bytes: int) -> bytes:
        return bytes(self.ram[address] for address in range(ipa, ipa + size_bytes))

    def write_ipa(self, ipa: int, data: bytes) -> None:
        assert self.is_ram(ipa, len(data))
        self.ram.update(enumerate(data, ipa))


@dataclass
class FakeVcpu:
    """What `mmio.emulate` uses of a Vcpu: registers, the instruction, injections, events."""

    is_heard = True

    state: State
    word: int | None = 0
    pstate: int = EL1H
    sctlr: int = 0
    index: int = 0
    pc: int = CODE
    vm: FakeVm = field(default_factory=FakeVm)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    aborts: list[tuple[int, bool]] = field(default_factory=list)
    other_sp: int = 0x5555

    def x(self, number: int) -> int:
        return self.state.x[number] if number < 31 else 0

    def set_x(self, number: int, value: int) -> None:
        assert 0 <= value < 1 << 64
        if number < 31:
            self.state.x[number] = value

    def q(self, number: int) -> int:
        return self.state.q[number]

    def set_q(self, number: int, value: int) -> None:
        assert 0 <= value < 1 << 128
        self.state.q[number] = value

    @property
    def _sp(self) -> str:
        return "SP_EL1" if self.pstate & 0xF == 5 else "SP_EL0"

    def read(self, name: str) -> int:
        if name == "SCTLR_EL1":
            return self.sctlr
        assert name in ("SP_EL0", "SP_EL1")
        return self.state.x[31] if name == self._sp else self.other_sp

    def write(self, name: str, value: int) -> None:
        assert name == self._sp
        self.state.x[31] = value

    def read_va(self, va: int, size_bytes: int) -> bytes:
        if va != self.pc or self.word is None:
            raise GuestMemoryError(va, "nothing there")
        return struct.pack("<I", self.word)[:size_bytes]

    def skip_instruction(self) -> None:
        self.pc += 4

    def inject_data_abort(self, va: int, *, is_write: bool = False) -> None:
        self.aborts.append((va, is_write))

    def emit(self, make: type, **fields: Any) -> None:
        self.events.append((make.__name__, fields))


def data_abort(va: int, iss: int = 0, *, ipa: int | None = None, pc: int = CODE) -> DataAbortExit:
    """Return the exit of a stage 2 translation fault at level 3. The IPA is the VA if not given."""
    esr = EC.DATA_ABORT_LOWER << 26 | 1 << 25 | iss | 7
    return DataAbortExit(EC.DATA_ABORT_LOWER, esr, pc, va, (va if ipa is None else ipa) & (1 << 52) - 1)
