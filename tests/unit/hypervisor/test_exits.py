"""Exits: every class has one, and each property is the field that the architecture's own table of layouts has there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_hyp.arch import sysregs
from arm_hyp.arch.exceptions import Kind
from arm_hyp.arch.iss_classes import EXCEPTION_CLASSES
from arm_hyp.arch.syndromes import EC, decode_esr, encode_abort, encode_hvc, encode_sysreg, encode_wfx
from arm_hyp.hypervisor.dispatch import DEFAULTS
from arm_hyp.hypervisor.exits import (
    DECODERS,
    DataAbortExit,
    DebugExit,
    FpExit,
    HvcExit,
    InstructionAbortExit,
    InterruptExit,
    OtherExit,
    SErrorExit,
    SmcExit,
    Syndrome,
    SysregExit,
    WfxExit,
    decode_exit,
)

PC, FAR, HPFAR = 0x4008_0010, 0xFFFF_8000_0000_5678, 0x0012_3450
isses = st.integers(0, (1 << 25) - 1)


def taken(ec: int, iss: int = 0, kind: Kind = Kind.SYNC) -> Syndrome:
    return Syndrome(kind, ec << 26 | 1 << 25 | iss, FAR, HPFAR, PC)


def field(exit: Any, name: str) -> int:
    """Return a field of a syndrome by the architecture's name, as `arch/` decodes it."""
    return decode_esr(exit.esr).find(name).value


KINDS = {
    EC.WFX: WfxExit,
    EC.HVC64: HvcExit,
    EC.SMC64: SmcExit,
    EC.SYSREG: SysregExit,
    EC.DATA_ABORT_LOWER: DataAbortExit,
    EC.DATA_ABORT_SAME: DataAbortExit,
    EC.INSTRUCTION_ABORT_LOWER: InstructionAbortExit,
    EC.INSTRUCTION_ABORT_SAME: InstructionAbortExit,
    EC.FP_ACCESS: FpExit,
    EC.SVE: FpExit,
    EC.SERROR: SErrorExit,
    EC.BREAKPOINT_LOWER: DebugExit,
    EC.BREAKPOINT_SAME: DebugExit,
    EC.STEP_LOWER: DebugExit,
    EC.STEP_SAME: DebugExit,
    EC.WATCHPOINT_LOWER: DebugExit,
    EC.WATCHPOINT_SAME: DebugExit,
    EC.BKPT32: DebugExit,
    EC.BRK: DebugExit,
}


@pytest.mark.parametrize("ec", range(64))
def test_every_class_has_an_exit_and_a_handler(ec: int) -> None:
    exit = decode_exit(taken(ec))
    assert type(exit) is KINDS.get(ec, OtherExit)
    assert (exit.ec, exit.esr >> 26, exit.pc) == (ec, ec, PC - 4 * (ec == EC.HVC64))
    assert callable(DEFAULTS[ec])


def test_the_tables_are_of_64_classes() -> None:
    assert len(DECODERS) == len(DEFAULTS) == len(EXCEPTION_CLASSES) == 64


def test_a_reserved_class_is_named() -> None:
    reserved = next(ec for ec in range(64) if not EXCEPTION_CLASSES[ec].defined)
    exit = decode_exit(taken(reserved))
    assert isinstance(exit, OtherExit) and exit.name


@given(st.integers(0, 63), isses)
def test_every_syndrome_decodes(ec: int, iss: int) -> None:
    exit = decode_exit(taken(ec, iss))
    for name in (name for name in dir(exit) if not name.startswith("_")):
        getattr(exit, name)


@pytest.mark.parametrize("ti", range(4))
def test_wfx(ti: int) -> None:
    exit = decode_exit(taken(0)._replace(esr=encode_wfx(ti)))
    assert isinstance(exit, WfxExit)
    assert (exit.is_wfe, exit.is_wfi, exit.has_timeout) == (ti in (1, 3), ti in (0, 2), ti in (2, 3))
    assert field(exit, "TI") == ti


@given(st.sampled_from([EC.HVC64, EC.SMC64]), isses)
def test_calls_have_their_immediate(ec: EC, iss: int) -> None:
    exit = decode_exit(taken(ec, iss))
    assert isinstance(exit, HvcExit | SmcExit)
    assert exit.imm == field(exit, "imm16")


def test_an_hvc_is_at_its_own_address_and_an_smc_has_not_completed() -> None:
    assert decode_exit(taken(0)._replace(esr=encode_hvc(5))).pc == PC - 4
    assert decode_exit(taken(EC.SMC64)).pc == PC


@given(isses)
def test_system_registers(iss: int) -> None:
    exit = decode_exit(taken(EC.SYSREG, iss))
    assert isinstance(exit, SysregExit)
    assert exit.encoding == tuple(field(exit, name) for name in ("Op0", "Op1", "CRn", "CRm", "Op2"))
    assert (exit.rt, exit.is_read, exit.is_write) == (field(exit, "Rt"), *((True, False), (False, True))[not iss & 1])
    assert exit.name == sysregs.name_of(exit.encoding)


@pytest.mark.parametrize("row", sysregs.TABLE[::7], ids=lambda row: row.name)
@pytest.mark.parametrize("is_read", [True, False])
def test_a_system_register_is_decoded_as_it_was_encoded(row: sysregs.Row, is_read: bool) -> None:
    exit = decode_exit(taken(0)._replace(esr=encode_sysreg(*row.encoding, 17, is_read)))
    assert isinstance(exit, SysregExit)
    assert (exit.encoding, exit.name, exit.is_read, exit.rt) == (row.encoding, row.name, is_read, 17)


@given(isses)
def test_data_aborts(iss: int) -> None:
    exit = decode_exit(taken(EC.DATA_ABORT_LOWER, iss))
    assert isinstance(exit, DataAbortExit)
    assert (exit.va, exit.ipa) == (FAR, 0x12_3450 >> 4 << 12 | 0x678)
    flags = (exit.is_write, exit.is_s1ptw, exit.is_cache_maintenance, exit.is_valid)
    assert flags == tuple(bool(iss >> bit & 1) for bit in (6, 7, 8, 24))
    described = (exit.size_bytes, exit.sign_extend, exit.rt, exit.is_64bit)
    assert described == (1 << (iss >> 22 & 3), bool(iss >> 21 & 1), iss >> 16 & 31, bool(iss >> 15 & 1))
    assert exit.status == iss & 0x3F


def test_a_data_abort_is_decoded_as_the_architecture_encodes_it() -> None:
    esr = encode_abort(EC.DATA_ABORT_LOWER, 7, wnr=1, isv=1, sas=2, sse=1, srt=9, sf=1)
    exit = decode_exit(taken(0)._replace(esr=esr))
    assert isinstance(exit, DataAbortExit)
    assert (exit.status, exit.is_write, exit.is_valid, exit.is_s1ptw, exit.is_cache_maintenance) == (7, 1, 1, 0, 0)
    assert (exit.size_bytes, exit.sign_extend, exit.rt, exit.is_64bit) == (4, True, 9, True)


@given(isses)
def test_instruction_aborts(iss: int) -> None:
    exit = decode_exit(taken(EC.INSTRUCTION_ABORT_LOWER, iss))
    assert isinstance(exit, InstructionAbortExit)
    assert (exit.va, exit.ipa) == (FAR, 0x12_3450 >> 4 << 12 | 0x678)
    assert (exit.status, exit.is_s1ptw) == (field(exit, "IFSC"), bool(field(exit, "S1PTW")))


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))
def test_an_ipa_has_its_page_from_hpfar_and_its_offset_from_far(hpfar: int, far: int) -> None:
    """HPFAR_EL2.FIPA <43:4> is IPA <51:12>; NS <63> and the rest are no part of it."""
    ipa = Syndrome(Kind.SYNC, 0x24 << 26, far, hpfar, 0).ipa
    assert (ipa & 0xFFF, ipa >> 12) == (far & 0xFFF, hpfar >> 4 & (1 << 40) - 1)


def test_interrupts_have_no_syndrome() -> None:
    assert decode_exit(taken(0x24, kind=Kind.IRQ)) == InterruptExit(False, PC)
    assert decode_exit(taken(0x24, kind=Kind.FIQ)) == InterruptExit(True, PC)


def test_an_serror_is_one_by_its_vector_too() -> None:
    assert isinstance(decode_exit(taken(EC.SERROR, kind=Kind.SERROR)), SErrorExit)


def test_an_access_to_sve_is_told_apart_from_fp() -> None:
    fp, sve = decode_exit(taken(EC.FP_ACCESS)), decode_exit(taken(EC.SVE))
    assert isinstance(fp, FpExit) and isinstance(sve, FpExit)
    assert (fp.is_sve, sve.is_sve) == (False, True)
