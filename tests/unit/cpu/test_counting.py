"""Counting by block, in C and in machine code: exact for every budget, chosen by a switch, and never required."""

import ctypes
import mmap
import platform
import shutil
import subprocess
from pathlib import Path

import keystone
import pytest
from unicorn import arm64_const as a64
from unicorn import unicorn_const as uc_const

from arm_hyp.cpu import block_counter, count_code, counting
from arm_hyp.cpu.helpers import load_library
from arm_hyp.cpu.native import NativeCore
from arm_hyp.cpu.probe import BASE, NOP, UDF, Bench, Check, encode_hvc, internals
from arm_hyp.errors import UserError

WHY_NOT = {"c": "the C helper is not built", "code": "the host does not execute the machine code"}
built = pytest.mark.skipif(not counting.checks(), reason=WHY_NOT["c"])
executes = pytest.mark.skipif(not counting.checks("code"), reason=WHY_NOT["code"])


def load(path: Path) -> ctypes.CDLL | None:
    return load_library(path, "block_counter_bytes", ctypes.sizeof(block_counter.State))


SOURCE = Path(counting.__file__).with_name("count_blocks.c")


def branch(offset_bytes: int) -> int:
    return 0x1400_0000 | offset_bytes // 4 & 0x3FF_FFFF


LOOP = [*[NOP] * 3, branch(8), UDF, NOP, NOP, branch(-28)]
"""Blocks of 4 and 3 instructions, in a circle that leaves one out."""
LONG = [*[NOP] * 700, branch(-2800)]
"""More than a block can hold."""


def ends(bench: Bench, words: list[int], count: int) -> tuple[int, int]:
    assert bench.run(*words, count=count) == 0
    return min(bench.core.started(), count), bench.core.read(a64.UC_ARM64_REG_PC) - BASE


def counting_bench() -> Bench:
    bench = Bench(internals())
    counting.install(bench.core)
    return bench


@pytest.fixture(params=counting.BY_BLOCK)
def by_block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bench:
    if not counting.checks(request.param):
        pytest.skip(WHY_NOT[request.param])
    monkeypatch.setenv(counting.SWITCH, request.param)
    bench = counting_bench()
    assert bench.core.counting is not None
    return bench


@pytest.mark.parametrize("words, counts", [(LOOP, range(1, 40)), (LONG, [1, 511, 512, 513, 700, 701, 702, 1300, 5000])])
def test_every_budget_ends_where_unicorn_ends_it(by_block: Bench, words: list[int], counts: list[int]):
    plain = Bench(internals())
    for count in counts:
        assert ends(by_block, words, count) == ends(plain, words, count)


def test_a_run_that_was_cut_goes_on(by_block: Bench):
    plain = Bench(internals())
    assert ends(by_block, LOOP, 2) == ends(plain, LOOP, 2)
    for count in (1, 1, 3, 2, 9, 1, 1, 1, 1, 1, 1, 1, 600, 5):
        for bench in (by_block, plain):
            bench.core.start(bench.core.read(a64.UC_ARM64_REG_PC), count)
        assert by_block.core.started() == count
        assert by_block.core.read(a64.UC_ARM64_REG_PC) == plain.core.read(a64.UC_ARM64_REG_PC)


def test_a_block_is_translated_once_whatever_the_budget(by_block: Bench):
    translated: list[int] = []
    by_block.core.uc.hook_add(uc_const.UC_HOOK_EDGE_GENERATED, lambda uc, now, before, data: translated.append(now.pc))
    by_block.run(*LOOP, count=70)
    known = len(translated)
    assert known  # of all blocks but the first, which has none before it
    for count in (21, 35, 70, 140):
        by_block.core.start(BASE, count)
        assert by_block.core.started() == count
    assert len(translated) == known


def test_an_exception_in_a_loop_of_exceptions_is_counted_once(by_block: Bench):
    by_block.run(NOP, encode_hvc(1), NOP, branch(-12), count=100)
    assert (by_block.core.started(), by_block.interrupts) == (2, [11])
    by_block.core.start(BASE + 8, 100)
    assert (by_block.core.started(), by_block.interrupts) == (4, [11, 11])


def test_a_spent_budget_is_known(by_block: Bench):
    by_block.run(*LOOP, count=6)
    assert by_block.core.is_spent()
    by_block.run(NOP, UDF, count=6)
    assert not by_block.core.is_spent()


def test_nothing_counts_from_a_breakpoint_on(by_block: Bench):
    by_block.run(NOP, NOP, encode_hvc(1), count=10)
    by_block.core.left_before(BASE + 4)
    assert by_block.core.started() == 1
    by_block.core.left_before(BASE + 4)
    assert by_block.core.started() == 1


@built
def test_the_helper_passes_its_checks_and_is_chosen(monkeypatch: pytest.MonkeyPatch):
    assert all(check.holds for check in counting.checks())
    monkeypatch.delenv(counting.SWITCH, raising=False)
    assert counting.way() == "c"
    assert counting.describe() == "by block, in C"


def test_an_unknown_way_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(counting.SWITCH, "fingers")
    with pytest.raises(UserError, match="no way of counting named 'fingers'; use one of auto, c, code, python"):
        counting.way()


@pytest.mark.parametrize("checks", [(), (Check("water flows uphill", False),)])
def test_without_a_helper_that_works_unicorn_counts(checks: tuple[Check, ...], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counting, "checks", lambda _way: checks)
    monkeypatch.delenv(counting.SWITCH, raising=False)
    assert counting.way() == "python"
    assert counting_bench().core.counting is None
    for way, why in (("c", "the C helper does not load here"), ("code", "this host does not execute the machine code")):
        monkeypatch.setenv(counting.SWITCH, way)
        with pytest.raises(UserError, match=why):
            counting.way()


@executes
def test_without_the_c_helper_the_machine_code_is_chosen_and_no_other_c_helper(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counting, "_library", lambda: None)
    monkeypatch.setattr(counting, "checks", counting.checks.__wrapped__)
    monkeypatch.delenv(counting.SWITCH, raising=False)
    assert counting.way() == "code"
    assert counting.describe().startswith("by block, in machine code (the C helper was not built: install again")
    assert not counting_bench().core.has_helpers


def test_the_machine_code_is_what_its_source_says():
    source = "\n".join(line.split("//")[0] for line in count_code.SOURCE.splitlines())
    assembled, _count = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64).asm(source)
    assert bytes(assembled) == count_code.CODE


def test_a_host_of_another_kind_has_no_machine_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(count_code, "HOSTS", ())
    assert count_code.callbacks(NativeCore("a72", internals())) is None


def test_a_host_that_lets_nobody_make_code_has_no_machine_code(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(count_code, "HOSTS", (platform.machine(),))
    monkeypatch.setattr(count_code, "_executable", count_code._executable.__wrapped__)
    monkeypatch.setattr(mmap, "mmap", refuse)
    assert count_code.callbacks(NativeCore("a72", internals())) is None


def test_python_is_chosen_by_the_switch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(counting.SWITCH, "python")
    assert counting_bench().core.counting is None
    assert counting.describe() == "by instruction (ARM_HYP_COUNTING says so)"


def test_a_helper_that_was_not_built_is_said_to_be(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counting, "checks", lambda _way: ())
    monkeypatch.setattr(counting, "_library", lambda: None)
    monkeypatch.delenv(counting.SWITCH, raising=False)
    assert counting.describe().startswith("by instruction (the C helper was not built: install again")


def test_an_unknown_unicorn_gets_no_helper():
    native = NativeCore("a72", internals()._replace(counter_offset=1376))
    assert block_counter.look_inside(native) is None


compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def compile_to(path: Path, source: Path) -> Path:
    options = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *options, "-o", path, source], check=True)
    return path


@compiler
def test_the_source_compiles_without_a_warning_and_agrees_with_python(tmp_path: Path):
    library = load(compile_to(tmp_path / "helper.so", SOURCE))
    assert all(hasattr(library, name) for name in ("count_block", "block_translated", "block_left"))


@compiler
def test_a_helper_of_another_version_is_not_used(tmp_path: Path):
    older = tmp_path / "older.c"
    older.write_text(SOURCE.read_text().replace("    uint64_t left_bytes;", "    //"))
    older.write_text(older.read_text().replace("c->left_bytes = c->size_bytes;", ""))
    assert load(compile_to(tmp_path / "older.so", older)) is None


def test_what_is_no_library_is_not_used(tmp_path: Path):
    path = tmp_path / "helper.so"
    path.write_bytes(b"not a library")
    assert load(path) is None
