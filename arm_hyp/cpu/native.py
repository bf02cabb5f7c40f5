"""The thin layer over Unicorn: registers, the native exception record, the counter, hooks, TLB and translations.

Read `cpu/batch.py` before this file and `cpu/core.py` after it. Everything here is mechanism: it knows where Unicorn
keeps a thing and what a call costs, never what the architecture says about it. `cpu/probe.py` checks every assumption
made here at start-up.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from unicorn import UC_ARCH_ARM64, UC_MODE_ARM, Uc, UcError
from unicorn import arm64_const as a64
from unicorn import unicorn_const as uc_const
from unicorn.unicorn_py3.unicorn import uclib

from arm_hyp.cpu.batch import Batch, CpReg, RegisterId, direct
from arm_hyp.cpu.exclusive import LocalMonitor, find_live
from arm_hyp.cpu.helpers import Counting, Exits
from arm_hyp.errors import UserError

os.environ.setdefault("UC_IGNORE_REG_BREAK", "1")  # no warnings on stderr for registers that the core lacks

UNREACHABLE: Final = 0xFFFF_FFFF_FFFF_FFFC
"""`until` for every emu_start: reaching a real one imitates a WFI."""

MODELS: Final = {"a72": a64.UC_CPU_ARM64_A72, "max": a64.UC_CPU_ARM64_MAX, "max-fgt": a64.UC_CPU_ARM64_MAX}
SCR_EL3_LEAVE: Final = {"a72": 0x531, "max": 0x30531, "max-fgt": 0x1840_0803_0531}
"""NS, RW, HCE (and APK, API on max; FGTEn, HXEn, TCR2En, SCTLR2En on max-fgt): what lets software run below EL3. The
core keeps none of the last four."""

READ: Final = uc_const.UC_PROT_READ
WRITE: Final = uc_const.UC_PROT_WRITE
"""The access that is asked for, in `NativeCore.translate`; an instruction fetch if not given."""

_SPSR_EL1: Final = (3, 0, 4, 0, 0)
_EL3H: Final = 0x3CD
INTERRUPT: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
TRANSLATION: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_MMIO_READ: Final = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_void_p)
_MMIO_WRITE: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_void_p
)
_EVERYWHERE: Final = (1, 0)
_BLOCK: Final = struct.Struct("<Q2xH4x")
"""Unicorn's `uc_tb`: the address of a block, its instructions, its size in bytes."""
_BLOCK_BYTES: Final = 4096
_WORDS: Final = tuple(struct.Struct(f"<{count}I") for count in range(_BLOCK_BYTES // 4 + 1))
_FLUSH_PAGE: Final = "tlb_flush_page_aarch64"
_STATE_OFFSET, _BACK_OFFSET = 440, 33192
_save_context: Final = direct("uc_context_save")
_restore_context: Final = direct("uc_context_restore")
_RECORD: Final = struct.Struct("<I4xQI")


def translation_callback(callback: Callable[[int, int], None]) -> Any:
    """Return a C function that calls `callback(pc, size_bytes)` for a new block."""
    unpack = _BLOCK.unpack_from

    def translated(_uc: int, block: int, _previous: int, _data: int) -> None:
        callback(*unpack((ctypes.c_char * _BLOCK.size).from_address(block)))

    return TRANSLATION(translated)


class NativeRecord(NamedTuple):
    """What the core noted about the exception it is about to report (its `env->exception`)."""

    syndrome: int
    vaddress: int
    target_el: int


class InternalsError(UserError):
    """This Unicorn does not keep its internals where this project needs them."""


def _pin_prototypes() -> None:
    """Declare the C functions that are called past the binding, for speed or because the binding lacks them."""
    pointer = ctypes.c_void_p
    for name, arguments in {
        "uc_reg_read_batch": [pointer, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(pointer), ctypes.c_int],
        "uc_reg_write_batch": [pointer, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(pointer), ctypes.c_int],
        "uc_vmem_read": [pointer, ctypes.c_uint64, ctypes.c_uint32, pointer, ctypes.c_size_t],
        "uc_vmem_translate": [pointer, ctypes.c_uint64, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint64)],
        "uc_emu_start": [pointer, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_size_t],
        "uc_emu_stop": [pointer],
        "uc_context_save": [pointer, pointer],
        "uc_context_restore": [pointer, pointer],
    }.items():
        function = getattr(uclib, name)
        function.argtypes, function.restype = arguments, ctypes.c_int


def _control(operation: int, arguments: int, access: int) -> int:
    return operation | arguments << 26 | access << 30


_TLB_FLUSH: Final = _control(uc_const.UC_CTL_TLB_FLUSH, 0, uc_const.UC_CTL_IO_WRITE)
_MOST_DROPPED: Final = 1024
"""Ranges whose blocks were dropped: a few hundred KiB of code."""
_TB_FLUSH: Final = _control(uc_const.UC_CTL_TB_FLUSH, 0, uc_const.UC_CTL_IO_WRITE)


class Internals(NamedTuple):
    """Where this Unicorn keeps what it does not offer. Offsets in bytes: in a saved context, but for the counter."""

    record_offset: int
    counter_offset: int
    monitor_offset: int


class NativeCore:
    """One Unicorn CPU out of EL3, with its memory mappings."""

    def __init__(self, model: str, internals: Internals | None = None) -> None:
        self.dropped = ctypes.c_uint64()  # ranges that were dropped since all were
        _pin_prototypes()
        self.model = model
        self.uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
        self.uc.ctl_set_cpu_model(MODELS[model])
        self.uc.ctl_set_tlb_mode(uc_const.UC_TLB_CPU)
        self.handle: ctypes.c_void_p = self.uc._uch
        self._context = self.uc.context_save()
        self._context_pointer = ctypes.cast(self._context.context, ctypes.c_void_p)
        self._callbacks: list[Any] = []  # what C calls must not be collected
        self._access = -1  # the count at the last device access
        self._word = ctypes.c_uint32()
        self._block = ctypes.create_string_buffer(_BLOCK_BYTES)
        self._block_address = ctypes.addressof(self._block)
        self._physical = ctypes.c_uint64()
        self.looks = ctypes.c_uint32()  # 1 while we look at memory, in place of the core
        self.counting: Counting | None = None
        self.exits: Exits | None = None
        self._budget = 0
        self._use(internals or Internals(0, 0, 0))

    def _use(self, internals: Internals) -> None:
        self.internals = internals
        base = self._context_pointer.value
        assert base is not None and self.handle.value is not None
        where = internals.counter_offset
        self.counter = ctypes.c_uint64.from_address(self.handle.value + where) if where else ctypes.c_uint64()
        self._flush_page = self._page_flusher()
        self.exclusive = self._find_monitor(base)
        record = (self.live_context or base) + internals.record_offset
        self._record = (ctypes.c_char * 20).from_address(record)
        self._syndrome = ctypes.c_uint32.from_address(record)
        self._is_live = self.live_context is not None

    # --- registers ---------------------------------------------------------------------------------------------------

    def batch(self, registers: Sequence[RegisterId]) -> Batch:
        """Prepare a batch of registers: Unicorn ids, or (op0, op1, CRn, CRm, op2)."""
        return Batch(self.handle, registers)

    def read_cp(self, register: CpReg) -> int:
        """Read a system register raw: no access check, no side effect."""
        op0, op1, crn, crm, op2 = register
        return int(self.uc.reg_read(a64.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2)))

    def write_cp(self, register: CpReg, value: int) -> None:
        """Write a system register raw, and rebuild the translator's flags. The caller flushes the TLB if needed."""
        op0, op1, crn, crm, op2 = register
        self.uc.reg_write(a64.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2, value))

    def read(self, register: int) -> int:
        """Read one Unicorn register."""
        return int(self.uc.reg_read(register))

    def write(self, register: int, value: int) -> None:
        """Write one Unicorn register."""
        self.uc.reg_write(register, value)

    def record_syndrome(self) -> int:
        """Read the syndrome of the native exception record alone, which is faster."""
        if not self._is_live:
            _save_context(self.handle, self._context_pointer)
        return self._syndrome.value

    def record(self) -> NativeRecord:
        """Read the native exception record: where it is, or (1.5 us) in a saved context, in an unknown build."""
        if not self._is_live:
            _save_context(self.handle, self._context_pointer)
        return NativeRecord._make(_RECORD.unpack_from(self._record))

    @property
    def has_helpers(self) -> bool:
        """Tell whether the C helpers are to be used at this core, as far as they were built."""
        return self.counting is not None and self.counting.is_in_c

    # --- running -----------------------------------------------------------------------------------------------------

    @property
    def watches_masks(self) -> bool:
        """Tell whether `start` can end where PSTATE's interrupt masks are cleared."""
        return self.counting is not None

    def start(self, pc: int, count: int, masks: int = 0) -> int:
        """Run at most `count` instructions from `pc`; return Unicorn's status code (0 when fine).

        Ends before that where a bit of PSTATE that is set in `masks` is cleared; see `watches_masks`.
        """
        self._budget = count
        if self.counting is not None:
            return self.counting.start(pc, count, masks)
        self.counter.value = 0
        return int(uclib.uc_emu_start(self.handle, pc, UNREACHABLE, 0, count))

    def started(self) -> int:
        """Tell how many instructions were started since `start`; after a full slice it may be one more."""
        return self.counter.value if self.counting is None else self.counting.started()

    def is_spent(self) -> bool:
        """Tell whether all instructions that `start` was asked for were started."""
        return self.started() >= self._budget

    def begin_access(self) -> bool:
        """Note that a device access is being answered; tell whether it is of the same instruction as the one before."""
        if self.counting is not None:
            return self.counting.begin_access()
        before, self._access = self._access, self.counter.value
        return before == self._access

    def end_access(self) -> None:
        """Note that the device access has been answered."""
        if self.counting is not None:
            self.counting.end_access()

    def forget_access(self) -> None:
        """Have the next device access be of another instruction."""
        self._access = -1
        if self.counting is not None:
            self.counting.forget_access()

    def locate(self) -> None:
        """Have the PC be that of the instruction whose device access is being answered; `started` does so too."""
        if self.counting is not None:
            self.counting.locate()

    def left_before(self, pc: int) -> None:
        """Count nothing from `pc` on: a breakpoint exception, which is reported like a fetch that failed, was there."""
        if self.counting is not None:
            self.counting.left_before(pc)

    def stop(self) -> None:
        """Ask the running `start` to return before the next instruction. From a hook only."""
        uclib.uc_emu_stop(self.handle)

    def hooks_may_stop(self, wanted: bool) -> None:
        """Have `stop` work from a code hook, too, in what is translated from now on."""
        if self.exits is not None:
            self.exits.look_behind_accesses(wanted)

    def on_interrupt(self, callback: Callable[[int], None]) -> None:
        """Have exceptions reported: `callback(number)`. It must not raise."""
        self._hook(uc_const.UC_HOOK_INTR, INTERRUPT(lambda _uc, number, _data: callback(number)))

    def on_translation(self, callback: Callable[[int, int], None]) -> None:
        """Have each new block reported before it runs: `callback(pc, size_bytes)`. It must not raise."""
        self._hook(uc_const.UC_HOOK_EDGE_GENERATED, translation_callback(callback))

    def on_translation_in_c(self, function: Any, data: ctypes.Structure) -> None:
        """Have each new block reported to a C function, with a structure of its own."""
        self._hook(uc_const.UC_HOOK_EDGE_GENERATED, function, ctypes.byref(data))
        self._callbacks.append(data)

    def hook_in_c(self, kind: int, function: Any, data: ctypes.Structure, where: tuple[int, int]) -> None:
        """Have a C function called, with a structure of its own, for what happens in a range of addresses."""
        self._hook(kind, function, ctypes.byref(data), where=where)
        self._callbacks.append(data)

    def on_system_instruction_in_c(self, function: Any, data: ctypes.Structure) -> None:
        """Have each SYS instruction reported to a C function, with a structure of its own."""
        self._hook(uc_const.UC_HOOK_INSN, function, ctypes.byref(data), ctypes.c_int(a64.UC_ARM64_INS_SYS))

    def on_register_read_in_c(self, function: Any, data: ctypes.Structure, address: int) -> None:
        """Have an MRS at one address reported to a C function, with a structure of its own. Not what is translated."""
        instruction = ctypes.c_int(a64.UC_ARM64_INS_MRS)
        self._hook(uc_const.UC_HOOK_INSN, function, ctypes.byref(data), instruction, where=(address, address))

    def _hook(
        self, kind: int, callback: Any, data: Any = None, *extra: Any, where: tuple[int, int] = _EVERYWHERE
    ) -> None:
        """Add a hook, past the binding, which takes 3 us more for each call."""
        handle, bounds = ctypes.c_size_t(), (ctypes.c_uint64(where[0]), ctypes.c_uint64(where[1]))
        status = uclib.uc_hook_add(
            self.handle, ctypes.byref(handle), ctypes.c_int(kind), callback, data, *bounds, *extra
        )
        if status:
            raise UcError(status)
        self._callbacks.append(callback)

    # --- memory, TLB, translations -----------------------------------------------------------------------------------

    def fetch_word(self, pc: int) -> int | None:
        """Read the instruction at a virtual address as the core fetches it, or None where it could not."""
        return self._word.value if self._read_code(pc, ctypes.addressof(self._word), 4) else None

    def fetch_words(self, pc: int, size_bytes: int) -> tuple[int, ...]:
        """Read a block of instructions (at most 4 KiB) at a virtual address; empty where it could not be fetched."""
        if not self._read_code(pc, self._block_address, size_bytes):
            return ()
        return _WORDS[size_bytes >> 2].unpack_from(self._block)

    def _read_code(self, pc: int, to: int, size_bytes: int) -> bool:
        self.looks.value = 1
        status = uclib.uc_vmem_read(self.handle, pc, uc_const.UC_PROT_EXEC, to, size_bytes)
        self.looks.value = 0
        return bool(status == uc_const.UC_ERR_OK)

    def translate(self, address: int, access: int = uc_const.UC_PROT_EXEC) -> int | None:
        """Translate a virtual address through the core's TLB, or None where it faults."""
        self.looks.value = 1
        status = uclib.uc_vmem_translate(self.handle, address, access, ctypes.byref(self._physical))
        self.looks.value = 0
        return None if status else self._physical.value

    def flush_tlb(self) -> None:
        """Empty the TLB (0.6 us)."""
        uclib.uc_ctl(self.handle, ctypes.c_int(_TLB_FLUSH))

    def flush_page(self, address: int) -> None:
        """Remove the page of a virtual address from the TLB, in every regime; the whole TLB in an unknown build."""
        if self._flush_page is None:
            self.flush_tlb()
        else:
            self._flush_page(address)

    def _page_flusher(self) -> Callable[[int], None] | None:
        """Find Unicorn's own function for one page."""
        state = self.live_state()
        if state is None or not hasattr(uclib, _FLUSH_PAGE):
            return None
        function = ctypes.PYFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64)((_FLUSH_PAGE, uclib))
        return functools.partial(function, state)

    def live_state(self) -> int | None:
        """Return the address of the core's state: a pointer that points back to us. None in an unknown build."""
        handle = self.handle.value
        if handle is None or not self.internals.counter_offset:
            return None
        state = ctypes.c_uint64.from_address(handle + _STATE_OFFSET).value
        return state if ctypes.c_uint64.from_address(state + _BACK_OFFSET).value == handle else None

    @property
    def live_context(self) -> int | None:
        """Address in the live state of what lies at offset 0 of a saved context; None in an unknown build."""
        return self.exclusive.live - self.internals.monitor_offset if self.exclusive.live is not None else None

    def _find_monitor(self, context: int) -> LocalMonitor:
        save = functools.partial(_save_context, self.handle, self._context_pointer)
        load = functools.partial(_restore_context, self.handle, self._context_pointer)
        save()
        offset = self.internals.monitor_offset
        return LocalMonitor(find_live(self.live_state(), context, offset), context + offset, save, load)

    def flush_translations(self) -> None:
        """Drop every translated block."""
        self.dropped.value = 0
        uclib.uc_ctl(self.handle, ctypes.c_int(_TB_FLUSH))

    @property
    def holds_dropped(self) -> bool:
        """Tell whether much was dropped that still takes memory: only dropping every block gives it back."""
        return self.dropped.value >= _MOST_DROPPED

    def drop_translations(self, start: int, end: int) -> None:
        """Drop the translated blocks in a range of virtual addresses."""
        self.dropped.value += 1
        self.looks.value = 1  # it walks tables, too
        try:
            self.uc.ctl_remove_cache(start, end)
        finally:
            self.looks.value = 0

    def drop_physical(self, start: int, size_bytes: int) -> None:
        """Drop the translated blocks in a range of physical addresses (15 us). Not from a hook.

        Unicorn takes virtual addresses and translates them; at EL3, where the MMU is off, they are physical.
        """
        pstate, spsr = self.read(a64.UC_ARM64_REG_PSTATE), self.read_cp(_SPSR_EL1)
        self.write(a64.UC_ARM64_REG_PSTATE, _EL3H)
        self.write_cp(_SPSR_EL1, spsr)  # any raw write makes the core see the new level
        self.drop_translations(start, start + size_bytes)
        self.write(a64.UC_ARM64_REG_PSTATE, pstate)
        self.write_cp(_SPSR_EL1, spsr)

    def map_ram(self, base: int, size_bytes: int, host_address: int) -> None:
        """Map host memory as guest RAM at a physical address."""
        self.uc.mem_map_ptr(base, size_bytes, uc_const.UC_PROT_ALL, host_address)

    def map_rom(self, base: int, size_bytes: int, host_address: int) -> None:
        """Map host memory as guest memory that cannot be written: a write ends the run with an error."""
        self.uc.mem_map_ptr(base, size_bytes, uc_const.UC_PROT_READ | uc_const.UC_PROT_EXEC, host_address)

    def unmap(self, base: int, size_bytes: int) -> None:
        """Take a mapping away. Not from a hook."""
        self.uc.mem_unmap(base, size_bytes)

    def map_mmio(
        self, base: int, size_bytes: int, read: Callable[[int, int], int], write: Callable[[int, int, int], None]
    ) -> None:
        """Route accesses to a physical range: `read(offset, size_bytes)`, `write(offset, size_bytes, value)`.

        Who only looks (`fetch_word`, `translate`) finds zeros there, and the device hears nothing of it.
        """
        looks = self.looks
        on_read = _MMIO_READ(lambda _uc, offset, size, _data: 0 if looks.value else read(offset, size))
        on_write = _MMIO_WRITE(lambda _uc, offset, size, value, _data: write(offset, size, value))
        self._callbacks += [on_read, on_write]
        device = (on_read, on_write, None) if self.exits is None else self.exits.device(on_read, on_write)
        (c_read, c_write, data), where = device, (ctypes.c_uint64(base), ctypes.c_size_t(size_bytes))
        status = uclib.uc_mmio_map(self.handle, *where, c_read, data, c_write, data)
        if status:
            raise UcError(status)
