"""Find what Unicorn hides and check every assumption about it, once a process, before the first guest runs.

Read `cpu/native.py` before this file. A Unicorn that behaves otherwise is refused by name: `arm-hyp doctor` prints the
same checks.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

from unicorn import arm64_const as a64
from unicorn import unicorn_const as uc_const
from unicorn.unicorn_py3.unicorn import uclib

from arm_hyp.cpu.exclusive import OPEN, Exclusive
from arm_hyp.cpu.native import SCR_EL3_LEAVE, Internals, InternalsError, NativeCore, NativeRecord

BASE: Final = 0x4000_0000
NOP, SPIN, UDF = 0xD503201F, 0x14000000, 0x00000000
_HANDLE_SEARCH_BYTES: Final = 4096
_DATA: Final = BASE + 0x5B0
_LDXP, _STXP = 0xC87F2287, 0xC8262287  # ldxp x7, x8, [x20]; stxp w6, x7, x8, [x20]
_WAY_OUT: Final = "install the version that pyproject.toml names (2.1.4)"
_KNOWN_INTERNALS: Final = Internals(record_offset=3064, counter_offset=1368, monitor_offset=12072)
"""Where the wheels of Unicorn 2.1.4 keep them; tried first, because a search costs time at every start."""


Subject = TypeVar("Subject")
"""What is checked: a bench, or what was put at one."""


class Check(NamedTuple):
    """One line of the self-test: what was checked and whether it holds."""

    name: str
    holds: bool


class Bench:
    """A core with one page of code, for probing."""

    def __init__(self, internals: Internals | None = None) -> None:
        self.ram = ctypes.create_string_buffer(0x3000)
        aligned = (ctypes.addressof(self.ram) + 0xFFF) & ~0xFFF
        self.page = (ctypes.c_char * 0x1000).from_address(aligned)
        self.core = NativeCore("a72", internals)
        self.core.map_ram(BASE, 0x1000, aligned)
        self.core.write_cp((3, 6, 1, 1, 0), SCR_EL3_LEAVE["a72"])
        self.core.write_cp((3, 4, 1, 1, 0), 1 << 31)
        self.interrupts: list[int] = []
        self.forget()
        self.core.on_interrupt(self._note)

    def forget(self) -> None:
        """Be ready for the next check: at EL2, nothing seen. Making another bench takes more than 1 ms."""
        self.core.write(a64.UC_ARM64_REG_PSTATE, 0x3C9)
        self.interrupts.clear()
        self.record = NativeRecord(0, 0, 0)

    def _note(self, number: int) -> None:
        self.interrupts.append(number)
        self.record = self.core.record()
        self.core.stop()

    def run(self, *words: int, count: int) -> int:
        struct.pack_into(f"<{len(words)}I", self.page, 0, *words)
        self.core.drop_translations(BASE, BASE + 4 * len(words))
        return self.core.start(BASE, count)


def checked(bench: Bench, subject: Subject, checks: Mapping[str, Callable[[Subject], bool]]) -> tuple[Check, ...]:
    """Do checks of what is at a bench, each on a bench that has forgotten the one before."""
    results = []
    for text, check in checks.items():
        bench.forget()
        results.append(Check(text, check(subject)))
    return tuple(results)


def encode_hvc(immediate: int) -> int:
    return 0xD4000002 | immediate << 5


def _find_counter(bench: Bench) -> int | None:
    """Search the handle for the word that reads N + 1 after slices of two odd lengths."""
    address = bench.core.handle.value
    assert address is not None
    found: list[set[int]] = []
    for count in (1237, 4391):
        bench.run(NOP, 0x17FFFFFF, count=count)  # nop; b .-4
        image = ctypes.string_at(address, _HANDLE_SEARCH_BYTES)
        words = struct.unpack(f"<{_HANDLE_SEARCH_BYTES // 8}Q", image)
        found.append({8 * index for index, word in enumerate(words) if word == count + 1})
    common = found[0] & found[1]
    return common.pop() if len(common) == 1 else None


def _image_of(bench: Bench) -> bytes:
    """Read the context that was saved last, as it lies in memory."""
    pointer = bench.core._context_pointer.value
    assert pointer is not None
    return ctypes.string_at(pointer, uclib.uc_context_size(bench.core.handle))


def _find_record(bench: Bench) -> int | None:
    """Search a saved context for the syndromes of two HVCs with odd immediates."""
    found: list[set[int]] = []
    for immediate in (0x5A17, 0x2B3D):
        bench.run(encode_hvc(immediate), count=10)
        image = _image_of(bench)
        wanted = struct.pack("<I", 0x16 << 26 | 1 << 25 | immediate)
        found.append({at for at in range(0, len(image) - 24, 8) if image[at : at + 4] == wanted})
    common = found[0] & found[1]
    return common.pop() if len(common) == 1 else None


def _load_exclusive(bench: Bench, low: int, high: int, *words: int) -> Exclusive:
    """Run a load-exclusive pair of two values, and more; return what the monitor should hold after the first."""
    struct.pack_into("<2Q", bench.page, _DATA - BASE, low, high)
    bench.core.write(a64.UC_ARM64_REG_X20, _DATA)
    bench.run(_LDXP, *words, SPIN, count=1 + len(words))
    bench.core.record()
    return Exclusive(_DATA, low, high)


def _find_monitor(bench: Bench) -> int | None:
    """Search a saved context for the address and the data of two load-exclusives, one after the other."""
    found: list[set[int]] = []
    for low, high in ((0x1B5D_9173_5AC3_0F71, 0x7E11_42D9_6B3F_A58D), (0x2C6F_8A35_91E7_D34B, 0x3D91_B6E5_17F3_C29F)):
        wanted, image = struct.pack("<3Q", *_load_exclusive(bench, low, high)), _image_of(bench)
        found.append({at for at in range(0, len(image) - 24, 8) if image[at : at + 24] == wanted})
    common = found[0] & found[1]
    return common.pop() if len(common) == 1 else None


def _search() -> Internals:
    bench = Bench()
    counter, record, monitor = _find_counter(bench), _find_record(bench), _find_monitor(bench)
    if counter is None or record is None or monitor is None:
        found = {"instruction counter": counter, "exception record": record, "exclusive monitor": monitor}
        lacking = next(name for name, offset in found.items() if offset is None)
        raise InternalsError("unicorn", f"its {lacking} was not found in memory", _WAY_OUT)
    return Internals(record, counter, monitor)


def _checks(internals: Internals) -> tuple[Check, ...]:
    bench = Bench(internals)
    return checked(bench, bench, _CHECKS)


def _counter_is_exact(bench: Bench) -> bool:
    bench.run(NOP, 0x17FFFFFF, count=777)
    return bench.core.counter.value == 778


def _record_is_read(bench: Bench) -> bool:
    bench.run(NOP, encode_hvc(0x1235), count=10)
    record = bench.record
    return bench.interrupts == [11] and record.syndrome == 0x5A001235 and record.target_el == 2


def _hvc_reports_next_pc(bench: Bench) -> bool:
    bench.run(NOP, encode_hvc(1), count=10)
    return bench.core.read(a64.UC_ARM64_REG_PC) == BASE + 8 and bench.core.counter.value == 2


def _undefined_reports_its_pc(bench: Bench) -> bool:
    bench.run(NOP, UDF, count=10)
    return bench.interrupts == [1] and bench.core.read(a64.UC_ARM64_REG_PC) == BASE + 4


def _unmapped_is_exact(bench: Bench) -> bool:
    status = bench.run(0xD2800000, 0xF9400001, SPIN, count=10)  # mov x0, #0; ldr x1, [x0]
    return status == uc_const.UC_ERR_READ_UNMAPPED and bench.core.read(a64.UC_ARM64_REG_PC) == BASE + 4


def _monitor_is_read(bench: Bench) -> bool:
    wanted = _load_exclusive(bench, 0x1122_3344_5566_7788, 0x99AA_BBCC_DDEE_FF01)
    return bench.core.exclusive.read() == wanted


def _monitor_is_written(bench: Bench) -> bool:
    """What a store-exclusive does follows from what was written, and it leaves the monitor open."""
    state = _load_exclusive(bench, 5, 6)
    results = []
    for written in (state, state._replace(address=OPEN), state._replace(address=_DATA + 16), state):
        bench.core.exclusive.write(written)
        bench.run(_STXP, SPIN, count=1)
        results.append((bench.core.read(a64.UC_ARM64_REG_X6), bench.core.exclusive.read().address == OPEN))
    return results == [(0, True), (1, True), (1, True), (0, True)]


def _patched_word_is_translated(bench: Bench) -> bool:
    """A word that changed behind the translator's back is used at the next translation, and only then."""
    bench.run(NOP, SPIN, count=2)
    struct.pack_into("<I", bench.page, 0, UDF)
    bench.core.start(BASE, 2)
    before = list(bench.interrupts)
    bench.core.drop_translations(BASE, BASE + 8)
    bench.core.start(BASE, 2)
    return before == [] and bench.interrupts == [1]


_CHECKS: Final[dict[str, Callable[[Bench], bool]]] = {
    "the instruction counter reads N + 1 after a slice of N": _counter_is_exact,
    "the exception record holds the syndrome and the target level": _record_is_read,
    "HVC is reported at the next instruction, counted": _hvc_reports_next_pc,
    "an undefined instruction is reported at its own address": _undefined_reports_its_pc,
    "an access to nothing stops at the instruction, registers exact": _unmapped_is_exact,
    "the exclusive monitor holds the address and the data": _monitor_is_read,
    "a store-exclusive follows the exclusive monitor": _monitor_is_written,
    "translations keep the words they were made from": _patched_word_is_translated,
}


def _failed(candidate: Internals) -> list[str]:
    return [check.name for check in _checks(candidate) if not check.holds]


def self_test() -> tuple[Check, ...]:
    """Run every check and return the results, for `arm-hyp doctor`."""
    return _checks(internals())


@functools.cache
def internals() -> Internals:
    """Find and check Unicorn's internals. Raises: InternalsError naming the first assumption that does not hold."""
    failed = _failed(_KNOWN_INTERNALS)
    if not failed:
        return _KNOWN_INTERNALS
    found = _search()
    failed = _failed(found)
    if not failed:
        return found
    raise InternalsError("unicorn", f"this does not hold: {failed[0]}", _WAY_OUT)
