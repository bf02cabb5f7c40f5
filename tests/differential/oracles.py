"""Run an image on QEMU and on our machine, and read what its vectors wrote down.

Read `generator.py` before, `deviations.py` and `test_qemu.py` after.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from generator import BASE, RESULT_BYTES, Case, build_image

from arm_hyp.machine.machine import Machine

QEMU = "qemu-system-aarch64"
_SECONDS = 120


class Dump(NamedTuple):
    """What the vectors saw. `vector` counts from 0 (0x000) to 15 (0x780); `elr` counts from the instruction."""

    vector: int
    current_el: int
    esr: int
    far: int
    hpfar: int
    elr: int
    spsr: int

    def __str__(self) -> str:
        return (
            f"EL{self.current_el >> 2} vector {self.vector * 0x80:#05x} ESR {self.esr:#010x} FAR {self.far:#x}"
            f" HPFAR {self.hpfar:#x} ELR {self.elr:+#x} SPSR {self.spsr:#010x}"
        )


def _dumps(console: bytes, count: int) -> list[Dump]:
    if len(console) != count * RESULT_BYTES:
        raise AssertionError(f"{len(console)} bytes of results came out instead of {count * RESULT_BYTES}")
    rows = (struct.unpack_from("<5Qq2Q", console, at) for at in range(0, len(console), RESULT_BYTES))
    return [Dump(*row[:7]) for row in rows]


def run_ours(cases: list[Case], machine: Machine | None = None) -> list[Dump]:
    """Run the cases on our machine, or on this one. Raises: AssertionError if the guest does not power itself off."""
    machine = machine or Machine(model="a72", gic=2)
    machine.write_memory(BASE, build_image(cases))
    machine.core.pc = BASE
    outcome = machine.run(2000 * len(cases) + 100_000)
    if outcome.reason != "guest":
        raise AssertionError(f"our machine ended by {outcome}, PC {machine.core.pc:#x}")
    return _dumps(bytes(machine.console), len(cases))


def qemu_is_installed() -> bool:
    """Tell whether the second machine is there."""
    return shutil.which(QEMU) is not None


def run_qemu(cases: list[Case]) -> list[Dump]:
    """Run the cases on QEMU. Raises: AssertionError if the guest does not power itself off in time."""
    with tempfile.TemporaryDirectory() as directory:
        image, console = Path(directory, "image.bin"), Path(directory, "console.bin")
        image.write_bytes(build_image(cases))
        command = [QEMU, "-M", "virt,virtualization=on,gic-version=2", "-cpu", "cortex-a72", "-m", "256M"]
        command += ["-device", f"loader,file={image},addr={BASE:#x},cpu-num=0,force-raw=on", "-net", "none"]
        command += ["-display", "none", "-monitor", "none", "-serial", f"file:{console}"]
        try:
            subprocess.run(command, check=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"QEMU did not end; {console.stat().st_size} bytes of results") from None
        return _dumps(console.read_bytes(), len(cases))
