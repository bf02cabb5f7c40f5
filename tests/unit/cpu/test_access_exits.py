"""The C helper that leaves a core from within an access: at once, exactly, and only where it suits this Unicorn."""

import ctypes

import pytest
from unicorn import arm64_const as a64
from unicorn import unicorn_const as uc_const

from arm_hyp.cpu import access_exits, counting
from arm_hyp.cpu.probe import BASE, NOP, SPIN, UDF, Bench, internals

built = pytest.mark.skipif(not access_exits.checks(), reason="the C helper is not built")

TTBR0_EL2, SCTLR_EL2 = (3, 4, 2, 0, 0), (3, 4, 1, 0, 0)
DEVICE = 0x10000
X0_IS_DEVICE = 0xD2A00020  # mov x0, #0x10000
LDR_X1 = 0xF9400001  # ldr x1, [x0]
LDP_X1_X2 = 0xA9400801  # ldp x1, x2, [x0]
LDUR_X1 = 0xF8404001  # ldur x1, [x0, #4]: 8 bytes, not aligned
STR_X3 = 0xF9000003  # str x3, [x0]
STR_X3_UNMAPPED = 0xF9080003  # str x3, [x0, #0x1000]
MOV_X4_5 = 0xD28000A4  # mov x4, #5


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv(counting.SWITCH, "c")
    made = Bench(internals())
    counting.install(made.core)
    access_exits.install(made.core)
    assert made.core.exits is not None
    made.core.exits.begin(BASE, 0x1000)
    made.run(SPIN, count=3)
    for register in (a64.UC_ARM64_REG_X1, a64.UC_ARM64_REG_X2, a64.UC_ARM64_REG_X4):
        made.core.write(register, 7)
    return made


class Device:
    """Notes each access, and asks for a stop at the one with a certain number."""

    def __init__(self, bench: Bench, stop_at: int) -> None:
        self.seen: list[int] = []
        self.bench, self.stop_at = bench, stop_at
        bench.core.map_mmio(DEVICE, 0x1000, self.read, lambda offset, size, _value: self.note(offset))

    def note(self, offset: int) -> None:
        self.bench.core.begin_access()
        self.seen.append(offset)
        if len(self.seen) == self.stop_at:
            self.bench.core.locate()
            self.bench.core.stop()
        self.bench.core.end_access()

    def read(self, offset: int, _size_bytes: int) -> int:
        self.note(offset)
        return offset


def registers(bench: Bench) -> list[int]:
    return [bench.core.read(one) for one in (a64.UC_ARM64_REG_X1, a64.UC_ARM64_REG_X2, a64.UC_ARM64_REG_X4)]


@built
@pytest.mark.parametrize(
    "access, stop_at, seen",
    [
        (LDR_X1, 1, [0]),
        (LDR_X1, 2, [0, 4]),
        (LDP_X1_X2, 1, [0]),
        (LDUR_X1, 1, [0]),
        (STR_X3, 2, [0, 4]),
    ],
)
def test_a_device_that_asks_for_a_stop_is_left_with_registers_and_pc_as_they_were(
    bench: Bench, access: int, stop_at: int, seen: list[int]
):
    device = Device(bench, stop_at)
    assert bench.run(X0_IS_DEVICE, access, MOV_X4_5, SPIN, count=20) == uc_const.UC_ERR_OK
    assert device.seen == seen
    assert registers(bench) == [7, 7, 7]
    assert bench.core.read(a64.UC_ARM64_REG_PC) == BASE + 4
    assert bench.core.started() == 2


@built
def test_a_device_that_asks_for_nothing_is_not_left(bench: Bench):
    Device(bench, 0)
    bench.run(X0_IS_DEVICE, LDR_X1, MOV_X4_5, SPIN, count=3)
    assert registers(bench) == [4 << 32, 7, 5]


@built
def test_a_store_to_nothing_ends_the_run_before_the_next_instruction(bench: Bench):
    assert bench.run(X0_IS_DEVICE, STR_X3_UNMAPPED, MOV_X4_5, SPIN, count=20) == uc_const.UC_ERR_WRITE_UNMAPPED
    assert registers(bench) == [7, 7, 7]
    assert bench.core.started() == 2


@built
def test_a_store_to_rom_ends_the_run_before_the_next_instruction(bench: Bench):
    rom = ctypes.create_string_buffer(0x2000)
    bench.core.map_rom(DEVICE, 0x1000, ctypes.addressof(rom) + 0xFFF & ~0xFFF)
    assert bench.run(X0_IS_DEVICE, STR_X3, MOV_X4_5, SPIN, count=20) == uc_const.UC_ERR_WRITE_PROT
    assert registers(bench) == [7, 7, 7]


@built
def test_the_status_of_a_failed_store_is_that_of_one_run_only(bench: Bench):
    bench.run(X0_IS_DEVICE, STR_X3_UNMAPPED, count=5)
    assert bench.run(NOP, SPIN, count=5) == uc_const.UC_ERR_OK


@built
def test_hooks_hear_of_accesses_after_one_in_parts_was_left(bench: Bench):
    Device(bench, 1)
    bench.run(X0_IS_DEVICE, LDUR_X1, SPIN, count=20)
    heard: list[int] = []
    hear = lambda _uc, _kind, address, _size, _value, _data: heard.append(address)  # noqa: E731
    bench.core.uc.hook_add(uc_const.UC_HOOK_MEM_READ, hear)
    bench.run(X0_IS_DEVICE, LDR_X1, SPIN, count=2)
    assert heard == [DEVICE]


@built
@pytest.mark.parametrize("may_stop, x4", [(True, 7), (False, 5)])
def test_a_code_hook_stops_before_its_instruction_only_where_that_was_asked_for(bench: Bench, may_stop: bool, x4: int):
    bench.core.hooks_may_stop(may_stop)
    bench.core.uc.hook_add(uc_const.UC_HOOK_CODE, lambda *_: bench.core.stop(), begin=BASE + 4, end=BASE + 4)
    bench.run(NOP, MOV_X4_5, SPIN, count=20)
    assert registers(bench)[2] == x4


def test_without_counting_in_c_there_are_no_exits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(counting.SWITCH, "python")
    bench = Bench(internals())
    counting.install(bench.core)
    access_exits.install(bench.core)
    assert bench.core.exits is None


@built
def test_an_unknown_layout_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(access_exits, "_INIT_DONE_OFFSET", access_exits._OMIT_OFFSET)
    bench = Bench(internals())
    counting.install(bench.core)
    assert access_exits._attach(bench.core) is None


@built
def test_a_table_that_is_none_is_no_layout():
    assert access_exits._is_plausible(255 * 64, 0x1000)
    assert not any(access_exits._is_plausible(*one) for one in [(254 * 64, 0x1000), (255 * 64, 0), (1 << 40, 0x1000)])


@pytest.mark.parametrize("way", [*counting.BY_BLOCK, "python"])
def test_who_only_looks_leaves_devices_alone_even_with_a_stop_under_way(way: str, monkeypatch: pytest.MonkeyPatch):
    if way in counting.BY_BLOCK and not counting.is_usable(way):
        pytest.skip(f"there is no way to count in {way}")
    monkeypatch.setenv(counting.SWITCH, way)
    made = Bench(internals())
    counting.install(made.core)
    access_exits.install(made.core)
    device, looked = Device(made, 0), []

    def stop_and_look(_number: int) -> None:
        made.core.stop()
        made.core.write_cp(TTBR0_EL2, DEVICE)  # tables in a device: a walk of the core would read it
        made.core.write_cp(SCTLR_EL2, 0x30C50831)
        made.core.flush_tlb()
        looked.append((made.core.translate(BASE), made.core.fetch_word(BASE)))
        made.core.drop_translations(BASE, BASE + 4)

    made.core.on_interrupt(stop_and_look)
    made.run(UDF, count=3)
    assert looked == [(None, None)]
    assert device.seen == []
