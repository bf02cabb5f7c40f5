"""What a run is a function of, beside the user's input: files, board and start, as plain data.

Read `machine/boot.py`, `machine/wiring.py` and `hypervisor/configuration.py` before this file, `runner/vm_file.py` and
`runner/runner.py` after it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import msgspec

from arm_hyp.arch import id_policy
from arm_hyp.arch.id_policy import LIST_REGISTERS
from arm_hyp.errors import UserError
from arm_hyp.hypervisor.configuration import DEFAULT_WEIGHT, VmConfiguration
from arm_hyp.machine import board
from arm_hyp.machine.boot import BootRequest, File, Load, ModuleFile, plan_boot
from arm_hyp.machine.device_tree import BoardDescription
from arm_hyp.machine.loader import MemoryLayout, load_file
from arm_hyp.machine.pl031 import DEFAULT_EPOCH_S

if TYPE_CHECKING:
    from arm_hyp.machine.virtio.drive import BlockBackend

Console = Literal["pl011", "virtio", "none"]

CPU_MODELS: Final = id_policy.MODELS
CONSOLES: Final = ("pl011", "virtio", "none")
_DRIVE_MODES: Final = {"": False, "cow": False, "ro": True}
HYPERVISOR_BYTES: Final = 32 << 20
"""RAM for the hypervisor's own data: the tables of stage 2."""
_RAM_STEP_BYTES: Final = 2 << 20
_LARGEST_RAM_BYTES: Final = 16 << 30


class Drive(msgspec.Struct, frozen=True):
    """A disk image; what a guest writes to it stays in memory."""

    path: str
    read_only: bool = False


def parse_drive(text: str, what: str = "--drive") -> Drive:
    """Parse FILE[,ro|,cow]. A comma that is followed by anything else is part of the name. Raises: UserError."""
    path, comma, mode = text.rpartition(",")
    if not text or (comma and not path and mode in _DRIVE_MODES):
        raise UserError(f"{what} {text}", "names no file", "write it as FILE or FILE,ro")
    if path and mode in _DRIVE_MODES:
        return Drive(path, _DRIVE_MODES[mode])
    return Drive(text)


class Module(msgspec.Struct, frozen=True):
    """A file for Xen: dom0's kernel with its arguments, or dom0's initrd."""

    kind: Literal["kernel", "ramdisk"]
    path: str
    bootargs: str = ""


class Software(msgspec.Struct, frozen=True, kw_only=True):
    """What boots, and with which devices: a machine, or a VM. Files by path, memory in bytes, `loads` as ADDR=FILE."""

    memory_bytes: int = 256 << 20
    load_address: int | None = None
    settings: tuple[str, ...] = ()
    initrd: str | None = None
    append: str = ""
    dtb: str | None = None
    loads: tuple[str, ...] = ()
    drives: tuple[Drive, ...] = ()
    rng: bool = False
    console: Console = "pl011"
    rtc_epoch_s: int = DEFAULT_EPOCH_S


class VirtualMachine(Software, frozen=True, kw_only=True):
    """One VM, as its user describes it. `input` is a file to type, `prefix` begins its lines.

    `pins` are the physical CPUs that its vCPUs may run on (none: all), `weight` is its share of them.
    """

    name: str
    image: str
    vcpus: int = 1
    prefix: str | None = None
    weight: int = DEFAULT_WEIGHT
    pins: tuple[int, ...] = ()
    input: str | None = None


class Configuration(Software, frozen=True, kw_only=True):
    """Everything a run is a function of.

    With a `hypervisor` (the path of a file of handlers; "": the defaults alone) the machine runs `vms`, or without any
    one VM, which the other fields describe; `vcpus` are then its own, 0 for as many as `cpus`. `machine_memory_bytes`
    is the RAM that all VMs share: None for the sum of theirs and HYPERVISOR_BYTES.
    """

    image: str | None = None
    bios: str | None = None
    el: int = 2
    cpu: str = "a72"
    cpus: int = 1
    gic: int = 2
    list_registers: int = LIST_REGISTERS
    modules: tuple[Module, ...] = ()
    hypervisor: str | None = None
    vcpus: int = 0
    vms: tuple[VirtualMachine, ...] = ()
    machine_memory_bytes: int | None = None


def machine_options(made: Configuration) -> dict[str, Any]:
    """Return what the board is made of: `wiring.Options` by name. Opens the drives. Raises: UserError."""
    of_cpus = dict(
        model=made.cpu, gic=made.gic, cpus=made.cpus, list_registers=made.list_registers, rtc_epoch_s=made.rtc_epoch_s
    )
    if made.hypervisor is not None:
        return of_cpus | dict(start_el=2, memory_bytes=_shared_memory_bytes(made))
    return of_cpus | dict(start_el=made.el, memory_bytes=made.memory_bytes, **_peripherals(made))


def _peripherals(made: Configuration | VirtualMachine) -> dict[str, Any]:
    """Return what `PeripheralOptions` names, beside the clock. Opens the drives. Raises: UserError."""
    slots = len(made.drives) + made.rng + (made.console == "virtio")
    if slots > board.VIRTIO_SLOTS:
        raise UserError("--drive", f"{slots} virtio devices are too many", f"the board has {board.VIRTIO_SLOTS} slots")
    return dict(drives=tuple(map(_open, made.drives)), has_rng=made.rng, has_virtio_console=made.console == "virtio")


def _open(drive: Drive) -> BlockBackend:
    from arm_hyp.machine.virtio.drive import open_drive  # here: a machine without drives starts sooner

    return open_drive(drive.path, read_only=drive.read_only)


def boot_request(made: Configuration) -> BootRequest:
    """Read the files, and return what is to be booted. Raises: UserError."""
    modules = tuple(ModuleFile(one.kind, File.read(one.path), one.bootargs) for one in made.modules)
    return replace(_request(made, describe_board(made)), flash=_file(made.bios), modules=modules)


def _request(made: Configuration | VirtualMachine, description: BoardDescription) -> BootRequest:
    kernel = None
    if made.image is not None:
        layout = MemoryLayout(board.RAM_BASE, made.memory_bytes)
        kernel = load_file(made.image, load_address=made.load_address, memory=layout)
    return BootRequest(
        board=description,
        kernel=kernel,
        kernel_name=made.image or "the program",
        initrd=_file(made.initrd),
        loads=tuple(Load.read(text) for text in made.loads),
        tree=_file(made.dtb),
    )


def describe_board(made: Configuration) -> BoardDescription:
    """Return what the device tree says of the board."""
    return BoardDescription(
        cpus=made.cpus,
        cpu=made.cpu,
        gic=cast(Literal[2, 3], made.gic),
        el=cast(Literal[1, 2], made.el),
        memory_bytes=made.memory_bytes,
        bootargs=made.append,
        has_el2_virtual_timer=id_policy.has_feature("VHE", made.cpu, made.gic),
        has_flash=made.bios is not None,
    )


def _file(path: str | None) -> File | None:
    return None if path is None else File.read(path)


# --- VMs --------------------------------------------------------------------------------------------------------------


def virtual_machines(made: Configuration) -> tuple[VirtualMachine, ...]:
    """Return the VMs of a run. Without `vms` it is one, made of the configuration's own fields. Raises: UserError."""
    if made.hypervisor is None or made.vms:
        return made.vms
    if made.image is None:
        raise UserError("--hypervisor", "there is no image to run as a VM", "name a FILE; flash cannot start a VM")
    own = {name: getattr(made, name) for name in VirtualMachine.__struct_fields__ if hasattr(made, name)}
    return (VirtualMachine(name="vm0", **own | {"vcpus": made.vcpus or made.cpus}),)


def _shared_memory_bytes(made: Configuration) -> int:
    """Return the size of the RAM that all VMs and the hypervisor share."""
    if made.machine_memory_bytes is not None:
        return made.machine_memory_bytes
    needed = sum(vm.memory_bytes for vm in virtual_machines(made)) + HYPERVISOR_BYTES
    if needed > _LARGEST_RAM_BYTES:
        way_out = "say how much there is: [machine] memory; a VM takes only what it uses"
        raise UserError("the machine", f"has no room for {needed >> 20:,} MiB", way_out)
    return -(-needed // _RAM_STEP_BYTES) * _RAM_STEP_BYTES


def vm_request(made: Configuration, vm: VirtualMachine) -> BootRequest:
    """Read a VM's files, and return what is to be booted in it. Raises: UserError."""
    description = replace(describe_board(made), cpus=vm.vcpus, el=1, memory_bytes=vm.memory_bytes, bootargs=vm.append)
    return _request(vm, replace(description, has_el2_virtual_timer=False, has_flash=False))


def vm_configuration(made: Configuration, vm: VirtualMachine) -> VmConfiguration:
    """Read a VM's files, and return what the hypervisor makes it of. Opens its drives. Raises: UserError."""
    for cpu in vm.pins:
        if cpu >= made.cpus:
            raise UserError(f"{vm.name}: pin {cpu}", "the machine has no such CPU", f"it has 0 to {made.cpus - 1}")
    return VmConfiguration(
        name=vm.name,
        memory_bytes=vm.memory_bytes,
        plan=plan_boot(vm_request(made, vm)),
        vcpus=vm.vcpus,
        weight=vm.weight,
        pins=vm.pins,
        rtc_epoch_s=vm.rtc_epoch_s,
        **_peripherals(vm),
    )
