"""Device accesses that raise an interrupt: taken after the instruction, each access seen once, wherever the run is cut.

Ref: Arm ARM D1.3.6: an asynchronous exception is taken between two instructions.
"""

from __future__ import annotations

from typing import Any

import pytest
from core_support import BASE, POWER_OFF, events, machine, vectors

from arm_hyp.arch.interrupts import LINE_IRQ
from arm_hyp.events import ExceptionTaken
from arm_hyp.machine.bus import Bus
from arm_hyp.machine.machine import Machine

SPARE = 0x0B00_0000
HANDLER = "add x27, x27, #1\n ldr x28, =0x0b001000\n str wzr, [x28]\n eret\n"
INSTRUCTIONS = {
    "ldr w5, [x10]": 1,
    "ldr x5, [x10]": 2,
    "ldr x10, [x10]": 2,
    "ldr w10, [x10]": 1,
    "ldr x5, [x10], #8": 2,
    "ldr x5, [x10, #0]!": 2,
    "ldp x5, x6, [x10], #16": 4,
    "ldp x5, x10, [x10]": 4,
    "str w4, [x10]": 1,
    "str x4, [x10], #8": 2,
    "stp x4, x4, [x10], #16": 4,
    "stp w4, w4, [x10, #0]!": 2,
    "ldr q5, [x10]": 4,
    "str q5, [x10], #16": 4,
}


class Raising:
    """A device that raises the IRQ line with its n-th access; its second page lowers it."""

    def __init__(self, at: int) -> None:
        self.count, self._at = 0, at
        self.made: Machine | None = None

    def _access(self) -> None:
        assert self.made is not None
        if self.count == self._at:
            self.made.core.set_line(LINE_IRQ, True)
        self.count += 1

    def read(self, offset: int, size_bytes: int) -> int:
        self._access()
        return 0x40 + self.count

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        if offset >= 0x1000:
            assert self.made is not None
            self.made.core.set_line(LINE_IRQ, False)
        else:
            self._access()

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...


def prepared(instruction: str, at: int) -> tuple[Machine, Raising]:
    source = f"""
        ldr x0, =0x40090000
        msr vbar_el2, x0
        mrs x0, hcr_el2
        orr x0, x0, #1 << 4
        msr hcr_el2, x0
        ldr x10, ={SPARE:#x}
        mov x4, #9
        msr daifclr, #2
        {instruction}
        mov x20, x10
        {POWER_OFF}
        .ltorg
    """
    made, device = machine(source + vectors(irq_same=HANDLER) + ".ltorg\n"), Raising(at)
    device.made = made
    bus = Bus()
    bus.add("raising", SPARE, 0x2000, device)
    bus.attach(made.cpus.cores)
    return made, device


@pytest.mark.parametrize("cut", [0, 1])
@pytest.mark.parametrize(
    ("instruction", "accesses", "at"),
    [(text, count, at) for text, count in INSTRUCTIONS.items() for at in sorted({0, count - 1})],
)
def test_the_interrupt_comes_once_and_right_behind(instruction: str, accesses: int, at: int, cut: int) -> None:
    made, device = prepared(instruction, at)
    quiet, _ = prepared(instruction, -1)
    assert quiet.run(100).reason == "guest"
    while cut and not made.step(cut) and made.retired < 100:
        pass
    if not cut:
        assert made.run(100).reason == "guest"
    assert device.count == accesses
    (taken,) = events(made, ExceptionTaken)
    assert taken.elr == BASE + 4 * 9
    assert taken.n == 9
    assert made.core.x(27) == 1
    registers = [made.core.x(index) for index in (4, 5, 6, 10, 20)]
    assert registers == [quiet.core.x(index) for index in (4, 5, 6, 10, 20)]
