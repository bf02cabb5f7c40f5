"""Accesses of a guest to the devices of its VM: stage 2 data aborts outside RAM, emulated.

Read `hypervisor/vm_bus.py` and `hypervisor/mmio_decode.py` before this file, `hypervisor/dispatch.py` after it. Where
the syndrome describes the access (ISV is 1) it is one register and one access. Else the instruction is read and
decoded. Nobody there: the guest takes the synchronous external abort that a real bus would give it.

Compare Linux: `arch/arm64/kvm/mmio.c`, io_mem_abort, and kvm_handle_guest_abort in `mmu.c`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.arch.pstate import PSTATE_SP, el_of
from arm_hyp.arch.translation import Access, Fault
from arm_hyp.hypervisor.exits import DataAbortExit
from arm_hyp.hypervisor.guest_memory import GuestMemoryError, translate
from arm_hyp.hypervisor.mmio_decode import ByteOrder, Plan, Refusal, decode, extend
from arm_hyp.hypervisor.vm_bus import MmioAccess
from arm_hyp.kvm_events import KvmMmio, KvmMmioEmulate, KvmMmioNisv
from arm_hyp.machine.seams import BusError

if TYPE_CHECKING:
    from arm_hyp.hypervisor.vcpu import Vcpu

_PAGE_BYTES: Final = 0x1000
"""What HPFAR_EL2 resolves: within 4 KiB an IPA follows from its VA, whatever the granules are."""
_WIDEST_BYTES: Final = 8
_ADDRESS_BITS: Final = (1 << 56) - 1
"""FAR_EL2<63:56> need not be those of the register where a tag is ignored."""
_MASK64: Final = (1 << 64) - 1
_SP: Final = 31
_EE, _E0E = 1 << 25, 1 << 24


class NotEmulated(Exception):
    """The instruction cannot be emulated; the text says why."""


def emulate(vcpu: Vcpu, exit: DataAbortExit) -> bool:
    """Carry out the access that aborted, and skip the instruction; tell whether that was done.

    If not, an external abort is pending for the guest and its registers are as before. Cache maintenance of what is no
    memory has nothing to do; a stage 1 walk among devices finds no table.
    """
    try:
        if exit.is_s1ptw:
            raise BusError("translation tables in a device")
        if not exit.is_cache_maintenance:
            _access(vcpu, exit)
    except BusError:
        vcpu.inject_data_abort(va=exit.va, is_write=exit.is_write)
        return False
    except (NotEmulated, GuestMemoryError) as error:
        vcpu.emit(KvmMmioNisv, vcpu_pc=exit.pc, esr=exit.esr, far=exit.va, ipa=exit.ipa, reason=str(error))
        vcpu.inject_data_abort(va=exit.va, is_write=exit.is_write)
        return False
    vcpu.skip_instruction()
    return True


def _access(vcpu: Vcpu, exit: DataAbortExit) -> None:
    if exit.is_valid and _is_in_page(exit.va, exit.size_bytes):
        _one_register(vcpu, exit)
    else:
        _instruction(vcpu, exit)


def access_bus(vcpu: Vcpu, ipa: int, size_bytes: int, write: int | None = None) -> int:
    """Make one access of up to 8 bytes on the VM's bus and tell it; `write` is what to write, None to read.

    Raises: BusError.
    """
    if write is not None:
        if vcpu.is_heard:
            vcpu.emit(KvmMmio, type="write", len=size_bytes, gpa=ipa, val=write)
        return vcpu.vm.bus.access(vcpu, MmioAccess(ipa, size_bytes, True, write))
    try:
        value = vcpu.vm.bus.access(vcpu, MmioAccess(ipa, size_bytes, False))
    except BusError:
        vcpu.emit(KvmMmio, type="unsatisfied-read", len=size_bytes, gpa=ipa, val=0)
        raise
    if vcpu.is_heard:
        vcpu.emit(KvmMmio, type="read", len=size_bytes, gpa=ipa, val=value)
    return value


# --- the syndrome describes the access --------------------------------------------------------------------------------


def _one_register(vcpu: Vcpu, exit: DataAbortExit) -> None:
    """Move what ISS<23:14> describe: SAS bytes, SSE, the register SRT of SF bits.

    Simplified: an unaligned access that begins in the page before, and faults in this one, is taken for an access at
    the beginning of this page. The syndrome does not tell them apart, and KVM does the same.
    """
    size, order = exit.size_bytes, _byte_order(vcpu)
    if exit.is_write:
        value = vcpu.x(exit.rt) & (1 << 8 * size) - 1
        access_bus(vcpu, exit.ipa, size, _swapped(value, size, order))
        return
    value = _swapped(access_bus(vcpu, exit.ipa, size), size, order)
    vcpu.set_x(exit.rt, extend(value, size, (64 if exit.is_64bit else 32) if exit.sign_extend else 0))


def _byte_order(vcpu: Vcpu) -> ByteOrder:
    """Return the order of the guest's data: SCTLR_EL1.EE, at EL0 SCTLR_EL1.E0E. Ref: pseudocode BigEndian."""
    sctlr = vcpu.sctlr
    if not sctlr & (_EE | _E0E):
        return "little"
    return "big" if sctlr & (_E0E if el_of(vcpu.pstate) == 0 else _EE) else "little"


def _swapped(value: int, size_bytes: int, order: ByteOrder) -> int:
    """Return what the bytes of a register are to a device, and the other way: devices are little-endian."""
    return value if order == "little" else int.from_bytes(value.to_bytes(size_bytes, "big"), "little")


# --- the instruction describes it -------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """A part of an access, `offset` bytes from its beginning, at an IPA in a device or in RAM."""

    offset: int
    size_bytes: int
    ipa: int
    is_ram: bool


def _instruction(vcpu: Vcpu, exit: DataAbortExit) -> None:
    """Carry out the load or store at the PC: the accesses, then its registers, then its base.

    An access over two pages may begin in RAM and end in a device, or the other way. Where a later part fails,
    stores before it have happened: the architecture allows it, none of these is one single access.

    Simplified: a stage 1 fault in the other page is an external abort too.
    Raises: BusError; NotEmulated; GuestMemoryError.
    """
    word = int.from_bytes(vcpu.read_va(exit.pc, 4), "little")
    vcpu.emit(KvmMmioEmulate, vcpu_pc=exit.pc, instr=word, cpsr=vcpu.pstate)
    plan = decode(word)
    if isinstance(plan, Refusal):
        raise NotEmulated(plan.value)
    base, index = _operands(vcpu, exit, plan)
    first = exit.va & -plan.access.size_bytes if plan.addressing is None else plan.addressing.address(base, index)
    if (exit.va - first) & _ADDRESS_BITS >= plan.access.size_bytes or plan.access.is_store != exit.is_write:
        raise NotEmulated(Refusal.OTHER.value)
    _move(vcpu, exit, plan, first)
    if plan.addressing is not None:
        _write_back(vcpu, plan.addressing.base, plan.addressing.written_back(base, index))


def _operands(vcpu: Vcpu, exit: DataAbortExit, plan: Plan) -> tuple[int, int]:
    """Return the values of the base and the index register."""
    if plan.addressing is None or plan.addressing.base is None:
        return exit.pc, 0
    base, index = plan.addressing.base, plan.addressing.index
    value = vcpu.read(_stack_pointer(vcpu)) if base == _SP else vcpu.x(base)
    return value, 0 if index is None else vcpu.x(index)


def _stack_pointer(vcpu: Vcpu) -> str:
    """Return which register SP is. At EL0 PSTATE.SP is 0."""
    return "SP_EL1" if vcpu.pstate & PSTATE_SP else "SP_EL0"


def _write_back(vcpu: Vcpu, base: int | None, value: int | None) -> None:
    if base is not None and value is not None:
        if base == _SP:
            vcpu.write(_stack_pointer(vcpu), value)
        else:
            vcpu.set_x(base, value)


def _move(vcpu: Vcpu, exit: DataAbortExit, plan: Plan, first: int) -> None:
    """Move the plan's registers to memory, or memory to them; no register changes before all is read."""
    access, order = plan.access, _byte_order(vcpu)
    read = vcpu.q if access.is_vector else vcpu.x
    write = vcpu.set_q if access.is_vector else vcpu.set_x
    data = bytearray(plan.stored(read, order) if access.is_store else access.size_bytes)
    for piece in list(_pieces(vcpu, exit, plan, first)):  # all of them are found before the first is accessed
        part = slice(piece.offset, piece.offset + piece.size_bytes)
        if access.is_store:
            _store(vcpu, piece, bytes(data[part]))
        else:
            data[part] = _load(vcpu, piece)
    if access.is_load:
        for register, value in plan.loaded(bytes(data), read, order).items():
            write(register, value)


def _store(vcpu: Vcpu, piece: _Piece, data: bytes) -> None:
    if not piece.is_ram:
        access_bus(vcpu, piece.ipa, piece.size_bytes, int.from_bytes(data, "little"))
        return
    try:
        vcpu.vm.write_ipa(piece.ipa, data)
    except ValueError as error:
        raise BusError(str(error)) from None  # it can only be read


def _load(vcpu: Vcpu, piece: _Piece) -> bytes:
    if piece.is_ram:
        return vcpu.vm.read_ipa(piece.ipa, piece.size_bytes)
    return access_bus(vcpu, piece.ipa, piece.size_bytes).to_bytes(piece.size_bytes, "little")


def _pieces(vcpu: Vcpu, exit: DataAbortExit, plan: Plan, first: int) -> Iterator[_Piece]:
    """Cut an access into the accesses that a bus sees: an element each, of 8 bytes at most, none over two pages."""
    size = plan.access.element_bytes
    for start in range(0, plan.access.size_bytes, size):
        offset = start
        while offset < start + size:
            va = first + offset & _MASK64
            part = _part_bytes(va, start + size - offset)
            yield _Piece(offset, part, *_place(vcpu, exit, va, part))
            offset += part


def _place(vcpu: Vcpu, exit: DataAbortExit, va: int, size_bytes: int) -> tuple[int, bool]:
    """Return the IPA of a part of the access, and whether to take it for RAM: never in the page that faulted."""
    in_page = (va & _ADDRESS_BITS) - (exit.va & _ADDRESS_BITS & -_PAGE_BYTES)
    if 0 <= in_page < _PAGE_BYTES:
        return exit.ipa & -_PAGE_BYTES | in_page, False
    ipa = translate(vcpu, va, Access(is_write=exit.is_write))
    if isinstance(ipa, Fault):
        raise NotEmulated(f"{va:#x}, the part in another page, faults at stage 1")
    return ipa, vcpu.vm.is_ram(ipa, size_bytes)


def _part_bytes(va: int, size_bytes: int) -> int:
    """Return the size of the next access of an element that has `size_bytes` left."""
    if _is_in_page(va, size_bytes):
        return 1 << min(size_bytes, _WIDEST_BYTES).bit_length() - 1
    return min(va & -va, _WIDEST_BYTES)  # naturally aligned up to the border of the page


def _is_in_page(va: int, size_bytes: int) -> bool:
    return va % _PAGE_BYTES + size_bytes <= _PAGE_BYTES
