"""Every encoding of a system register, system instruction, hint and barrier, executed by a VM at EL1 and at EL0.

Read `attack_support.py` before this file. Each encoding is read, then written with what was read: so the sweep goes on
whatever the register is. `LONG=1` takes one in 5, `STEP=1` all 65,536 of them, otherwise it is one in 31.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from attack_support import Duel, Shape, check_hypervisor, check_victim
from victim_program import BASE

from arm_hyp.cpu.assembler import assemble

STEP = int(os.environ.get("STEP") or (5 if os.environ.get("LONG") == "1" else 31))
_START = """
    adr x0, vectors
    msr VBAR_EL1, x0
    ldr x1, =0x08000000         // the virtual timer is pending all the time, and masked: no WFI waits
    mov w2, #2
    str w2, [x1]
    ldr x1, =0x080b0000
    mov w2, #-1
    str w2, [x1, #0x100]
    mov x2, #0xf8
    msr ICC_PMR_EL1, x2
    mov x2, #1
    msr ICC_IGRPEN1_EL1, x2
    msr CNTV_CTL_EL0, x2
    adr x0, body
    msr ELR_EL1, x0
    mov x0, #LEVEL
    msr SPSR_EL1, x0
    eret
    .ltorg
.macro skip
    mrs x28, ESR_EL1
    lsr x28, x28, #26
    cmp x28, #0x15
    b.eq off
    mrs x28, ELR_EL1
    add x28, x28, #4
    msr ELR_EL1, x28
    eret
.endm
.macro mask
    mrs x28, SPSR_EL1
    orr x28, x28, #0x1c0
    msr SPSR_EL1, x28
    eret
.endm
.balign 2048
vectors:
    skip
.org vectors + 0x80
    mask
.org vectors + 0x180
    mask
.org vectors + 0x200
    skip
.org vectors + 0x280
    mask
.org vectors + 0x380
    mask
.org vectors + 0x400
    skip
.org vectors + 0x480
    mask
.org vectors + 0x580
    mask
.org vectors + 0x800
off:
    ldr x0, =0x84000008
    hvc #0
    .ltorg
body:
"""
_READ, _WRITE, _XZR, _SVC = 0xD520_0000, 0xD500_0000, 31, 0xD400_0021
LEVELS = {"EL1": 0x3C5, "EL0": 0x3C0}


def words(first: int) -> Iterator[int]:
    """Yield the sweep: op0, op1, CRn, CRm, op2 are 16 bits. There are no MRS with op0 = 0, and no register to write."""
    for encoding in range(first, 1 << 16, STEP):
        if encoding >> 14:
            yield _READ | encoding << 5
            yield _WRITE | encoding << 5
        else:
            yield _WRITE | encoding << 5 | _XZR
    yield _SVC


@pytest.mark.parametrize("model", ["max", "a72"])
@pytest.mark.parametrize("level", LEVELS)
def test_no_encoding_does_harm(level: str, model: str) -> None:
    start = assemble(_START.replace("LEVEL", str(LEVELS[level])), filename="sweep.s", base=BASE).code
    first = (list(LEVELS).index(level) * 7 + len(model)) % STEP
    shape = Shape(model=model)
    duel = Duel(start + b"".join(word.to_bytes(4, "little") for word in words(first)), shape)
    assert duel.run(limit=8_000_000, at_least=4_000_000).reason == "guest"
    assert duel.attacker.end is not None and duel.attacker.end.reason == "off", duel.attacker.end
    check_hypervisor(duel)
    check_victim(duel, shape)
