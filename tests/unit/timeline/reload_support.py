"""A guest that exits often, three files of handlers for it, and the state of a run wherever it stands."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from arm_hyp.events import RecordingSink
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.timeline import Timeline

SMALL, LARGE = 2 << 20, 6 << 20
GUEST = """
        adr     x9, vectors
        msr     vbar_el1, x9
        mov     x10, #5
        ldr     x11, =0x0b000000
        ldr     x12, =0x0b002000
1:      ldr     x0, =0xc6000001
        mov     x1, x10
        hvc     #0
        add     x20, x20, x0
        mrs     x2, id_aa64pfr0_el1
        ldr     w3, [x11]
        str     w10, [x11, #4]
        ldr     w4, [x12]
        add     x20, x20, x3
        add     x20, x20, x4
        wfi
        subs    x10, x10, #1
        b.ne    1b
        ldr     x0, =0x84000008
        hvc     #0
        .balign 2048
vectors:
        .space  512
        mrs     x9, elr_el1             // an external abort where no device is: the load is skipped
        add     x9, x9, #4
        msr     elr_el1, x9
        eret
"""
FIRST = """
from arm_hyp.hypervisor import *

COUNT, SEEN, NAME = [0], {}, b"first"

@handler(EC.WFX)
def wfx(vcpu, exit):
    COUNT[0] += 1
    vcpu.data["waits"] = vcpu.data.get("waits", 0) + 1
    print("first", COUNT[0])
    vcpu.skip_instruction()

@hypercall(0xC600_0001)
def call(vcpu, call):
    SEEN[call.args[0]] = vcpu.pc
    return call.args[0] + 1

@mmio(range(0x0B00_0000, 0x0B00_1000))
def device(vcpu, access):
    if not access.is_write:
        return 100 + access.offset
    vcpu.vm.data["written"] = access.value
"""
SECOND = """
from arm_hyp.hypervisor import *

TOTAL = 0

@handler(EC.WFX)
def wfx(vcpu, exit):
    vcpu.vm.data.setdefault("waits", []).append(exit.pc)
    vcpu.skip_instruction()

@sysreg("ID_AA64PFR0_EL1")
def features(vcpu, access, next):
    global TOTAL
    TOTAL += 1
    return next(vcpu, access) & 0xff

@hypercall(0xC600_0001)
def call(vcpu, call):
    vcpu.data["waits"] = vcpu.data.get("waits", 0) + 1000
    return TOTAL

@mmio(range(0x0B00_2000, 0x0B00_3000))
def device(vcpu, access):
    return 7
"""
THIRD = """
from arm_hyp.hypervisor import *

WORDS = ["third"]

@handler(EC.WFX, EC.HVC64)
def both(vcpu, exit, next):
    WORDS.append(int(exit.ec))
    print("third", len(WORDS))
    if exit.ec == EC.WFX and vcpu.x(10) != 2:
        vcpu.skip_instruction()
    else:
        next(vcpu, exit)

@mmio(range(0x0B00_0000, 0x0B00_3000))
def device(vcpu, access):
    if access.offset == 0x2000:
        raise BusError("not here")
    return None if access.is_write else 55
"""
FILES = {"first": FIRST, "second": SECOND, "third": THIRD}
_FAR = Position(1 << 40)


def begun(path: Path, handlers: str = "first", guest: str = GUEST, sink: RecordingSink | None = None) -> Timeline:
    """Return a timeline under handlers; "" has only the default ones."""
    path.mkdir(exist_ok=True)
    (path / "g.s").write_text(guest)
    if handlers:
        (path / "h.py").write_text(FILES.get(handlers, handlers))
    file = str(path / "h.py") if handlers else ""
    made = Configuration(image=str(path / "g.s"), hypervisor=file, memory_bytes=SMALL, machine_memory_bytes=LARGE)
    return Timeline(made, sink=sink)


def load(timeline: Timeline, path: Path, handlers: str) -> None:
    """Write the file anew, and load it at the cursor."""
    (path / "h.py").write_text(FILES.get(handlers, handlers))
    timeline.load_handlers(str(path / "h.py"))


def state(timeline: Timeline) -> tuple[Any, ...]:
    """Return the whole state, with who takes the exits."""
    runner = timeline.runner
    assert runner.hypervisor is not None
    over = [(each.name, each.addresses) for each in runner.hypervisor.vms[0].bus._over]
    taken = [] if runner.handlers is None else [row.decorator for row in runner.handlers.registrations.classes]
    return repr(runner.snapshot(with_ram=False)), zlib.crc32(runner.machine.ram), bytes(runner.consoles[0]), over, taken


def walked(timeline: Timeline, end: Position = _FAR) -> dict[Position, tuple[Any, ...]]:
    """Return the state at every place from the cursor to the end, or up to a place."""
    states = {timeline.position: state(timeline)}
    while timeline.position < end and timeline.step() not in states:
        states[timeline.position] = state(timeline)
    return states
