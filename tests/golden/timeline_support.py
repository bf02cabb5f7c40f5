"""Guests for timelines, and the whole state of a run as something that can be compared."""

import zlib
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration, VirtualMachine
from arm_hyp.timeline.position import Position
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


def state(timeline: Timeline) -> tuple[dict[str, Any], int, list[bytes]]:
    """Return all that makes the state of a run; what the user has typed and has not entered is not of it."""
    runner = timeline.runner
    plain = runner.snapshot(with_ram=False)
    inputs = [plain["input"]] if "input" in plain else [vm["devices"]["input"] for vm in plain["hypervisor"]["vms"]]
    for each in inputs:
        each["queue"], each["script"] = b"", []
    return plain, zlib.crc32(runner.machine.ram), [bytes(console) for console in runner.consoles]


def digest(timeline: Timeline) -> bytes:
    """Return the hash of the state: thousands of whole states would take gigabytes."""
    return blake2b(repr(state(timeline)).encode(), digest_size=16).digest()


def straight(made: Configuration, limit: int = LIMIT) -> dict[Position, bytes]:
    """Return the digest at every place of a run that only goes forward, one step at a time."""
    timeline = Timeline(made)
    states = {timeline.position: digest(timeline)}
    while timeline.position.n < limit and timeline.step() not in states:
        states[timeline.position] = digest(timeline)
    return states
