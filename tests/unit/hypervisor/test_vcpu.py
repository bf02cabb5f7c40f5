"""A vCPU: every register by name, on a CPU and off it; skips; and injections against the architecture's own entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from guest_support import Guest
from hypothesis import given, settings
from hypothesis import strategies as st

from arm_hyp.arch.exceptions import Kind, enter
from arm_hyp.arch.syndromes import EC, encode_abort, encode_unknown
from arm_hyp.hypervisor.vcpu import State, Vcpu
from arm_hyp.hypervisor.vcpu_registers import CPTR_TFP

PC, VBAR, VA = 0x4008_1234, 0x4010_0000, 0x5000_0008
EL0, EL1_SP0, EL1_SPX = 0x0, 0x4, 0x5
VECTOR = {EL0: 0x400, EL1_SP0: 0x000, EL1_SPX: 0x200}
MODES = pytest.mark.parametrize("mode", [EL0, EL1_SP0, EL1_SPX])
WHERE = pytest.mark.parametrize("is_loaded", [False, True])


def at_el2(guest: Guest) -> None:
    """Have CPU 0 at EL2, as it is while an exit is handled, with no vCPU loaded."""
    guest.hypervisor.cpus[0].initialize()


@pytest.fixture
def guest() -> Guest:
    made = Guest("nop\n", vcpus=2, run=False)
    at_el2(made)
    return made


def placed(guest: Guest, is_loaded: bool) -> Vcpu:
    vcpu = guest.vcpu()
    if is_loaded:
        guest.hypervisor.cpus[0].load(vcpu)
    return vcpu


@contextmanager
def loaded(guest: Guest, vcpu: Vcpu) -> Iterator[None]:
    guest.hypervisor.cpus[0].load(vcpu)
    yield
    guest.hypervisor.cpus[0].put()


# --- registers --------------------------------------------------------------------------------------------------------

NOT_ITS_OWN = {"CNTFRQ_EL0"}
"""Read by every guest, written by none: UNDEFINED at EL1."""


def one_bit_registers(guest: Guest) -> list[tuple[str, int]]:
    """Return each register with a bit of it that can be set and cleared: found out where the vCPU is on a CPU."""
    found = []
    with loaded(guest, guest.vcpu()):
        for name in guest.vcpu().context.keys() - NOT_ITS_OWN:
            old = guest.vcpu().read(name)
            for bit in (28,) if name == "PSTATE" else (2, 0, 4, 12, 20):
                guest.vcpu().write(name, old ^ 1 << bit)
                if guest.vcpu().read(name) == old ^ 1 << bit:
                    guest.vcpu().write(name, old)
                    found.append((name, old ^ 1 << bit))
                    break
            guest.vcpu().write(name, old)
    return sorted(found)


def test_each_register_is_the_vcpus_own(guest: Guest) -> None:
    """Change one register of vCPU 0, run vCPU 1 on the same CPU: it has the old value, and vCPU 0 keeps the new one."""
    first, second = guest.vm.vcpus
    second.context = dict(first.context) | {"VMPIDR_EL2": second.context["VMPIDR_EL2"]}
    registers = one_bit_registers(guest)
    with loaded(guest, second):
        pass  # from now on its context has the bits that read as one
    assert len(registers) > len(first.context) * 0.8
    for name, value in registers:
        before = dict(second.context)
        with loaded(guest, first):
            old = first.read(name)
            first.write(name, value)
        assert first.read(name) == value, name
        with loaded(guest, second):
            assert second.read(name) == before[name], name
        assert second.context == before, name
        with loaded(guest, first):
            assert first.read(name) == value, name
            first.write(name, old)


@WHERE
def test_general_registers_by_number_and_by_name(guest: Guest, is_loaded: bool) -> None:
    vcpu = placed(guest, is_loaded)
    for number in range(31):
        vcpu.set_x(number, 1 << 64 | number + 1)
        assert vcpu.x(number) == vcpu.read(f"X{number}") == vcpu[f"x{number}"] == number + 1
    vcpu.set_x(31, 5)
    assert vcpu.x(31) == 0
    vcpu["X3"] = 99
    assert vcpu.x(3) == 99


@WHERE
def test_pc_and_pstate_by_property_and_by_name(guest: Guest, is_loaded: bool) -> None:
    vcpu = placed(guest, is_loaded)
    vcpu.pc, vcpu.pstate = PC, 0x6000_03C5
    assert (vcpu.read("PC"), vcpu.read("PSTATE")) == (PC, 0x6000_03C5)
    vcpu.write("PC", PC + 4)
    vcpu.write("PSTATE", 0x3C4)
    assert (vcpu.pc, vcpu.pstate) == (PC + 4, 0x3C4)
    vcpu.pc = 1 << 64 | 8
    assert vcpu.pc == 8


@WHERE
def test_a_wrong_name_is_answered_with_near_ones(guest: Guest, is_loaded: bool) -> None:
    vcpu = placed(guest, is_loaded)
    with pytest.raises(KeyError, match=r"a vCPU has no register SCTRL_EL1: did you mean .*SCTLR_EL1"):
        vcpu.read("SCTRL_EL1")
    with pytest.raises(KeyError, match="no register X31"):
        vcpu.write("X31", 0)
    with pytest.raises(KeyError, match=r"no register qqqqqqqqqq'$"):
        vcpu.read("qqqqqqqqqq")


@WHERE
@pytest.mark.parametrize(
    ("name", "value"), [("X0", 1 << 64), ("X0", -1), ("Q0", 1 << 128), ("TCR_EL1", 1 << 64), ("X0", "1")]
)
def test_a_value_that_does_not_fit_is_refused(guest: Guest, is_loaded: bool, name: str, value: int) -> None:
    vcpu = placed(guest, is_loaded)
    before = vcpu.read(name)
    with pytest.raises(ValueError, match=f"bits of {name}"):
        vcpu.write(name, value)
    assert vcpu.read(name) == before


def test_vector_registers_wherever_they_are(guest: Guest) -> None:
    """Of a vCPU that is on no CPU, that is on one and has not used FP, that has, and whose are left in the core."""
    vcpu, other, cpu = *guest.vm.vcpus, guest.hypervisor.cpus[0]
    wanted = 1 << 127 | 3
    vcpu.set_q(31, wanted)
    cpu.load(vcpu)
    assert vcpu.q(31) == wanted and vcpu.read("CPTR_EL2") & CPTR_TFP
    vcpu.set_q(30, 30)
    cpu.give_fp(vcpu)
    assert (vcpu.q(31), vcpu.q(30)) == (wanted, 30) and not vcpu.read("CPTR_EL2") & CPTR_TFP
    vcpu.set_q(0, wanted)
    cpu.put()
    assert (vcpu.q(0), vcpu.q(30), vcpu.q(31)) == (wanted, 30, wanted)
    cpu.load(other)
    other.set_q(0, 7)
    assert (vcpu.q(0), other.q(0)) == (wanted, 7)
    cpu.give_fp(other)
    assert (vcpu.q(0), other.q(0)) == (wanted, 7)
    cpu.put()
    cpu.load(vcpu)
    assert vcpu.q(0) == wanted and vcpu.read("CPTR_EL2") & CPTR_TFP


def test_a_write_to_the_vectors_of_a_vcpu_whose_are_in_the_core_lasts(guest: Guest) -> None:
    vcpu, other, cpu = *guest.vm.vcpus, guest.hypervisor.cpus[0]
    cpu.load(vcpu)
    cpu.give_fp(vcpu)
    cpu.put()
    vcpu.set_q(5, 55)
    assert vcpu.q(5) == 55
    cpu.load(other)
    cpu.give_fp(other)
    cpu.put()
    assert vcpu.q(5) == 55
    cpu.load(vcpu)
    cpu.give_fp(vcpu)
    assert vcpu.q(5) == 55


# --- skips ------------------------------------------------------------------------------------------------------------


@WHERE
@given(pc=st.integers(0, (1 << 64) - 1))
@settings(max_examples=20, deadline=None)
def test_a_skip_ends_an_instruction(is_loaded: bool, pc: int) -> None:
    """PC + 4; BTYPE <11:10> and SS <21> are cleared; all else of PSTATE stays."""
    vcpu = placed(_shared(), False) if not is_loaded else _shared_loaded()
    vcpu.pc, vcpu.pstate, before = pc, 0xF020_0FC5, vcpu.skips
    vcpu.skip_instruction()
    assert (vcpu.pc, vcpu.pstate, vcpu.skips) == (pc + 4 & (1 << 64) - 1, 0xF000_03C5, before + 1)


_made: dict[str, Guest] = {}


def _shared() -> Guest:
    if "one" not in _made:
        _made["one"] = Guest("nop\n", vcpus=2, run=False)
        at_el2(_made["one"])
        _made["one"].hypervisor.cpus[0].load(_made["one"].vcpu(1))
    return _made["one"]


def _shared_loaded() -> Vcpu:
    return _shared().vcpu(1)


# --- injections -------------------------------------------------------------------------------------------------------


def injected(guest: Guest, is_loaded: bool, mode: int, do: Callable[[Vcpu], None]) -> Vcpu:
    vcpu = placed(guest, is_loaded)
    vcpu.write("VBAR_EL1", VBAR)
    vcpu.write("FAR_EL1", 0x1111)
    vcpu.pc, vcpu.pstate = PC, 0x8000_0000 | mode
    do(vcpu)
    expected = enter(Kind.SYNC, 1, 0x8000_0000 | mode, vcpu.read("SCTLR_EL1"), guest.machine.core.state_features)
    assert vcpu.pc == VBAR + VECTOR[mode] == VBAR + expected.vector_offset
    assert (vcpu.pstate, vcpu.read("SPSR_EL1"), vcpu.read("ELR_EL1")) == (expected.pstate, expected.spsr, PC)
    assert vcpu.pstate & 0x3CF == 0x3C5
    return vcpu


@WHERE
@MODES
def test_undefined(guest: Guest, is_loaded: bool, mode: int) -> None:
    vcpu = injected(guest, is_loaded, mode, Vcpu.inject_undef)
    assert (vcpu.read("ESR_EL1"), vcpu.read("FAR_EL1")) == (encode_unknown(), 0x1111)


@WHERE
@MODES
@pytest.mark.parametrize("is_write", [False, True])
def test_a_data_abort(guest: Guest, is_loaded: bool, mode: int, is_write: bool) -> None:
    vcpu = injected(guest, is_loaded, mode, lambda vcpu: vcpu.inject_data_abort(VA, is_write=is_write))
    ec = EC.DATA_ABORT_LOWER if mode == EL0 else EC.DATA_ABORT_SAME
    assert (vcpu.read("ESR_EL1"), vcpu.read("FAR_EL1")) == (encode_abort(ec, 0x10, wnr=is_write), VA)


@WHERE
@MODES
def test_an_instruction_abort(guest: Guest, is_loaded: bool, mode: int) -> None:
    vcpu = injected(guest, is_loaded, mode, lambda vcpu: vcpu.inject_instruction_abort(VA))
    ec = EC.INSTRUCTION_ABORT_LOWER if mode == EL0 else EC.INSTRUCTION_ABORT_SAME
    assert (vcpu.read("ESR_EL1"), vcpu.read("FAR_EL1")) == (encode_abort(ec, 0x10), VA)


def test_an_injected_serror_waits_for_pstate_a() -> None:
    """HCR_EL2.VSE makes it pending; the guest takes it where it unmasks it, at VBAR_EL1 + 0x380, once."""
    guest = Guest(
        """
        adr x0, table
        msr VBAR_EL1, x0
        mov x20, #1
        msr daifclr, #4
        mov x20, #2
        b end
    .balign 2048
    table:
        .space 0x380
        mrs x21, ESR_EL1
        mov x22, x20
        add x23, x23, #1
        eret
    end:
        """,
        run=False,
    )
    guest.vcpu().inject_serror()
    guest.run()
    vcpu = guest.vcpu()
    assert (vcpu.x(21) >> 26, vcpu.x(22), vcpu.x(23), vcpu.x(20)) == (EC.SERROR, 1, 1, 2)
    assert not vcpu.read("HCR_EL2") & 1 << 8


# --- power ------------------------------------------------------------------------------------------------------------


def test_a_vcpu_starts_in_its_reset_state(guest: Guest) -> None:
    vcpu = guest.vcpu(1)
    vcpu.write("TCR_EL1", 5)
    vcpu.set_q(3, 3)
    vcpu.power_on(PC, 17)
    assert (vcpu.state, vcpu.pc, vcpu.pstate, vcpu.x(0)) == (State.READY, PC, 0x3C5, 17)
    assert (vcpu.read("TCR_EL1"), vcpu.q(3), vcpu.read("VMPIDR_EL2") & 0xFF) == (0, 0, 1)
    vcpu.power_off()
    assert not vcpu.is_on


def test_state_goes_out_and_in(guest: Guest) -> None:
    vcpu = guest.vcpu(1)
    vcpu.power_on(PC, 17)
    vcpu.data["seen"] = [1, 2]
    kept = vcpu.snapshot()
    vcpu.set_x(0, 0)
    vcpu.data.clear()
    vcpu.power_off()
    vcpu.restore(kept)
    assert (vcpu.x(0), vcpu.data, vcpu.state) == (17, {"seen": [1, 2]}, State.READY)
    assert vcpu.snapshot() == kept
