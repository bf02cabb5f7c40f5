"""A guest in a VM accesses a device as it accesses RAM: the real exits, with the addresses that the core reports.

Read `test_mmio_decode.py` before, where every form is compared; here are those whose exits differ in kind.
"""

from __future__ import annotations

import struct

import pytest
from mmio_support import Memory

from arm_hyp.cpu.assembler import assemble
from arm_hyp.events import RecordingSink
from arm_hyp.hypervisor.configuration import VmConfiguration
from arm_hyp.hypervisor.hypervisor import Hypervisor
from arm_hyp.hypervisor.mmio_decode import Refusal
from arm_hyp.kvm_events import KvmMmioEmulate, KvmMmioNisv
from arm_hyp.machine.board import RAM_BASE
from arm_hyp.machine.boot import BootPlan
from arm_hyp.machine.loader import Segment
from arm_hyp.machine.machine import Machine

MEMORY_BYTES = 16 << 20
CODE, LOG, RAM, MMIO = 0x4010_0000, 0x4012_0000, 0x4014_0000, 0x0B00_0000
CONTENTS = bytes(range(256)) * 32  # two pages
MIDDLE = 0x800
BORDER = 0x1000
START = "mov x0, #(3 << 20)\n msr CPACR_EL1, x0\n isb\n"
OFF = "ldr x0, =0x84000008\n hvc #0\n"
SAVE = "stp x1, x2, [x20], #16\n str x3, [x20], #8\n str q1, [x20], #16\n str q3, [x20], #16\n"
SAVED_BYTES = 56
FORMS = (
    "ldr w1, [x2]",
    "ldrsb x1, [x2, #5]",
    "ldrsh w1, [x2, #6]",
    "str x3, [x2, #8]",
    "ldr x1, [x2], #8",
    "str w3, [x2, #-4]!",
    "ldp x1, x3, [x2], #16",
    "stp x3, x1, [x2, #-16]!",
    "ldpsw x1, x3, [x2]",
    "ldar w1, [x2]",
    "stlr x3, [x2]",
    "ldr q1, [x2], #16",
    "stp q1, q3, [x2]",
    "ldr h1, [x2, #2]",
    "ld4 {v1.4h, v2.4h, v3.4h, v4.4h}, [x2], #32",
    "st1 {v1.16b}, [x2]",
    "ld1 {v3.b}[9], [x2]",
    "dc zva, x2",
    "dc civac, x2",
    "prfm pldl1keep, [x2]",
)
CROSSING = (
    "ldp x1, x3, [x2]",
    "stp x3, x1, [x2]",
    "ldp q1, q3, [x2]",
    "str q1, [x2], #16",
    "ldr x1, [x2], #8",
    "str x3, [x2, #0]!",
    "st1 {v1.2d, v2.2d}, [x2]",
)


def run(source: str, devices: list[tuple[int, Memory]], *segments: Segment) -> tuple[Hypervisor, RecordingSink]:
    """Run a guest until it powers off, with devices in its IPA space."""
    sink = RecordingSink()
    machine = Machine(sink=sink, memory_bytes=64 << 20)
    code = assemble(START + source + OFF, filename="guest.s", base=CODE).code
    plan = BootPlan((Segment(CODE, code), Segment(RAM, CONTENTS), *segments), CODE)
    hypervisor = Hypervisor(machine, [VmConfiguration(name="vm", memory_bytes=MEMORY_BYTES, plan=plan)])
    for base, device in devices:
        hypervisor.vms[0].bus.add("memory", base, len(device.contents), device)
    machine.run(200_000)
    end = hypervisor.vms[0].end
    assert end is not None and end.reason == "off", end
    return hypervisor, sink


def guest(forms: tuple[str, ...], base: int, offset: int) -> str:
    """Assembly that executes each form with the same registers at `base + offset`, and saves what they leave."""
    text = f"ldr x20, ={LOG:#x}\n ldr x21, ={base:#x}\n"
    for number, form in enumerate(forms):
        text += f"ldr x1, ={number + 0x1111_2222_3333_4444:#x}\n ldr x2, ={base + offset:#x}\n mvn x3, x1\n"
        text += "fmov d1, x1\n dup v3.2d, x3\n mov v2.16b, v3.16b\n"
        text += f"{form}\n sub x2, x2, x21\n{SAVE}"
    return text


def saved(hypervisor: Hypervisor, forms: tuple[str, ...]) -> dict[str, str]:
    """Return what each form left in the registers."""
    log = hypervisor.vms[0].read_ipa(LOG, SAVED_BYTES * len(forms))
    parts = [log[start : start + SAVED_BYTES] for start in range(0, len(log), SAVED_BYTES)]
    return {form: part.hex(" ", 8) for form, part in zip(forms, parts, strict=True)}


def test_a_device_that_is_like_ram_leaves_what_ram_leaves() -> None:
    device = Memory(CONTENTS)
    at_device, sink = run(guest(FORMS, MMIO, MIDDLE), [(MMIO, device)])
    at_ram, _ = run(guest(FORMS, RAM, MIDDLE), [])
    assert saved(at_device, FORMS) == saved(at_ram, FORMS)
    assert device.contents == at_ram.vms[0].read_ipa(RAM, len(CONTENTS)) != CONTENTS
    decoded = [event for event in sink.events if isinstance(event, KvmMmioEmulate)]
    assert 10 <= len(decoded) < len(FORMS)  # the others come with a syndrome
    assert not any(isinstance(event, KvmMmioNisv) for event in sink.events)


@pytest.mark.parametrize("ram_first", [True, False])
@pytest.mark.parametrize("before", [1, 4, 7])
def test_an_access_over_ram_and_a_device_leaves_what_ram_leaves(ram_first: bool, before: int) -> None:
    """With its MMU off the guest sees RAM and a device side by side: below RAM and behind it."""
    border = RAM_BASE + MEMORY_BYTES if ram_first else RAM_BASE
    device = Memory(CONTENTS[BORDER:] if ram_first else CONTENTS[:BORDER])
    ram_half, ram_at = (CONTENTS[:BORDER], border - BORDER) if ram_first else (CONTENTS[BORDER:], border)
    mixed, sink = run(
        guest(CROSSING, border - BORDER, BORDER - before),
        [(border if ram_first else border - BORDER, device)],
        Segment(ram_at, ram_half),
    )
    at_ram, _ = run(guest(CROSSING, RAM, BORDER - before), [])
    assert saved(mixed, CROSSING) == saved(at_ram, CROSSING)
    halves = mixed.vms[0].read_ipa(ram_at, BORDER), bytes(device.contents)
    assert b"".join(halves if ram_first else reversed(halves)) == at_ram.vms[0].read_ipa(RAM, len(CONTENTS))
    assert not any(isinstance(event, KvmMmioNisv) for event in sink.events)


def test_an_exclusive_and_an_access_to_nothing_abort_in_the_guest() -> None:
    """The guest's handler notes ESR_EL1 and FAR_EL1, and goes on behind the instruction."""
    note = "mrs x9, ESR_EL1\n mrs x10, FAR_EL1\n stp x9, x10, [x20], #16\n mrs x9, ELR_EL1\n add x9, x9, #4\n"
    source = f"""
        ldr x20, ={LOG:#x}
        adr x0, vectors
        msr VBAR_EL1, x0
        ldr x2, ={MMIO:#x}
        ldxr x1, [x2]
        str x1, [x2, #0x700]
        ldp x1, x3, [x2, #0x100]
        b done
        .balign 2048
    vectors:
        .space 0x200
        {note} msr ELR_EL1, x9
        eret
        .balign 2048
    done:
    """
    hypervisor, sink = run(source, [(MMIO, Memory(bytes(256)))])
    words = struct.unpack("<6Q", hypervisor.vms[0].read_ipa(LOG, 48))
    external_read, external_write = 0x9600_0010, 0x9600_0050
    assert [f"{word:#x}" for word in words] == [
        f"{word:#x}" for word in (external_read, MMIO, external_write, MMIO + 0x700, external_read, MMIO + 0x100)
    ]
    reasons = [event.reason for event in sink.events if isinstance(event, KvmMmioNisv)]
    assert reasons == [Refusal.EXCLUSIVE.value]
