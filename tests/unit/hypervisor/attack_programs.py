"""What an attacker runs: hypothesis puts acts together, each of them a few instructions that a guest should not run.

Read `attack_support.py` before this file. The attacker's exception handlers go on with the next act, whose address is
in TPIDR_EL1, so that one refusal does not end the attack. Words are drawn as numbers: that gives every width and form
of an access, every encoding of a system register, also those that are no instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from attack_support import VM_BYTES
from hypothesis import strategies as st
from victim_program import BASE

from arm_hyp.arch import psci
from arm_hyp.cpu.assembler import assemble
from arm_hyp.machine import board

TABLES: Final = 0x4010_0000
"""Eight pages that are stage 1 tables, and that the attacker changes while they are used."""
_VIRTIO_REGISTERS: Final = (
    *(0x10, 0x14, 0x20, 0x24, 0x30, 0x34, 0x38, 0x44, 0x50, 0x60, 0x64, 0x70),
    *(0x80, 0x84, 0x90, 0x94, 0xA0, 0xA4, 0xC0, 0xFC, 0x100),
)
_GIC_REGISTERS: Final = (
    *(0x0, 0x4, 0x8, 0x80, 0x100, 0x104, 0x180, 0x200, 0x204, 0x280, 0x300, 0x304, 0x380, 0x400, 0x41C, 0x420, 0x800),
    *(0x820, 0xC00, 0xC04, 0xC08, 0xD00, 0xE00, 0xF00, 0xF10, 0xF20, 0x6100, 0x7FD8, 0xFFE8),
)
_FRAMES: Final = (
    *(board.GICD_BASE, board.GICC_BASE, board.GICC_BASE + 0x1000, board.GICH_BASE, board.GICV_BASE),
    *(board.GICR_BASE, board.GICR_BASE + 0x1_0000, board.GICR_BASE + 0x2_0000, board.GICR_BASE + 0x3_0000),
)
_PLACES: Final = (
    *_FRAMES,
    *(board.PL011_BASE, board.PL031_BASE, board.PL061_BASE, board.FW_CFG_BASE, board.VIRTIO_BASE, 0x090A_0000),
    *(0, 0x0B00_0000, 0x3FFF_FFF8, 0x4000_0000, 0x4020_0000, 0x4040_0000 - 8, 0x4040_0000, 0x4180_0000),
    *(BASE, TABLES, 1 << 39, (1 << 40) - 8, 1 << 40, 1 << 44, (1 << 47) + 0x4000_0000, (1 << 48) - 4, 1 << 48),
    *(0xFFFF_0000_0000_0000, (1 << 64) - 8, 0x0123_4567_89AB_CDEF),
)
_CALLS: Final = (
    *(0x8400_0000 + number for number in range(0x18)),
    *(0xC400_0000 + number for number in range(0x18)),
    *(psci.PV_TIME_FEATURES, psci.PV_TIME_ST, 0x8000_0000, 0x8000_0001, 0x8000_3FFF, 0x8400_0050, 0xC400_0053),
    *(0x8600_0000, 0x8600_F000, 0x8600_F001, 0xC600_F002, 0x8600_FF01, 0x8600_FF03),
)
_POWER: Final = (0xC400_0003, 0x8400_0003, 0x8400_0002, 0xC400_0001, 0x8400_0004, 0xC400_0012, 0x8400_0009)
_CPU_ON, _SYSTEM_OFF = 0xC400_0003, 0x8400_0008
_ERET, _SVC, _WFE, _WFI, _YIELD, _SEV = 0xD69F_03E0, 0xD400_0001, 0xD503_205F, 0xD503_207F, 0xD503_203F, 0xD503_209F
_HVC, _SMC, _BR_X1, _ISB = 0xD400_0002, 0xD400_0003, 0xD61F_0020, 0xD503_3FDF
_TLBI, _ZVA = 0xD508_871F, 0xD50B_7421

Act = list[int]
Acts = st.SearchStrategy[Act]


# --- instructions -----------------------------------------------------------------------------------------------------


def move(register: int, value: int) -> Act:
    """Return MOVZ and MOVK that put a value into a register."""
    parts = [(shift, value >> 16 * shift & 0xFFFF) for shift in range(4)]
    first, *rest = [part for part in parts if part[1]] or [(0, 0)]
    words = [0xD280_0000 | first[0] << 21 | first[1] << 5 | register]
    return words + [0xF280_0000 | shift << 21 | part << 5 | register for shift, part in rest]


def moves(*values: int) -> Act:
    """Return what puts values into X0, X1, and so on."""
    return [word for register, value in enumerate(values) for word in move(register, value)]


def msr(name: str, register: int) -> int:
    """Return an MSR."""
    return _word(f"msr {name}, x0") | register


@lru_cache
def _word(text: str) -> int:
    return int.from_bytes(assemble(text, filename="word.s", base=BASE).code, "little")


def _adr(register: int, words: int) -> int:
    """Return ADR of the address that lies some words ahead."""
    return 0x1000_0000 | words << 5 | register


# --- acts -------------------------------------------------------------------------------------------------------------

word64 = st.integers(0, (1 << 64) - 1)
small = st.integers(0, 64)
place = st.builds(lambda base, offset: base + offset & (1 << 64) - 1, st.sampled_from(_PLACES), st.integers(-24, 0x140))
value = st.one_of(small, place, word64, st.sampled_from((0xFFFF_FFFF, (1 << 64) - 1, 1 << 31, 1 << 63)))


def _calls(functions: Sequence[int]) -> Acts:
    number = st.one_of(st.sampled_from(functions), word64)
    conduit = st.sampled_from((_HVC, _SMC, _HVC | 0x1234 << 5))
    return st.builds(lambda word, x0, x1, x2, x3: [*moves(x0, x1, x2, x3), word], conduit, number, value, value, value)


def _load_or_store(bits: int) -> int:
    """Return any word of the encoding group of loads and stores, with X1 as the base."""
    return bits & ~(1 << 25 | 31 << 5) | 1 << 27 | 1 << 5


access: Acts = st.builds(
    lambda address, x2, x3, bits: [*move(1, address), *move(2, x2), *move(3, x3), _load_or_store(bits)],
    place, value, small, st.integers(0, (1 << 32) - 1),
)  # fmt: skip
plain_access: Acts = st.builds(
    lambda address, x2, size, load: [*moves(0, address, x2), 0x3900_0022 | size << 30 | load << 22],
    place, value, st.integers(0, 3), st.integers(0, 1),
)  # fmt: skip
gic: Acts = st.builds(
    lambda base, offset, step, x2, size, load: [
        *moves(0, base + offset + 4 * step, x2), 0x3900_0022 | size << 30 | load << 22
    ],
    st.sampled_from(_FRAMES), st.sampled_from(_GIC_REGISTERS), st.integers(0, 2), value,
    st.sampled_from((0, 2, 2, 2, 3)), st.sampled_from((0, 0, 0, 1)),
)  # fmt: skip
system: Acts = st.builds(
    lambda bits, x0: [*move(0, x0), 0xD500_0000 | bits & ~31], st.integers(0, (1 << 22) - 1), value
)
emulated: Acts = st.builds(  # op0 3, op1 0 or 3: where most registers are that trap
    lambda op1, crn, low, read, x0: [*move(0, x0), 0xD518_0000 | op1 << 16 | crn << 12 | low << 5 | read << 21],
    st.sampled_from((0, 0, 3)), st.sampled_from((0, 1, 2, 4, 9, 10, 11, 12, 12, 13, 14, 14, 15)),
    st.integers(0, 127), st.integers(0, 1), value,
)  # fmt: skip
maintenance: Acts = st.builds(lambda address, word: [*move(1, address), word], place, st.sampled_from(
    (_ZVA, 0xD508_7621, 0xD508_7641, 0xD508_7A41, 0xD50B_7A21, 0xD50B_7E21, 0xD50B_7521, 0xD508_7821, 0xD508_7841)
))  # fmt: skip
exception: Acts = st.builds(lambda bits: [0xD400_0000 | bits], st.integers(0, (1 << 24) - 1))
anything: Acts = st.builds(lambda word, x1: [*move(1, x1), word], st.integers(0, (1 << 32) - 1), place)
jump: Acts = st.builds(lambda address: [*move(1, address), _BR_X1], place)


def _timer(control: int, compare: int, which: str) -> Act:
    return [*moves(control, compare), msr(f"{which}_CVAL_EL0", 1), msr(f"{which}_CTL_EL0", 0), _ISB, _YIELD]


timer: Acts = st.builds(
    _timer, st.integers(0, 3), st.one_of(st.integers(0, 1 << 20), word64), st.sampled_from(("CNTV", "CNTP"))
)
hint: Acts = st.builds(
    lambda ticks, words: [*_timer(1, 0, "CNTV"), *moves(ticks), msr("CNTV_TVAL_EL0", 0), *words],
    st.integers(0, 2000), st.lists(st.sampled_from((_WFE, _WFI, _YIELD, _SEV, 0xD503_20BF)), min_size=1, max_size=6),
)  # fmt: skip
eret: Acts = st.builds(
    lambda spsr, elr: [*moves(spsr, elr), msr("SPSR_EL1", 0), msr("ELR_EL1", 1), _ERET],
    st.one_of(st.integers(0, 0x3FF), st.integers(0, (1 << 34) - 1)),
    st.one_of(st.just(BASE + 0x800), place),
)
step: Acts = st.builds(
    lambda mdscr, spsr: [*moves(mdscr, spsr), msr("MDSCR_EL1", 0), msr("OSLAR_EL1", 31), msr("SPSR_EL1", 1),
                         _adr(0, 3), msr("ELR_EL1", 0), _ERET, 0xD503_201F, 0xD503_201F],
    st.sampled_from((1, 1, 0x2001, 0x8001, 0xA001)), st.sampled_from((0x20_0005, 0x20_0000, 0x20_03C5)),
)  # fmt: skip
vectors: Acts = st.builds(lambda address: [*move(0, address), msr("VBAR_EL1", 0), _SVC], place)
rewrite: Acts = st.builds(  # its own next instruction
    lambda word: [*move(0, word), _adr(1, 2), 0xB900_0020, 0xD503_201F], st.integers(0, (1 << 32) - 1)
)
descriptor = st.builds(
    lambda address, low, high: address & 0x0000_FFFF_FFFF_F000 | low | high << 52,
    st.one_of(place, st.integers(0, 7).map(lambda page: TABLES + 0x1000 * page)),
    st.one_of(st.sampled_from((0x401, 0x403, 0x701, 0x703, 0x405, 3, 1)), st.integers(0, 0xFFF)),
    st.sampled_from((0, 0, 0, 0x800, 0xFFF, 1)),
)


def _store_descriptor(page: int, index: int, word: int) -> Act:
    return [*moves(word, TABLES + 0x1000 * page + 8 * index), 0xF900_0020, _TLBI, 0xD503_3F9F, _ISB]


def _mmu(root: int, tcr: int, sctlr: int) -> Act:
    return [*moves(root, tcr, sctlr, 0xFF44_0004_00FF), msr("TTBR0_EL1", 0), msr("TTBR1_EL1", 0), msr("TCR_EL1", 1),
            msr("MAIR_EL1", 3), msr("SCTLR_EL1", 2), _ISB]  # fmt: skip


FIRST_TABLE: Final[Act] = [
    *_store_descriptor(0, 0, 0x401), *_store_descriptor(0, 1, 0x4000_0705), *_store_descriptor(0, 2, TABLES | 0x1003),
    *_store_descriptor(0, 3, TABLES | 3),
]  # fmt: skip
"""The devices, the RAM with the attacker in it, a second table, and the first one as its own second."""
_page = st.integers(0, 7).map(lambda page: TABLES + 0x1000 * page)
_SCTLR_M, _SCTLR_OFF = 0x30D0_0801, 0x30D0_0800
mmu: Acts = st.builds(  # most of them such that the attacker survives
    _mmu,
    st.sampled_from((TABLES,) * 7 + (None,)).flatmap(
        lambda root: st.one_of(_page, place) if root is None else st.just(root)
    ),
    st.sampled_from((25,) * 12 + (16, 32 | 16 << 16, 25 | 2 << 14, (1 << 64) - 1)),
    st.sampled_from((_SCTLR_M,) * 8 + (_SCTLR_OFF,) * 4 + (0x30D8_0803, 0x32D0_1005, 0x33D0_0801)),
)
through_tables: Acts = st.builds(
    lambda index, offset, bits: [*move(1, index << 30 | offset), *move(2, bits), _load_or_store(bits)],
    st.integers(0, 8), st.one_of(place, word64).map(lambda address: address & 0x3FFF_FFFF),
    st.integers(0, (1 << 32) - 1),
)  # fmt: skip
tables: Acts = st.one_of(
    st.builds(_store_descriptor, st.just(0), st.integers(2, 8), descriptor),
    st.builds(_store_descriptor, st.integers(1, 7), st.integers(0, 8), descriptor),
    st.builds(_store_descriptor, st.integers(1, 7), st.integers(0, 511), descriptor),
    mmu,
    through_tables,
    through_tables,
    through_tables,
)


def _virtio(slot: int, writes: list[tuple[int, int]]) -> Act:
    words = move(1, board.VIRTIO_BASE + slot * board.VIRTIO_BYTES)
    for register, value in writes:
        words += [*move(2, value & 0xFFFF_FFFF), 0xB900_0022 | register // 4 << 10]
    return words


def _queue(slot: int, size: int, places: tuple[int, int, int], status: int) -> Act:
    """Return what brings a queue up at three addresses, and notifies its device."""
    addresses = [
        (base + 4 * half, place >> 32 * half)
        for base, place in zip((0x80, 0x90, 0xA0), places, strict=True)
        for half in (0, 1)
    ]
    before = [(0x70, 0), (0x70, 3), (0x24, 1), (0x20, 1), (0x70, 11), (0x30, 0), (0x38, size)]
    return _virtio(slot, [*before, *addresses, (0x44, 1), (0x70, status), (0x50, 0), (0x50, 1)])


_slot = st.one_of(st.integers(28, 31), st.integers(0, 31))
_buffers = st.one_of(place, st.integers(0, 7).map(lambda page: TABLES + 0x1000 * page))
virtio: Acts = st.one_of(
    st.builds(_virtio, _slot, st.lists(st.tuples(st.sampled_from(_VIRTIO_REGISTERS), value), min_size=1, max_size=6)),
    st.builds(_queue, _slot, st.sampled_from((1, 8, 256, 1024, 3, 0xFFFF)), st.tuples(_buffers, _buffers, _buffers),
              st.sampled_from((15, 15, 15, 4))),
    st.builds(lambda page, index, word: [*moves(word, TABLES + 0x1000 * page + 4 * index), 0xF900_0020],
              st.integers(0, 7), st.integers(0, 12), st.one_of(value, st.integers(0, 0xFFFF_FFFF_FFFF))),
)  # fmt: skip
power: Acts = st.builds(
    lambda function, target, entry, conduit: [*moves(function, target, entry, target), conduit],
    st.sampled_from(_POWER), st.one_of(st.integers(0, 4), value), st.one_of(st.just(BASE + 0x800), place),
    st.sampled_from((_HVC, _SMC)),
)  # fmt: skip
start_others: Act = [word for cpu in (1, 2, 3) for word in [*moves(_CPU_ON, cpu, BASE + 0x800, cpu), _HVC]]

THEMES: Final[dict[str, Acts]] = {
    "calls": _calls(_CALLS),
    "mmio": st.one_of(access, access, plain_access, maintenance),
    "gic": st.one_of(gic, gic, gic, emulated, timer, hint),
    "tables": st.one_of(tables, tables, tables, tables, access, jump),
    "registers": st.one_of(system, emulated, emulated, anything),
    "power": st.one_of(power, power, hint, jump),
    "exceptions": st.one_of(exception, eret, step, vectors, jump, hint, timer, rewrite),
    "virtio": st.one_of(virtio, virtio, virtio, timer, hint),
}
EVERYTHING: Final = st.one_of(*THEMES.values())


# --- programs ---------------------------------------------------------------------------------------------------------

_VECTORS = """
.macro go_on
    mrs x28, TPIDR_EL1
    msr ELR_EL1, x28
    mov x28, #5
    msr SPSR_EL1, x28
    eret
.endm
.macro masked bits
    mrs x28, SPSR_EL1
    orr x28, x28, #\\bits
    msr SPSR_EL1, x28
    eret
.endm
    adr x0, start               // exceptions taken with SP_EL0 come to 0x000: the entry, and all begins again
    br x0
.org vectors + 0x200
    go_on
.org vectors + 0x280
    TAKE
    masked 0x80
.org vectors + 0x380
    masked 0x100
.org vectors + 0x400
    go_on
.org vectors + 0x480
    TAKE
    masked 0x80
.org vectors + 0x580
    masked 0x100
.org vectors + 0x600
    go_on
.org vectors + 0x800
start:
    adr x0, vectors
    msr VBAR_EL1, x0
    mov x0, #(3 << 20)
    msr CPACR_EL1, x0
    ldr x0, =0x40300000
    mov sp, x0
    adr x0, body
    msr TPIDR_EL1, x0
    ENABLE
    msr DAIFClr, #15
    b body
    .ltorg
body:
"""
_TAKE: Final = {
    2: "ldr x28, =0x08010000\n ldr w29, [x28, #0xc]\n str w29, [x28, #0x10]\n",
    3: "mrs x29, ICC_IAR1_EL1\n msr ICC_EOIR1_EL1, x29\n",
}
_ENABLE: Final = {
    2: """
    ldr x1, =0x08000000
    ldr x3, =0x08010000
    mov w2, #1
    str w2, [x1]
    str w2, [x3]
    mov w2, #0xf8
    str w2, [x3, #4]
    mov w2, #-1
    str w2, [x1, #0x100]
""",
    3: """
    ldr x1, =0x08000000
    mov w2, #2
    str w2, [x1]
    ldr x1, =0x080b0000
    mrs x3, MPIDR_EL1
    and x3, x3, #3
    add x1, x1, x3, lsl #17
    mov w2, #-1
    str w2, [x1, #0x100]
    mov x2, #0xf8
    msr ICC_PMR_EL1, x2
    mov x2, #1
    msr ICC_IGRPEN1_EL1, x2
""",
}


@lru_cache
def _frame(version: int) -> bytes:
    source = "vectors:\n" + _VECTORS.replace("TAKE", _TAKE[version]).replace("ENABLE", _ENABLE[version])
    return assemble(source, filename="attacker.s", base=BASE).code


def program(acts: Sequence[Act], gic: int) -> bytes:
    """Return an attacker: vectors, then the acts one after the other, for ever."""
    frame, words = _frame(gic), list[int]()
    for act in acts:
        words += [_adr(0, len(act) + 2), msr("TPIDR_EL1", 0), *act]
    words.append(0x1400_0000 | -len(words) & 0x3FF_FFFF)
    assert len(frame) + 4 * len(words) < TABLES - BASE < VM_BYTES
    return frame + b"".join(word.to_bytes(4, "little") for word in words)


def at_el0(act: Act) -> Act:
    """Return an act whose last instruction is executed at EL0."""
    *lead, word = act
    down = [msr("SPSR_EL1", 31), _adr(30, 3), msr("ELR_EL1", 30), _ERET]
    return [*lead, *down, word, _SVC]


def acts_of(theme: Acts, most: int = 40) -> st.SearchStrategy[list[Act]]:
    """Return a strategy for programs of acts, a fourth of them at EL0, some with all of the attacker's vCPUs."""
    one = st.one_of(theme, theme, theme, theme.map(at_el0))
    return st.builds(
        lambda others, acts: [FIRST_TABLE, *([start_others] if others else []), *acts],
        st.booleans(), st.lists(one, min_size=most // 3, max_size=most),
    )  # fmt: skip
