"""Every register of the frames that a guest finds: its bits, its widths, what is RAZ/WI."""

from __future__ import annotations

import pytest
from vgic_support import (
    CPU_BYTES,
    ICACTIVER,
    ICENABLER,
    ICFGR,
    ICPENDR,
    IGROUPR,
    IPRIORITYR,
    IROUTER,
    ISACTIVER,
    ISENABLER,
    ISPENDR,
    ITARGETSR,
    SGI_BASE,
    SGIR,
    Board,
)

from arm_hyp.hypervisor.vgic.vgic import Vgic
from arm_hyp.machine.seams import Device

ONES = 0xFFFF_FFFF
VERSIONS = pytest.mark.parametrize("version", [2, 3])
BIT_REGISTERS = [IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER]


def banks(board: Board) -> list[tuple[Device, int, range]]:
    """Every frame with registers by interrupt, what to add to an offset, and the interrupts it has there."""
    gicd, base = board.place(0, 0)
    if board.version == 2:
        return [(gicd, 0, range(288))]
    return [(gicd, base, range(32)), (board.gicd(), 0, range(32, 288))]


@VERSIONS
@pytest.mark.parametrize("vcpus", [1, 2, 8])
def test_the_identification_says_what_there_is(version: int, vcpus: int) -> None:
    board = Board(version, vcpus, groups=0)
    lines = 288 // 32 - 1
    expected = lines | (vcpus - 1) << 5 if version == 2 else lines | 1 << 25 | 1 << 24 | 9 << 19
    assert board.read_d(4) == expected and board.read_d(8) == 0x4B00_343B
    pidr2 = 0xFE8 if version == 2 else 0xFFE8
    assert board.read_d(pidr2) >> 4 == version
    for offset in (4, 8, pidr2):
        board.write_d(offset, ONES)
        board.write_d(offset, 0)
    assert (board.read_d(4), board.read_d(8), board.read_d(pidr2) >> 4) == (expected, 0x4B00_343B, version)


@VERSIONS
def test_control_keeps_the_group_enables(version: int) -> None:
    board = Board(version, groups=0)
    fixed = 0x50 if version == 3 else 0  # DS, ARE
    for written, kept in [(ONES, 3), (0, 0), (1, 1), (2, 2)]:
        board.write_d(0, written)
        assert board.read_d(0) == fixed | kept


@VERSIONS
@pytest.mark.parametrize("register", BIT_REGISTERS)
def test_a_bit_register_has_a_bit_for_each_interrupt_and_whole_words_only(version: int, register: int) -> None:
    board = Board(version)
    for device, base, intids in banks(board):
        for word in range(intids.start // 32, intids.stop // 32):
            offset = base + register + 4 * word
            pair = offset - (0x80 if register in (ICENABLER, ICPENDR, ICACTIVER) else 0)
            device.write(pair, 4, ONES)
            before = device.read(offset, 4)
            sgis = 0xFFFF if version == 2 and word == 0 and register in (ISPENDR, ICPENDR) else 0
            assert before == ONES & ~sgis, "the SGIs of a GICv2 are pended by their senders"
            for size_bytes in (1, 2):
                assert device.read(offset, size_bytes) == 0
                device.write(offset, size_bytes, 0xFF)
            assert device.read(offset, 4) == before
        behind = base + register + intids.stop // 8
        device.write(behind, 4, ONES)
        assert device.read(behind, 4) == 0, "no such interrupts"


@VERSIONS
@pytest.mark.parametrize("setter", [ISENABLER, ISPENDR, ISACTIVER])
@pytest.mark.parametrize("intid", [20, 33, 287])
def test_a_one_sets_a_one_clears_and_zeros_do_nothing(version: int, setter: int, intid: int) -> None:
    board = Board(version)
    clearer = setter + 0x80
    device, base = board.place(intid, 0)
    for other in (intid ^ 1, intid):
        board.set(setter, other)
    device.write(base + setter + intid // 32 * 4, 4, 0)
    assert board.get(setter, intid) and board.get(clearer, intid) and board.get(setter, intid ^ 1)
    device.write(base + clearer + intid // 32 * 4, 4, 0)
    assert board.get(setter, intid)
    board.set(clearer, intid)
    assert not board.get(setter, intid) and not board.get(clearer, intid) and board.get(setter, intid ^ 1)


@VERSIONS
def test_reset_values(version: int) -> None:
    board = Board(version, groups=0)
    device, base = board.place(0, 0)
    v3 = version == 3
    assert device.read(base + IGROUPR, 4) == (ONES if v3 else 0)
    assert board.read_d(IGROUPR + 4) == (ONES if v3 else 0)
    assert device.read(base + ISENABLER, 4) == (0 if v3 else 0xFFFF)
    assert device.read(base + ICFGR, 4) == 0xAAAA_AAAA and device.read(base + ICFGR + 4, 4) == 0
    assert board.read_d(ICFGR + 8) == 0 and board.read_d(IPRIORITYR + 32) == 0
    assert not any(board.read_d(register + 4) for register in (ISENABLER, ISPENDR, ISACTIVER))


@VERSIONS
def test_priorities_keep_five_bits_by_words_halfwords_and_bytes(version: int) -> None:
    board = Board(version)
    for device, base, intids in banks(board):
        for intid in intids[::4]:
            offset = base + IPRIORITYR + intid
            device.write(offset, 4, 0xFF07_A8CD)
            assert device.read(offset, 4) == 0xF800_A8C8
            device.write(offset + 1, 1, 0x17)
            assert device.read(offset, 4) == 0xF800_10C8 and device.read(offset + 3, 1) == 0xF8
            device.write(offset + 2, 2, 0x4444)
            assert device.read(offset, 4) == 0x4040_10C8 and device.read(offset, 2) == 0x10C8
            device.write(offset + 1, 2, ONES)
            assert device.read(offset, 4) == 0x4040_10C8, "not aligned"


@VERSIONS
def test_only_spis_can_be_configured_and_only_the_upper_bit(version: int) -> None:
    board = Board(version)
    device, base = board.place(0, 0)
    for offset, kept in ((0, 0xAAAA_AAAA), (4, 0)):
        for value in (ONES, 0):
            device.write(base + ICFGR + offset, 4, value)
            assert device.read(base + ICFGR + offset, 4) == kept
    for word in range(2, 18):
        board.write_d(ICFGR + 4 * word, ONES)
        assert board.read_d(ICFGR + 4 * word) == 0xAAAA_AAAA
        board.write_d(ICFGR + 4 * word, 0x0200_0001)
        assert board.read_d(ICFGR + 4 * word) == 0x0200_0000


@VERSIONS
def test_what_is_reserved_reads_zero_and_ignores_writes(version: int) -> None:
    board = Board(version, 2)
    offsets = [0x00C, 0x010, 0x020, 0x07C, 0x0A4, 0x520, 0xC48, 0xF30, 0xFCC, *([0x800, 0xF00] if version == 3 else [])]
    if version == 3:
        offsets += [0x080, 0x100, 0x400, 0xC00, 0x6000, 0x6000 + 8 * 31, 0x6000 + 8 * 288]
    before = board.vgic.snapshot()
    for offset in offsets:
        board.write_d(offset, ONES)
        assert board.read_d(offset) == 0, hex(offset)
    assert board.vgic.snapshot() == before


@VERSIONS
def test_odd_accesses_change_nothing(version: int) -> None:
    board = Board(version, 2)
    before = board.vgic.snapshot()
    for frame in board.vgic.frames:
        device = frame.device(1)
        for offset in range(0, frame.size_bytes, 4):
            device.write(offset + 1, 4, ONES)
            device.write(offset + 1, 2, ONES)
            assert device.read(offset + 2, 4) == 0
    assert board.vgic.snapshot() == before


# --- GICv2 -----------------------------------------------------------------------------------------------------------


def test_targets_are_bytes_of_the_vcpus_there_are() -> None:
    board = Board(2, 3)
    for vcpu in range(3):
        own = 0x0101_0101 << vcpu
        for offset in range(0, 32, 4):
            board.write_d(ITARGETSR + offset, ONES, vcpu=vcpu)
            assert board.read_d(ITARGETSR + offset, vcpu=vcpu) == own
        assert board.read_d(ITARGETSR + 7, 1, vcpu) == 1 << vcpu
    for intid in range(32, 288, 4):
        assert board.read_d(ITARGETSR + intid) == 0
        board.write_d(ITARGETSR + intid, 0xFF02_0104)
        assert board.read_d(ITARGETSR + intid) == 0x0702_0104
        board.write_d(ITARGETSR + intid + 1, 6, 1)
        assert board.read_d(ITARGETSR + intid) == 0x0702_0604


def test_with_one_vcpu_targets_are_raz_wi() -> None:
    board = Board(2)
    for offset in range(0, 288, 4):
        board.write_d(ITARGETSR + offset, ONES)
        assert board.read_d(ITARGETSR + offset) == 0


@pytest.mark.parametrize(
    ("value", "receivers"),
    [
        (5 << 16, [0, 2]),
        (0xFF << 16, [0, 1, 2]),
        (1 << 24 | 0xFF << 16, [0, 2]),
        (2 << 24, [1]),
        (3 << 24 | 7 << 16, []),
    ],
)
def test_sgir_sends_to_the_listed_to_the_others_or_to_itself(value: int, receivers: list[int]) -> None:
    board = Board(2, 3)
    board.write_d(SGIR, value | 9, vcpu=1)
    assert [vcpu for vcpu in range(3) if board.get(ISPENDR, 9, vcpu)] == receivers
    for vcpu in receivers:
        assert board.read_d(0xF10 + 9, 1, vcpu) == board.read_d(0xF20 + 9, 1, vcpu) == 1 << 1
    assert board.read_d(SGIR) == 0 and sorted(board.kicks) == receivers


def test_the_senders_of_an_sgi_are_set_and_cleared_one_by_one() -> None:
    board = Board(2, 3)
    for word in range(0, 16, 4):
        assert board.read_d(0xF20 + word) == 0
        board.write_d(0xF20 + word, 0xFF00_0503)
        assert board.read_d(0xF20 + word) == board.read_d(0xF10 + word) == 0x0700_0503
        board.write_d(0xF10 + word + 1, 1, 1)
        assert board.read_d(0xF10 + word) == 0x0700_0403
        board.write_d(0xF10 + word, 3)
        assert board.read_d(0xF10 + word) == 0x0700_0400
        assert [board.get(ISPENDR, word + n) for n in range(4)] == [False, True, False, True]
        assert board.read_d(0xF20 + word, vcpu=1) == 0, "banked"


def test_the_sgis_of_a_gicv2_stay_enabled() -> None:
    board = Board(2)
    board.write_d(ICENABLER, ONES)
    assert board.read_d(ISENABLER) == 0xFFFF


# --- GICv3 -----------------------------------------------------------------------------------------------------------


def redistributor(board: Board) -> Device:
    return board.frames["vgic-redist"].device(0)


def test_each_redistributor_says_who_it_is() -> None:
    board = Board(3, 3)
    gicr = redistributor(board)
    assert board.frames["vgic-redist"].size_bytes == 3 * CPU_BYTES
    for vcpu in range(3):
        base = vcpu * CPU_BYTES
        assert gicr.read(base, 4) == 0 and gicr.read(base + 4, 4) == 0x4B00_343B
        assert gicr.read(base + 8, 4) == vcpu << 8 | (vcpu == 2) << 4 and gicr.read(base + 0xC, 4) == vcpu
        assert gicr.read(base + 0xFFE8, 4) >> 4 == 3
        for offset in (0, 4, 8, 0xC, 0x10, 0x70, 0x78, 0xFFE8):
            gicr.write(base + offset, 4, ONES)
        assert gicr.read(base + 8, 4) == vcpu << 8 | (vcpu == 2) << 4
        assert [gicr.read(base + offset, 4) for offset in (0, 0x10, 0x70, 0x78)] == [0, 0, 0, 0], "no LPIs"
    assert gicr.read(3 * CPU_BYTES, 4) == 0


def test_waker_wakes_and_sleeps_at_once() -> None:
    gicr = redistributor(Board(3, 2))
    assert gicr.read(0x14, 4) == 6
    gicr.write(0x14, 4, 0)
    assert gicr.read(0x14, 4) == 0 and gicr.read(CPU_BYTES + 0x14, 4) == 6
    gicr.write(0x14, 4, ONES)
    assert gicr.read(0x14, 4) == 6


def test_private_interrupts_are_each_vcpus_own() -> None:
    board = Board(3, 2)
    board.set(ISENABLER, 20, vcpu=1)
    assert board.get(ISENABLER, 20, 1) and not board.get(ISENABLER, 20, 0)
    assert redistributor(board).read(CPU_BYTES + SGI_BASE + ISENABLER, 4) == 1 << 20


def test_a_route_has_two_words_and_only_affinity_bits() -> None:
    board = Board(3, 2)
    for intid in range(32, 288):
        offset = IROUTER + 8 * intid
        assert board.read_d(offset) == board.read_d(offset + 4) == 0
        board.write_d(offset, ONES)
        board.write_d(offset + 4, ONES)
        assert (board.read_d(offset), board.read_d(offset + 4)) == (0x00FF_FFFF, 0xFF)
        board.write_d(offset + 4, 0)
        assert (board.read_d(offset), board.read_d(offset + 4)) == (0x00FF_FFFF, 0)


def test_a_pending_spi_follows_its_route_and_waits_where_nobody_is() -> None:
    board = Board(3, 2)
    for vcpu in (0, 1):
        board.load(vcpu).open()
    board.enable(40)
    board.set(ISPENDR, 40)
    assert board.vgic.has_pending(0) and not board.vgic.has_pending(1)
    board.route(40, 7)
    assert not board.vgic.has_pending(0) and not board.vgic.has_pending(1)
    board.kicks.clear()
    board.route(40, 1)
    assert board.vgic.has_pending(1) and set(board.kicks) == {1}


@pytest.mark.parametrize(
    ("register", "intid", "value", "receivers"),
    [
        ("ICC_SGI1R_EL1", 3, 0b101, [0, 2]),
        ("ICC_SGI1R_EL1", 3, 1 << 40, [0, 2, 3]),
        ("ICC_SGI1R_EL1", 3, 1 << 16 | 1, [3]),
        ("ICC_SGI1R_EL1", 3, 1 << 48 | 0xFFFF, []),
        ("ICC_SGI1R_EL1", 3, 1 << 32 | 0xFFFF, []),
        ("ICC_SGI1R_EL1", 4, 0b101, []),
        ("ICC_SGI0R_EL1", 4, 0b101, [0, 2]),
        ("ICC_ASGI1R_EL1", 4, 0b101, [0, 2]),
        ("ICC_SGI0R_EL1", 3, 0b101, []),
        ("ICC_ASGI1R_EL1", 3, 0b101, []),
    ],
)
def test_an_sgi_goes_where_its_register_says(register: str, intid: int, value: int, receivers: list[int]) -> None:
    """SGI 4 is in Group 0 everywhere, SGI 3 in Group 1; vCPU 3 is number 0 of another cluster."""
    board = Board(3, 4)
    board.vgic = Vgic(3, 4, board.kicks.append, affinities=[0, 1, 2, 0x100])
    board.frames = {frame.name: frame for frame in board.vgic.frames}
    for vcpu in range(4):
        board.set_group(4, 0, vcpu)
    board.vgic.send_sgi(1, register, intid << 24 | value)
    assert [vcpu for vcpu in range(4) if board.get(ISPENDR, intid, vcpu)] == receivers


def test_affinities_are_shown_and_routed_by() -> None:
    board = Board(3, 2)
    board.vgic = Vgic(3, 2, board.kicks.append, affinities=[0, 0x0102_0304])
    board.frames = {frame.name: frame for frame in board.vgic.frames}
    assert redistributor(board).read(CPU_BYTES + 0xC, 4) == 0x0102_0304
    board.write_d(0, 3)
    board.set(ISENABLER, 50)
    board.set(ISPENDR, 50)
    board.kicks.clear()
    board.write_d(IROUTER + 8 * 50, 0x0002_0304)
    assert not board.kicks
    board.write_d(IROUTER + 8 * 50 + 4, 1)
    assert board.kicks == [1]


# --- the shape -------------------------------------------------------------------------------------------------------


def test_the_frames_lie_where_the_board_has_them() -> None:
    places = {version: [frame[:3] for frame in Board(version, 2).vgic.frames] for version in (2, 3)}
    assert places == {
        2: [("vgic-dist", 0x0800_0000, 0x1000), ("vgic-dir", 0x0801_1000, 0x1000)],
        3: [("vgic-dist", 0x0800_0000, 0x1_0000), ("vgic-redist", 0x080A_0000, 0x4_0000)],
    }


@pytest.mark.parametrize(
    ("version", "vcpus", "spis"),
    [(1, 1, 256), (4, 1, 256), (2, 9, 256), (3, 0, 256), (3, 1, 0), (3, 1, 33), (3, 1, 992)],
)
def test_a_shape_that_no_gic_has_is_refused(version: int, vcpus: int, spis: int) -> None:
    with pytest.raises(ValueError, match="GIC"):
        Vgic(version, vcpus, print, spis=spis)


@VERSIONS
def test_an_intid_that_is_not_there_is_refused(version: int) -> None:
    vgic = Board(version).vgic
    for intid in (31, 288):
        with pytest.raises(ValueError, match="INTID"):
            vgic.spi(intid)
    for intid in (15, 32):
        with pytest.raises(ValueError, match="INTID"):
            vgic.ppi(0, intid)
    for intid in (-1, 288, 1023):
        with pytest.raises(ValueError, match="INTID"):
            vgic.inject(0, intid)
    with pytest.raises(ValueError, match="PPI"):
        vgic.map_physical(0, 33, 33, bool)
