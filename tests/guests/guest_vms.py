"""Aggressors for the tests of VMs side by side, and what a console says apart from times."""

import re
from pathlib import Path

from arm_hyp.events import Event
from arm_hyp.kvm_events import KvmExit
from arm_hyp.runner.configuration import Configuration, VirtualMachine
from arm_hyp.runner.runner import Run, Runner

LIMIT = 8_000_000_000
QUICK = "console=ttyAMA0 cryptomgr.notests=1"
"""Without the kernel's tests of its ciphers, which are two thirds of a boot."""
ORDERED = f"{QUICK} initramfs_async=0"
"""Nothing is printed by a thread beside the boot, so that the order of the lines does not depend on the time."""
BODY = "echo Hello from userland\nuname -a\nsha256sum /bin/busybox\nfree | wc -l\n"
"""A script that prints nothing that depends on the time."""

EXCEPTION_LOOP = """
    msr  VBAR_EL1, xzr          // nothing is there: the first exception raises itself for ever
    udf  #0
"""
SPINS = """
    msr  DAIFSet, #15
    b    .
"""
SCRIBBLES = """
    adr  x0, vectors
    msr  VBAR_EL1, x0
    mov  x2, #-1
    ldr  x3, =0x1FFFFFFFFFFFF
all_of_ram:
    ldr  x0, =0x40200000
    ldr  x1, =0x41000000
1:  stp  x2, x2, [x0], #256
    cmp  x0, x1
    b.lo 1b
devices:
    ldr  x0, =0x07FF0000        // the interrupt controller, the UART, the clock, virtio, and what lies between
    ldr  x1, =0x0B000000
2:  str  w2, [x0]
    str  x3, [x0, #8]
    ldr  x4, [x0, #0x18]
    strb w2, [x0, #0x80]
    add  x0, x0, #0x10, lsl #12
    cmp  x0, x1
    b.lo 2b
behind_ram:
    ldr  x0, =0x41000000
    mov  x1, #1 << 48
    mov  x5, #0x10000
3:  str  x2, [x0]
    ldr  x4, [x0]
    dc   civac, x0
    add  x0, x0, x5
    lsl  x5, x5, #1
    cmp  x0, x1
    b.lo 3b
    tlbi alle1
    tlbi vmalls12e1
    ic   ialluis
    eor  x2, x2, x3
    mov  x6, #1 << 22           // its exits cost the host far more time than the guest
rest:
    subs x6, x6, #1
    b.ne rest
    b    all_of_ram
.balign 2048
vectors:
.rept 16
    mrs  x28, ELR_EL1
    add  x28, x28, #4
    msr  ELR_EL1, x28
    eret
    .balign 128
.endr
"""
AGGRESSORS = {"exception loop": EXCEPTION_LOOP, "spins": SPINS, "scribbles": SCRIBBLES}

WORKS = """
    ldr  x19, =0x09000000
    ldr  x20, =0x40200000
    mov  x21, #{rounds}
round:
    mov  x1, x20
    add  x2, x20, #0x40000
fill:
    eor  x3, x3, x1
    add  x3, x3, x21
    str  x3, [x1], #24
    cmp  x1, x2
    b.lo fill
    and  w4, w21, #15
    add  w4, w4, #'A'
    strb w4, [x19]
    ldr  w5, [x19, #0x18]
    ldr  x0, =0x84000000
    hvc  #0
    mrs  x5, ID_AA64MMFR0_EL1
    subs x21, x21, #1
    b.ne round
    ldr  x0, =0x84000008
    hvc  #0
"""
"""A victim that reads no clock: it writes memory, prints, and calls; then it powers off."""

_TIMES = (
    re.compile(r"^\[ *\d+\.\d+\] ", re.MULTILINE),
    re.compile(r"(?<=audit\()\d+\.\d+"),
    re.compile(r"(?<=setting system clock to ).*"),
    re.compile(r"(?<=pages initialised in )\d+"),
)


def without_times(console: str) -> str:
    """Return what a kernel has printed, its timestamps left out."""
    for pattern in _TIMES:
        console = pattern.sub("", console)
    return console


class SyncExits:
    """The synchronous exits of one VM: vCPU, PC and syndrome."""

    interests = frozenset({KvmExit})

    def __init__(self, vm: str) -> None:
        self.vm, self.seen = vm, []

    def emit(self, event: Event) -> None:
        if isinstance(event, KvmExit) and event.vm == self.vm and event.ret == "TRAP":
            self.seen.append((event.vcpu, event.vcpu_pc, event.esr))


def assembly(path: Path, name: str, source: str, **options: object) -> VirtualMachine:
    """Return a VM of 16 MiB that runs a piece of assembly."""
    file = path / f"{name}.s"
    file.write_text(source)
    return VirtualMachine(name=name, image=str(file), memory_bytes=16 << 20, **options)  # type: ignore[arg-type]


def victim(path: Path, rounds: int) -> VirtualMachine:
    """Return the VM `victim`, which prints a letter a round; 90 rounds are longer than a slice."""
    return assembly(path, "victim", WORKS.format(rounds=rounds))


def linux(images, name: str = "linux", **options: object) -> VirtualMachine:
    """Return a VM that boots Debian's kernel."""
    made = {"image": str(images.kernel), "initrd": str(images.initramfs), "append": QUICK}
    return VirtualMachine(name=name, **(made | options))  # type: ignore[arg-type]


def script(images, path: Path, body: str = BODY, *, modules: bool = False) -> str:
    """Write an initramfs that runs a shell script, and return its path."""
    file = path / "script.cpio"
    file.write_bytes(images.with_script(body, modules=modules))
    return str(file)


def runner(*vms: VirtualMachine, sink: object = None, **options: object) -> Runner:
    return Runner(Configuration(hypervisor="", vms=vms, **options), sink)  # type: ignore[arg-type]


def run(made: Runner, until: str = "") -> tuple[dict[str, object], list[str]]:
    """Run to the end, or until a console shows a text; return the answer and all consoles."""
    answer = made.send(Run(LIMIT, until=until))
    return answer, [bytes(console).decode("latin-1") for console in made.consoles]
