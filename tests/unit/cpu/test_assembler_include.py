"""`.include`: what it reads, what it refuses, and which file errors, lines and symbols name afterwards."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from arm_hyp.cpu import assembler_include
from arm_hyp.cpu.assembler import Assembled, AssemblyError, assemble
from arm_hyp.cpu.symbols import SymbolTable

BASE = 0x4008_0000
NOP, WFE, WFI = (word.to_bytes(4, "little") for word in (0xD503_201F, 0xD503_205F, 0xD503_207F))


def build(folder: Path, **files: str) -> Assembled:
    """Write the files (`sub__name` is `sub/name.inc`) and assemble `main`, which errors call `dir/main.s`."""
    for name, text in files.items():
        path = folder / ("main.s" if name == "main" else f"{name.replace('__', '/')}.inc")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return assemble(files["main"], filename="dir/main.s", base=BASE, path=folder / "main.s")


def failure(folder: Path, **files: str) -> tuple[str, int, int, str]:
    with pytest.raises(AssemblyError) as caught:
        build(folder, **files)
    assert "\n" not in str(caught.value)
    return caught.value.file, caught.value.line, caught.value.column, caught.value.message


def test_the_statements_of_the_file_stand_where_it_is_included(tmp_path: Path) -> None:
    made = build(tmp_path, main='nop\nhere: .include "a.inc" // comment\nnop', a="wfe\nwfi")
    assert made.code == NOP + WFE + WFI + NOP


def test_lines_and_symbols_are_those_of_the_included_file(tmp_path: Path) -> None:
    made = build(tmp_path, main='nop\n.include "sub/a.inc"\nend: nop', sub__a="\n\nthere: wfe\n.word 1")
    table = SymbolTable(made.symbols, made.lines)
    assert [table.line_at(BASE + 4 * index) for index in range(4)] == [
        ("dir/main.s", 1), ("dir/sub/a.inc", 3), ("dir/sub/a.inc", 4), ("dir/main.s", 3),
    ]  # fmt: skip
    assert table.describe(BASE + 8) == "there+0x4"


def test_a_name_is_looked_for_beside_the_file_that_says_it(tmp_path: Path) -> None:
    files = {"sub__a": '.include "b.inc"\n.include "more/c.inc"', "sub__b": "wfe", "b": "nop"}
    (tmp_path / "sub" / "more").mkdir(parents=True)
    (tmp_path / "sub" / "more" / "c.inc").write_text("wfi")
    assert build(tmp_path, main='.include "./sub/a.inc"', **files).code == WFE + WFI


def test_the_working_directory_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert build(tmp_path, main='.include "a.inc"', a="wfe").code == WFE


def test_macros_constants_and_numeric_labels_cross_files(tmp_path: Path) -> None:
    main = '.equ N, 2\n1: .include "a.inc"\n twice wfe\n b 1b\n .word M'
    made = build(tmp_path, main=main, a=".macro twice what\n.rept N\n\\what\n.endr\n.endm\n.equ M, N+1\n1:")
    assert made.code == WFE * 2 + (0x17FF_FFFE).to_bytes(4, "little") + (3).to_bytes(4, "little")
    assert [line.line for line in made.lines] == [3, 4, 5, 0]


def test_defines_stay_in_their_file(tmp_path: Path) -> None:
    made = build(tmp_path, main='#define A 1\n.equ B, 7\n.include "a.inc"\n.word A, B', a="#define B 2\n.word B")
    assert made.code == b"".join(value.to_bytes(4, "little") for value in (2, 1, 7))


def test_a_condition_decides_whether_a_file_is_read(tmp_path: Path) -> None:
    guarded = '.ifndef GUARD\n.equ GUARD, 1\nwfe\n.include "a.inc"\n.endif'
    assert failure(tmp_path, main='.include "a.inc"', a=guarded)[3].startswith("this file includes itself")
    once = ".ifndef GUARD\n.equ GUARD, 1\nwfe\n.endif"
    main = '.include "a.inc"\n.include "a.inc"\n.if 0\n.include "nowhere.inc"\n.endif'
    assert build(tmp_path, main=main, a=once).code == WFE


def test_a_macro_may_include_what_lies_beside_the_macro(tmp_path: Path) -> None:
    files = {"sub__a": '.macro m\n.include "b.inc"\n.endm', "sub__b": "wfi", "b": "nop"}
    assert build(tmp_path, main='.include "sub/a.inc"\nm\nm', **files).code == WFI * 2


INC = "dir/a.inc"
WRONG = [
    ({"a": "nop\n  foo x0"}, (INC, 2, 3), "`foo` is not an instruction"),
    ({"a": "nop\n b nowhere"}, (INC, 2, 4), "`nowhere` is not defined"),
    ({"a": "/* x"}, (INC, 1, 1), "comment has no end"),
    ({"a": "\n.if 1"}, (INC, 2, 1), "no .endif"),
    ({"a": "\n.macro m"}, (INC, 2, 1), "no .endm"),
    ({"a": "#ifdef A"}, (INC, 1, 1), "no #endif"),
    ({"a": "one: nop\n\n one: nop"}, (INC, 3, 2), "`one` is defined already, in line 1;"),
    ({"a": "top: nop"}, (INC, 1, 1), "`top` is defined already, in line 1 of dir/main.s;"),
    ({"a": ".macro m\nnop\nfoo\n.endm\nm"}, (INC, 5, 1), "in macro m, line 3)"),
    ({"a": 'nop\n .include "b.inc"', "b": "\nnop;foo"}, ("dir/b.inc", 2, 5), "`foo` is not an instruction"),
    ({"a": 'nop\n .include "b.inc"'}, (INC, 2, 11), "`b.inc` cannot be read: no such file"),
    ({"a": 'nop\n .include "a.inc"'}, (INC, 2, 11), "this file includes itself"),
    ({"a": '.include "main.s"'}, (INC, 1, 10), "these files include each other"),
    ({"a": '.include "b.inc"', "b": '.include "a.inc"'}, ("dir/b.inc", 1, 10), "these files include each other"),
]


@pytest.mark.parametrize(("files", "where", "text"), WRONG)
def test_errors_name_the_place_in_the_included_file(
    files: dict[str, str], where: tuple[str, int, int], text: str, tmp_path: Path
) -> None:
    *place, message = failure(tmp_path, main='top: nop\n.include "a.inc"\n', **files)
    assert (tuple(place), text in message) == (where, True), message


def test_a_macro_of_another_file_is_named_with_its_file(tmp_path: Path) -> None:
    found = failure(tmp_path, main='.include "a.inc"\n m', a=".macro m\n\nfoo\n.endm")
    assert found[:3] == ("dir/main.s", 2, 2) and "(in macro m, line 3 of dir/a.inc)" in found[3]


NAMES = {
    '"/etc/passwd"': "folder", '"../a.inc"': "folder", '"sub/../a.inc"': "folder", '"sub\\a.inc"': "folder",
    '"C:a.inc"': "folder", '"."': "folder", '"a\x7f.inc"': "folder", '""': "name", "a.inc": "name", "": "name",
    "<a.inc>": "name", '"sub"': "regular", '"nowhere/a.inc"': "no such", '"binary.inc"': "UTF-8 text from byte 3 on",
    '"large.inc"': "larger than 1 MiB", '"link.inc"': "folder", '"circle.inc"': "cannot be read",
    f'"{"a" * 300}"': "cannot be read",
}  # fmt: skip


@pytest.mark.parametrize(("quoted", "text"), NAMES.items())
def test_what_is_not_a_text_file_of_the_folder_is_refused(quoted: str, text: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "a.inc", folder / "a.inc"):
        path.write_text("nop")
    (folder / "binary.inc").write_bytes(b"nop\xff")
    (folder / "large.inc").write_bytes(b"\n" * (1 << 20 | 1))
    (folder / "link.inc").symlink_to("../a.inc")
    (folder / "circle.inc").symlink_to("circle.inc")
    file, line, column, message = failure(folder, main=f"nop\n .include {quoted}")
    assert (file, line) == ("dir/main.s", 2) and column in (2, 10, 11) and text in message, message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.inc")
    assert "not a regular file" in failure(tmp_path, main='.include "a.inc"')[3]


def test_a_text_that_comes_from_no_file_includes_none() -> None:
    with pytest.raises(AssemblyError, match=r"^f\.s:1:10: `a\.inc` cannot be included, as this text comes from no fi"):
        assemble('.include "a.inc"', filename="f.s", base=BASE)


def test_files_nest_only_so_deep(tmp_path: Path) -> None:
    deepest = assembler_include.MAX_DEPTH
    files = {f"f{index}": f'.include "f{index + 1}.inc"' for index in range(1, deepest)} | {f"f{deepest}": "wfe"}
    assert build(tmp_path, main='.include "f1.inc"', **files).code == WFE
    files |= {f"f{deepest}": '.include "last.inc"', "last": "wfe"}
    file, _, _, message = failure(tmp_path, main='.include "f1.inc"', **files)
    assert (file, f"{deepest} deep" in message) == (f"dir/f{deepest}.inc", True)


def test_so_many_files_and_no_more(tmp_path: Path) -> None:
    most = assembler_include.MAX_FILES
    assert build(tmp_path, main=f'.rept {most}\n.include "a.inc"\n.endr', a=".byte 1").code == b"\1" * most
    assert failure(tmp_path, main=f'.rept {most + 1}\n.include "a.inc"\n.endr', a="")[3].startswith("more than 256")


@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-as") is None, reason="GNU as for AArch64 is not installed")
def test_gnu_as_reads_the_same(tmp_path: Path) -> None:
    files = {"a": ".equ M, 3\n.macro m\nmov x0, #M\n.endm\n1: wfe\n", "sub__b": "cbz x0, 1b\n1: nop\n"}
    made = build(tmp_path, main='.include "a.inc"\nm\n.if M == 3\n.include "sub/b.inc"\n.endif\nb 1b\n', **files)
    command = "aarch64-linux-gnu-as -o a.o main.s && aarch64-linux-gnu-objcopy -O binary a.o a.bin"
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert made.code == (tmp_path / "a.bin").read_bytes()
