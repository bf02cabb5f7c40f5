"""Random guests: straight code, loops, faults, exceptions, masks, timers, device accesses, all from a seed.

The body is drawn instruction by instruction. Whatever it does, the vectors bring it back: to the next instruction, or
to the start of the body after a fetch that failed. It never ends; who runs it sets a limit.
"""

import random
import struct
from functools import cache

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import EventSink
from arm_hyp.machine.machine import Machine

BASE = 0x4008_0000
BODY = 0x4008_4000
BODY_WORDS = 300

_PROLOGUE = f"""
        adr     x0, vectors2
        msr     vbar_el2, x0
        mov     x0, #1 << 31
        msr     hcr_el2, x0
        adr     x0, vectors1
        msr     vbar_el1, x0
        ldr     x0, =0x08000000         // GICv2: all on, all priorities
        mov     w1, #1
        str     w1, [x0]
        mov     w2, #-1
        str     w2, [x0, #0x100]
        ldr     x0, =0x08010000
        mov     w2, #0xff
        str     w2, [x0, #4]
        str     w1, [x0]
        adr     x0, level1              // one GiB of devices, one of RAM, two of nothing
        msr     ttbr0_el1, x0
        ldr     x0, =0x00803520
        msr     tcr_el1, x0
        ldr     x0, =0xff00
        msr     mair_el1, x0
        tlbi    vmalle1
        dsb     sy
        isb
        ldr     x0, =0x30d00801
        msr     sctlr_el1, x0
        isb
        ldr     x8, ={BODY + 0x8000:#x} // data
        ldr     x9, =0x80000100         // nothing
        ldr     x12, =0x09000000        // the UART
        ldr     x13, =0x08010000        // the GIC
        ldr     x14, ={BODY + 0x100:#x} // code
        mov     x16, #64
        mov     x17, #1
        ldr     x23, ={BODY:#x}
        mov     x30, x23                // where to go on after a fetch that failed: always elsewhere
        adr     x0, stack
        msr     sp_el0, x0
        mov     sp, x0
        msr     sp_el1, x0
        msr     elr_el2, x30
        mov     x0, #0x5
        msr     spsr_el2, x0
        msr     spsr_el1, x0
        msr     oslar_el1, xzr
        msr     cntv_tval_el0, x16
        msr     cntv_ctl_el0, x17
        SETUP
        eret

        .macro  go_on level
        str     x10, [sp, #-16]!
        mrs     x10, esr_\\level
        lsr     x10, x10, #26
        add     x21, x21, x10
        cmp     x10, #0x20
        b.eq    restart_\\level
        cmp     x10, #0x21
        b.eq    restart_\\level
        mrs     x10, mdscr_el1          // no single step, no breakpoint a second time
        bic     x10, x10, #1
        msr     mdscr_el1, x10
        msr     dbgbcr0_el1, xzr
        mrs     x10, elr_\\level
        add     x10, x10, #4
        msr     elr_\\level, x10
        ldr     x10, [sp], #16
        eret
restart_\\level:
        sub     x30, x30, x23
        add     x30, x30, #0x94
        and     x30, x30, #0x3fc
        add     x30, x30, x23
        msr     elr_\\level, x30
        ldr     x10, [sp], #16
        eret
        .endm
        .macro  irq level
        stp     x10, x11, [sp, #-16]!
        ldr     x11, =0x08010000
        ldr     w10, [x11, #0xc]
        msr     cntv_tval_el0, x16      // again and again
        str     w10, [x11, #0x10]
        ldp     x10, x11, [sp], #16
        eret
        .endm
        .macro  table level
        .irp    index, 0, 1, 2, 3
        .balign 128
        b       sync_\\level
        .balign 128
        b       irq_\\level
        .balign 128
        b       irq_\\level
        .balign 128
        b       irq_\\level
        .endr
        .endm
sync_el1: go_on el1
irq_el1: irq    el1
sync_el2: go_on el2
irq_el2: irq    el2
        .ltorg
        .balign 2048
vectors1: table el1
        .balign 2048
vectors2: table el2
        .balign 4096
level1: .quad   0x00000401, 0x40000705, 0, 0
        .space  512
stack:  .space  64
"""

_NOTHING = "nop"
_DEBUG = {
    "plain": _NOTHING,
    "breakpoint": f"""
        ldr     x0, ={BODY + 0x84:#x}
        msr     dbgbvr0_el1, x0
        ldr     x0, =0x1e7
        msr     dbgbcr0_el1, x0
        ldr     x0, =0xa000
        msr     mdscr_el1, x0""",
    "step": """
        ldr     x0, =0x2001
        msr     mdscr_el1, x0
        ldr     x0, =0x200005
        msr     spsr_el2, x0""",
}
KINDS = tuple(_DEBUG)


@cache
def _prologue(kind: str) -> bytes:
    code = assemble(_PROLOGUE.replace("SETUP", _DEBUG[kind]), filename="random.s", base=BASE).code
    assert len(code) <= BODY - BASE
    return code


def _register(rng: random.Random) -> int:
    return rng.randrange(8)


def _alu(rng: random.Random) -> int:
    base = rng.choice((0x8B00_0000, 0xCB00_0000, 0xCA00_0000, 0xAB00_0000, 0x9B00_7C00))
    return base | _register(rng) << 16 | _register(rng) << 5 | _register(rng)


def _move(rng: random.Random) -> int:
    return 0xD280_0000 | rng.randrange(1 << 12) << 5 | _register(rng)


_ACCESSES = (0xF940_0000, 0xF900_0000, 0x3940_0000, 0x7900_0000, 0xA940_0800, 0xA900_0800, 0xF80F_C000)


def _access(rng: random.Random, address: int) -> int:
    return rng.choice(_ACCESSES) | address << 5 | _register(rng)


def _ram(rng: random.Random) -> int:
    return _access(rng, 8)


def _fault(rng: random.Random) -> int:
    return _access(rng, 9)


_DEVICE = (0xB900_0180, 0xB940_1980, 0xB940_FDA0, 0xB900_05B0, 0xB940_01A0, 0x2940_0580)
"""UART: write data, read flags; GIC: read identification, set the mask, read control; UART: read a pair."""


def _device(rng: random.Random) -> int:
    return rng.choice(_DEVICE)


def _branch(rng: random.Random) -> int:
    distance = rng.choice((1, 2, 3, 5, 8, 13, 21))
    base = rng.choice((0x1400_0000, 0x5400_0000, 0xB400_0000, 0xB500_0000))
    if base == 0x1400_0000:
        return base | distance
    return base | distance << 5 | (rng.randrange(14) if base == 0x5400_0000 else _register(rng))


_EXCEPTIONS = (
    0xD400_0001, 0xD400_0021, 0xD400_0002, 0xD420_0000, 0x0000_0000, 0xD61F_0120,  # svc, hvc, brk, udf, br x9
)  # fmt: skip


def _exception(rng: random.Random) -> int:
    return rng.choice(_EXCEPTIONS)


_SYSTEM = (
    0xD503_4FDF, 0xD503_4FFF, 0xD503_42DF, 0xD503_42FF,  # daifset, daifclr
    0xD53B_E040, 0xD51B_E310, 0xD51B_E331, 0xD503_3FDF, 0xD508_871F, 0xD508_751F, 0xD503_3F9F,
    0xD503_205F, 0xD503_209F, 0xD503_203F, 0xD500_41BF, 0xD500_40BF, 0xD538_4240, 0xD539_D042,
)  # fmt: skip
"""Masks; mrs cntvct, msr cntv_tval (x16), cntv_ctl (x17); isb, tlbi, ic; dsb; wfe, sev, yield; spsel; reads."""


def _system(rng: random.Random) -> int:
    return rng.choice(_SYSTEM)


def _new_code(rng: random.Random) -> int:
    return 0xB900_0000 | rng.randrange(40) << 10 | 14 << 5 | rng.choice((31, 22))  # a UDF or an addition in the body


_SINGLE = ((50, _alu), (8, _move), (14, _ram), (2, _fault), (5, _device), (12, _branch), (4, _exception), (9, _system))


def _single(rng: random.Random) -> list[int]:
    weights, makers = zip(*_SINGLE, (1, _new_code), strict=True)
    return [rng.choices(makers, weights)[0](rng)]


def _loop(rng: random.Random) -> list[int]:
    """Draw `mov x20, #number`, a few instructions, `lsr x20, x20, #1`, `cbnz x20` back to them."""
    inside = [rng.choice((_alu, _ram, _device))(rng) for _ in range(rng.randrange(6))]
    return [
        0xD280_0014 | rng.randrange(1, 256) << 5,
        *inside,
        0xD341_FE94,
        0xB500_0014 | (-len(inside) - 1 & 0x7FFFF) << 5,
    ]


def _return(_rng: random.Random) -> list[int]:
    return [0x1000_006B, 0xD518_402B, 0xD69F_03E0]  # adr x11, behind; msr elr_el1, x11; eret; behind:


def _wait(_rng: random.Random) -> list[int]:
    return [0xD51B_E310, 0xD51B_E331, 0xD503_3FDF, 0xD503_207F]  # msr cntv_tval_el0, cntv_ctl_el0; isb; wfi


def body(rng: random.Random) -> bytes:
    """Draw a body; its last instruction goes back to its first."""
    words: list[int] = []
    while len(words) < BODY_WORDS:
        words += rng.choices((_single, _loop, _return, _wait), (40, 3, 1, 1))[0](rng)
    del words[BODY_WORDS:]
    return struct.pack(f"<{BODY_WORDS + 1}I", *words, 0x1400_0000 | -BODY_WORDS & 0x3FF_FFFF)


def image(seed: int, kind: str = "plain") -> bytes:
    """Return the guest of a seed as a file that is loaded at BASE."""
    return _prologue(kind).ljust(BODY - BASE, b"\0") + body(random.Random(seed))


def machine_for(seed: int, sink: EventSink, kind: str = "plain") -> Machine:
    """Make a machine that is about to run the guest of a seed. `kind` adds a breakpoint, or a single step."""
    machine = Machine(sink=sink, memory_bytes=2 << 20)
    machine.write_memory(BASE, _prologue(kind))
    machine.write_memory(BODY, body(random.Random(seed)))
    machine.core.set_x(22, 0x8B00_0000)
    machine.core.pc = BASE
    return machine
