"""gdb-multiarch with a real Linux: a breakpoint on a kernel's symbol, and back from there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.test_gdb import _dialogue, _target, gdb  # noqa: F401


@pytest.mark.long
def test_break_on_a_symbol_of_the_kernel_and_go_back(gdb: str, tmp_path: Path, linux_images) -> None:  # noqa: F811
    arguments = (str(linux_images.kernel), "--initrd", str(linux_images.initramfs), "--append", "console=ttyAMA0")
    with _target(*arguments, "--max-instructions", "2000000") as target:
        printed = _dialogue(gdb, target, tmp_path, "continue\nmonitor symbols\nkill\n")
    symbols = Path(re.findall(r"symbol-file (\S+)", printed)[0])
    assert re.search(r"[0-9]{2},[0-9]{3} of them of the Linux", printed)
    with _target(*arguments) as target:
        printed = _dialogue(
            gdb, target, tmp_path,
            f"""
            symbol-file {symbols}
            break kernel_init
            continue
            monitor position
            info symbol $pc
            reverse-stepi
            x/i $pc
            monitor position
            stepi
            hbreak start_kernel
            reverse-continue
            info symbol $pc
            monitor why
            continue
            monitor position
            kill
            """,
        )  # fmt: skip
    symbols.unlink()
    places = [int(text.replace(",", "")) for text in re.findall(r"^([0-9,]+) of [0-9,]+ instructions", printed, re.M)]
    assert len(places) == 3
    assert places[0] == places[1] + 1 == places[2] > 10_000_000
    assert "kernel_init in section .text" in printed
    assert re.search(r"ret_from_fork\+[0-9]+>:\tblr\tx19", printed)
    assert re.search(r"start_kernel( \+ 4)? in section .text", printed)
