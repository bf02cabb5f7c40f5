"""QEMU as a witness of walks: many sets of tables in one image, ten AT instructions for each, PAR_EL1 printed.

Read `walk_cases.py` and `walk_harness.s` before, `test_walks_qemu.py` after this file. The machine has a CPU with EL3
and RAM at 0, and nothing else: what is far away does not answer, as in our walk. A Cortex-A72 has no 16 KB granule and
no VHE; a Neoverse N1 has both, but no FEAT_PAuth, and so no TCR_ELx.TBID.
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from walk_cases import CaseMaker

from arm_hyp.arch.control_bits import HCR_TGE
from arm_hyp.arch.syndromes import FaultKind
from arm_hyp.arch.translation import (
    Access,
    Fault,
    Read64,
    TranslationRegisters,
    Walk,
    fault_status,
    par_el1,
    regime_of,
    walk,
    walk_stage1,
)
from arm_hyp.cpu.assembler import assemble

QEMU: Final = "qemu-system-aarch64"
MODELS: Final = {"cortex-a72": "a72", "neoverse-n1": "max"}
"""QEMU's CPU, and the model of ours that has the most in common with it."""
CPUS: Final = tuple(MODELS)
CODE, HEADER, CASES, RAM_BYTES = 0x80_0000, 0x81_0000, 0x81_1000, 16 << 20
TABLE_BYTES: Final = 8 << 20
AT: Final = ("S1E1R", "S1E1W", "S1E0R", "S1E0W", "S1E2R", "S1E2W", "S12E1R", "S12E1W", "S12E0R", "S12E0W")
REGISTERS: Final = (
    "hcr_el2", "sctlr_el1", "tcr_el1", "ttbr0_el1", "ttbr1_el1", "mair_el1", "sctlr_el2", "tcr_el2", "ttbr0_el2",
    "mair_el2", "vtcr_el2", "vttbr_el2", "ttbr1_el2",
)  # fmt: skip
_RESULT_BYTES: Final = 8 * len(AT)
_SECONDS: Final = 300
_MARK: Final = 0xE5_0000_0001
_CM_WNR: Final = 1 << 8 | 1 << 6


class Asked(NamedTuple):
    """One set of tables: registers, address, the words that our walks read, and what each AT should give."""

    registers: TranslationRegisters
    va: int
    words: dict[int, int]
    walks: tuple[Walk, ...]

    @property
    def expected(self) -> tuple[int, ...]:
        """What the architecture says for each AT."""
        return tuple(map(expected, self.walks))


def expected(walked: Walk) -> int:
    """Return PAR_EL1, or with a mark the syndrome: an external abort on a walk is an exception. Ref: AArch64.AT."""
    fault = walked.result
    if isinstance(fault, Fault) and fault.kind is FaultKind.EXTERNAL_ON_WALK:
        return _MARK | (fault_status(fault) | fault.is_s1ptw << 7 | _CM_WNR) << 1
    return par_el1(walked.result)


def is_exception(answer: int) -> bool:
    """Tell an exception from a value of PAR_EL1."""
    return answer >> 32 == _MARK >> 32


def case_maker(cpu: str, seed: int) -> CaseMaker:
    """Return a source of what such a CPU has."""
    return CaseMaker(MODELS[cpu], seed, has_16kb=cpu != "cortex-a72")


def make(cpu: str, maker: CaseMaker) -> Asked:
    """Make up registers and an address; what lies in memory is made up while the walks read it."""
    registers = _as_on(cpu, maker.registers())
    va = maker.va(registers.tcr_el1 if maker.chance(0.7) else registers.tcr_el2)
    words: dict[int, int] = {}

    def read64(address: int) -> int | None:
        if address >= TABLE_BYTES:
            return None
        if address not in words:
            words[address] = maker.descriptor(address)
        return words[address]

    walks = tuple(_walk(name, va, registers, read64) for name in AT)
    return Asked(registers, va, words, walks)


def _as_on(cpu: str, registers: TranslationRegisters) -> TranslationRegisters:
    """Say what the CPU has. With TGE the regime of AT depends on the level that it runs at: never set here."""
    if cpu == "cortex-a72":
        return registers
    features = registers.features - {"PAuth"}
    return registers._replace(hcr_el2=registers.hcr_el2 & ~HCR_TGE, features=features, pa_bits=48)


def _walk(name: str, va: int, registers: TranslationRegisters, read64: Read64) -> Walk:
    el, access = int(name[-2]), Access(is_write=name[-1] == "W", is_privileged=name[-2] != "0")
    if name.startswith("S12"):
        return walk(va, access, el, registers, read64)
    return walk_stage1(va, access, regime_of(el, registers.hcr_el2), registers, read64)


@cache
def _harness() -> bytes:
    source = Path(__file__).with_name("walk_harness.s")
    code = assemble(source.read_text(), filename=source.name, base=CODE).code
    return code.ljust(HEADER - CODE, b"\0")


def build_image(asked: list[Asked]) -> bytes:
    """Build the binary for address CODE. Raises: ValueError if it does not fit."""
    cases = b"".join(map(_case, asked))
    results = CASES + len(cases)
    if results + len(asked) * _RESULT_BYTES > RAM_BYTES:
        raise ValueError(f"{len(asked)} sets of tables do not fit")
    header = struct.pack("<3Q", len(asked), CASES, results).ljust(CASES - HEADER, b"\0")
    return _harness() + header + cases


def _case(asked: Asked) -> bytes:
    registers = [getattr(asked.registers, name) for name in REGISTERS]
    pairs = [value for pair in asked.words.items() for value in pair]
    return struct.pack(f"<{15 + len(pairs)}Q", *registers, asked.va, len(asked.words), *pairs)


def run_qemu(cpu: str, asked: list[Asked]) -> list[tuple[int, ...]]:
    """Run the cases; return the answers to each AT. Raises: AssertionError if they do not all come."""
    with tempfile.TemporaryDirectory() as directory:
        image, results = Path(directory, "image.bin"), Path(directory, "results")
        image.write_bytes(build_image(asked))
        command = [QEMU, "-M", "none", "-cpu", cpu, "-m", f"{RAM_BYTES >> 20}M"]
        command += ["-device", f"loader,file={image},addr={CODE:#x},cpu-num=0,force-raw=on"]
        command += ["-semihosting-config", "enable=on,target=native"]
        command += ["-display", "none", "-monitor", "none", "-serial", "none"]
        done = subprocess.run(
            command, check=False, timeout=_SECONDS, stdin=subprocess.DEVNULL, capture_output=True, cwd=directory
        )
        data = results.read_bytes() if results.exists() else b""
    if len(data) != len(asked) * _RESULT_BYTES:
        raise AssertionError(f"QEMU: status {done.returncode}, {len(data)} bytes of results; {done.stderr!r}")
    return list(struct.iter_unpack(f"<{len(AT)}Q", data))
