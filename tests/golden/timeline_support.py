"""Guests for timelines, and the whole state of a run as something that can be compared."""

import zlib
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration, VirtualMachine
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.statistics import Statistics
from arm_hyp.timeline.timeline import Timeline

SMALL = 2 << 20
GRID = 128
"""Short guests get a checkpoint every so many instructions."""
LIMIT = 1500
ECHO = """
_start: ldr     x1, =0x09000000
1:      ldr     w2, [x1, #0x18]         // FR
        tbnz    w2, #4, 2f              // nothing there
        ldr     w0, [x1]
        strb    w0, [x1]
        add     x10, x10, x0
2:      add     x11, x11, #1
        b       1b
"""
BUSY = """
_start: adr     x1, table
1:      add     x0, x0, #1
        str     x0, [x1, x0, lsl #3]
        and     x0, x0, #0xfff
        mrs     x2, cntvct_el0
        b       1b
        .balign 4096
table:  .space  65536
"""
CALLS = """
_start: adr     x4, place
1:      mov     w0, #0x84000000
        hvc     #0
        mrs     x2, cntvct_el0
        eor     x3, x2, x3, ror #3
        str     x3, [x4]
        hvc     #0
        b       1b
        .balign 4096
place:  .quad   0
"""
STALE = """
_start: adr     x0, level1
        msr     ttbr0_el1, x0
        ldr     x0, =0x00803520         // T0SZ 32, 4 KiB, TTBR0 only
        msr     tcr_el1, x0
        ldr     x0, =0xff00             // attribute 0 Device-nGnRnE, 1 normal write-back
        msr     mair_el1, x0
        tlbi    vmalle1
        dsb     sy
        isb
        mrs     x0, sctlr_el1
        orr     x0, x0, #1              // M
        msr     sctlr_el1, x0
        isb
        ldr     x20, =0x80000000        // a page that moves to and fro
        adr     x1, level3
        ldr     x2, [x1]
        add     x3, x2, #4096
        mov     x12, #3
        nop                             // so that a call is the 128th instruction
1:      ldr     x10, [x20]
        madd    x11, x11, x12, x10
        eor     x4, x2, x3
        eor     x2, x2, x4
        eor     x3, x3, x4
        str     x2, [x1]                // it lies elsewhere now, and the TLBI is forgotten
        dsb     sy
        mov     w0, #0x84000000
        hvc     #0
        b       1b
        .balign 4096
level1: .quad   0
        .quad   0x40000701
        .quad   level2 + 3
        .balign 4096
level2: .quad   level3 + 3
        .balign 4096
level3: .quad   pages + 0x707
        .balign 4096
pages:  .quad   1
        .balign 4096
        .quad   2
        .balign 4096
"""


@dataclass(frozen=True)
class Case:
    """A configuration by its name."""

    name: str
    made: Configuration

    def __str__(self) -> str:
        return self.name


def _guest(name: str, **options: Any) -> Case:
    made = Configuration(**{"image": str(guests_directory() / f"{name}.s"), "memory_bytes": SMALL} | options)
    return Case(f"{name}-gicv{made.gic}-{made.cpus}cpu", made)


def _vms(name: str, count: int = 1, **options: Any) -> Case:
    image = str(guests_directory() / f"{name}.s")
    vcpus = options.pop("vcpus", 1)
    vms = tuple(VirtualMachine(name=f"vm{i}", image=image, memory_bytes=SMALL, vcpus=vcpus) for i in range(count))
    made = Configuration(hypervisor="", vms=vms, machine_memory_bytes=16 << 20, **options)
    return Case(f"{name}-{count}vms-gicv{made.gic}-{made.cpus}cpu", made)


CASES = [
    _guest("02-wfi", settings=("HCR_EL2.TWI=1",)),
    _guest("05-stage2-faults"),
    _guest("08-virq"),
    _guest("12-stale-tlb"),
    _guest("13-single-step"),
    _guest("14-timer-gicv2"),
    _guest("17-unmask", gic=3),
    _guest("19-smp", cpus=2),
    _guest("19-smp", cpus=2, gic=3),
    _guest("22-vhe", cpu="max"),
    _guest("24-reset"),
]
VM_CASES = [
    _vms("25-demand-paging"),
    _vms("26-virtual-timer", 2),
    _vms("27-neighbours", 2, cpus=2, gic=3),
    _vms("28-vm-smp", vcpus=2, cpus=2),
    _vms("30-vm-lazy-fp", vcpus=2),
]


def written(path: Path, text: str, **options: Any) -> Configuration:
    """Return a run of a guest that a test has written."""
    file = path / "guest.s"
    file.write_text(text)
    return Configuration(image=str(file), memory_bytes=SMALL, **options)


def written_vms(path: Path, text: str, count: int, **options: Any) -> Configuration:
    """Return a run of a guest that a test has written, in several VMs."""
    file = path / "guest.s"
    file.write_text(text)
    vms = tuple(VirtualMachine(name=f"vm{i}", image=str(file), memory_bytes=SMALL) for i in range(count))
    return Configuration(hypervisor="", vms=vms, machine_memory_bytes=16 << 20, **options)


def counted(made: Configuration) -> Timeline:
    """Return a timeline that keeps statistics."""
    return Timeline(made, statistics=Statistics())


def state(timeline: Timeline) -> tuple[object, ...]:
    """Return all that makes the state of a run; what the user has typed and has not entered is not of it."""
    runner = timeline.runner
    plain = runner.snapshot(with_ram=False)
    inputs = [plain["input"]] if "input" in plain else [vm["devices"]["input"] for vm in plain["hypervisor"]["vms"]]
    for each in inputs:
        each["queue"], each["script"] = b"", []
    statistics = None if timeline.statistics is None else timeline.statistics.snapshot()
    return plain, zlib.crc32(runner.machine.ram), [bytes(console) for console in runner.consoles], statistics


def digest(timeline: Timeline) -> bytes:
    """Return the hash of the state: thousands of whole states would take gigabytes."""
    return blake2b(repr(state(timeline)).encode(), digest_size=16).digest()


def straight(made: Configuration, limit: int = LIMIT) -> dict[Position, bytes]:
    """Return the digest at every place of a run that only goes forward, one step at a time, and is counted."""
    timeline = counted(made)
    states = {timeline.position: digest(timeline)}
    while timeline.position.n < limit and timeline.step() not in states:
        states[timeline.position] = digest(timeline)
    return states
