"""Every shape of stage-2 tables: legal where the architecture says so, and walked alike by all who walk."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage2_support import VMID, RecordingTlb, walk_registers

from arm_hyp.arch.registers.hypervisor import HCR_EL2
from arm_hyp.arch.sysregs import by_name
from arm_hyp.arch.translation import FETCH, READ, WRITE, Fault, FaultKind, Translated, walk_stage2
from arm_hyp.arch.translation.parameters import is_legal_stage2
from arm_hyp.hypervisor.stage2.allocator import PhysicalAllocator
from arm_hyp.hypervisor.stage2.descriptors import Attributes, MemoryType, Permission
from arm_hyp.hypervisor.stage2.geometry import Geometry, GeometryError, Granule, choose_geometry
from arm_hyp.hypervisor.stage2.mapper import Stage2
from arm_hyp.hypervisor.stage2.tables import MachineTables
from arm_hyp.machine.machine import Machine

RAM, MIB = 0x4000_0000, 1 << 20
READ_PERMISSION, WRITE_PERMISSION, FETCH_PERMISSION = 1, 2, 4


def make_geometry(granule: Granule, ipa_bits: int, level: int, pa_bits: int = 44) -> Geometry | None:
    try:
        return Geometry(granule, ipa_bits, level, pa_bits)
    except GeometryError:
        return None


LEGAL = [
    made
    for granule in Granule
    for ipa_bits in range(25, 45)
    for level in range(4)
    if (made := make_geometry(granule, ipa_bits, level)) is not None
]


@pytest.mark.parametrize("granule", Granule)
@pytest.mark.parametrize("pa_bits", [32, 36, 40, 42, 44, 48])
def test_exactly_the_legal_shapes_can_be_made(granule: Granule, pa_bits: int) -> None:
    legal = set()
    for ipa_bits in range(20, 50):
        for level in range(4):
            made = make_geometry(granule, ipa_bits, level, pa_bits)
            can_be_encoded = level != (3 if granule is Granule.KB4 else 0) and ipa_bits >= 25
            assert (made is not None) == (can_be_encoded and is_legal_stage2(granule, ipa_bits, level, pa_bits))
            legal |= {level} if made else set()
    assert len(legal) >= 2


@pytest.mark.parametrize("broken", [{"vmid_bits": 12}, {"pa_bits": 43}, {"pa_bits": 52}, {"ipa_bits": 45}])
def test_impossible_numbers_are_refused(broken: dict[str, int]) -> None:
    with pytest.raises(GeometryError):
        Geometry(**broken)  # type: ignore[arg-type]


def test_fewest_levels_are_chosen() -> None:
    assert choose_geometry(40).start_level == 1
    assert choose_geometry(40).root_bytes == 2 * 4096
    assert choose_geometry(34).start_level == 2
    assert choose_geometry(44).start_level == 0
    assert choose_geometry(33, Granule.KB64).start_level == 3
    with pytest.raises(GeometryError):
        choose_geometry(24)


def test_registers_say_the_shape() -> None:
    geometry = Geometry(Granule.KB16, 40, 2, pa_bits=44, vmid_bits=16)
    vtcr = geometry.vtcr
    assert (vtcr.T0SZ, vtcr.SL0, vtcr.TG0, vtcr.PS, vtcr.VS) == (24, 1, 0b10, 4, 1)
    assert int(geometry.vttbr(0x4123_4000, 0xABCD)) == 0xABCD_0000_4123_4000


@functools.cache
def guest_at_el1() -> Machine:
    """A machine with a CPU at EL1, stage 1 off: its accesses are by IPA."""
    return Machine(memory_bytes=64 * MIB, start_el=1)


def core_translates(machine: Machine, stage2: Stage2, ipa: int, permission: int) -> int | None:
    """Ask the core itself."""
    registers = machine.core.registers
    values = {"VTCR_EL2": stage2.vtcr, "VTTBR_EL2": stage2.vttbr, "HCR_EL2": HCR_EL2.of(VM=1, RW=1)}
    for name, value in values.items():
        registers.write(by_name(name).encoding, int(value))
    machine.core.native.flush_tlb()
    return machine.core.native.translate(ipa, permission)


@settings(max_examples=300, deadline=None)
@given(
    geometry=st.sampled_from(LEGAL),
    place=st.floats(0, 1, exclude_max=True),
    pages=st.integers(1, 3),
    attributes=st.builds(
        Attributes,
        permission=st.sampled_from([*Permission, Permission.RW, Permission.RX, Permission.RWX]),
        memory=st.sampled_from(MemoryType),
        copy_on_write=st.booleans(),
        accessed=st.booleans(),
    ),
    is_block=st.booleans(),
)
def test_all_walks_agree(geometry: Geometry, place: float, pages: int, attributes: Attributes, is_block: bool) -> None:
    """The core, the architecture's walk and the mapper find the same of every shape, at page and block size."""
    machine = guest_at_el1()
    allocator = PhysicalAllocator(RAM, 64 * MIB)
    stage2 = Stage2(geometry, MachineTables(machine.ram_device), RecordingTlb(), allocator, VMID)
    unit = geometry.entry_bytes(2) if is_block and geometry.start_level <= 2 else geometry.page_bytes
    if unit > 1 << geometry.ipa_bits:
        unit = geometry.page_bytes
    ipa = int(place * (1 << geometry.ipa_bits)) & -unit
    pa = 0x5_4000_0000 if unit == geometry.entry_bytes(2) else 0x5_4000_0000 + unit
    size_bytes = min(pages * unit, (1 << geometry.ipa_bits) - ipa)
    stage2.map(ipa, pa, size_bytes, attributes)
    probes = {ipa, ipa + size_bytes - 8, ipa + size_bytes // 2 & -8, ipa - 8, ipa + size_bytes}
    for probe in sorted(each for each in probes if geometry.contains(each)):
        is_mapped = ipa <= probe < ipa + size_bytes
        found = stage2.lookup(probe)
        assert (found.pa_of(probe), found.attributes) == (pa + probe - ipa, attributes) if found else not is_mapped
        for access, bit in ((READ, 1), (WRITE, 2), (FETCH, 4)):
            walked = walk_stage2(probe, access, walk_registers(stage2), machine_word(machine)).result
            allowed = is_mapped and attributes.accessed and bool(attributes.permission & bit)
            assert isinstance(walked, Translated) == allowed
            if isinstance(walked, Translated):
                assert walked.pa == pa + probe - ipa
            assert core_translates(machine, stage2, probe, bit) == (pa + probe - ipa if allowed else None)


def machine_word(machine: Machine):  # type: ignore[no-untyped-def]
    return lambda address: int.from_bytes(machine.read_memory(address, 8), "little")


def test_the_ipa_space_ends_where_it_should() -> None:
    machine = guest_at_el1()
    stage2 = Stage2(
        Geometry(Granule.KB4, 32, 1),
        MachineTables(machine.ram_device),
        RecordingTlb(),
        PhysicalAllocator(RAM, 64 * MIB),
    )
    stage2.map(0, 0, 1 << 32)
    assert stage2.lookup(1 << 32) is None
    fault = walk_stage2(1 << 32, READ, walk_registers(stage2), machine_word(machine)).result
    assert isinstance(fault, Fault) and fault.kind is FaultKind.TRANSLATION
    assert core_translates(machine, stage2, 0xFFFF_FFF8, 1) == 0xFFFF_FFF8
    assert core_translates(machine, stage2, 1 << 32, 1) is None
