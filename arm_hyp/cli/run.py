"""`arm-hyp run`: boot a guest, connect its console, trace it, count what it does.

Read `runner/runner.py`, `cli/run_options.py` and `cli/session.py` before this file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import typer
from msgspec import structs

from arm_hyp.arch.id_policy import LIST_REGISTERS
from arm_hyp.cli.dumps import parse_dumps
from arm_hyp.cli.run_options import (
    OF_MACHINE,
    TRACE_FORMATS,
    RunCommand,
    check_given,
    is_vm_file,
    one_of,
    parse_address,
    parse_console,
    parse_epoch,
    parse_module,
)
from arm_hyp.cli.settings import Settings
from arm_hyp.errors import UserError
from arm_hyp.machine.arm64_image import is_arm64_image, is_gzip
from arm_hyp.machine.boot import plan_boot
from arm_hyp.machine.loader import read_file
from arm_hyp.runner.configuration import (
    CPU_MODELS,
    Configuration,
    boot_request,
    parse_drive,
    virtual_machines,
    vm_request,
)
from arm_hyp.runner.sizes import parse_size
from arm_hyp.runner.vm_file import read_vm_file

app = typer.Typer(add_completion=False)

EMBEDS: Final = ("all", "small", "none")
Embed = Literal["all", "small", "none"]
ASSEMBLY_LIMIT: Final = 10_000_000
NO_LIMIT: Final = 1 << 62

_MACHINE, _BOOT, _DEVICES = "The machine", "What boots", "Devices and console"
_RUN: Final = "The run"


def _option(*names: str, help: str, panel: str, **more: object) -> typer.models.OptionInfo:
    """Return an option of a panel of `--help`."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)  # type: ignore[no-any-return, call-overload]


def _is_kernel(content: bytes) -> bool:
    """Tell whether a file is an operating system's kernel: then events cost time that nobody has asked for."""
    return is_arm64_image(content) or is_gzip(content)


@app.command(cls=RunCommand)
def run(
    ctx: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(help="Assembly (.s, .S), ELF, arm64 Image (also gzip), raw binary, or a file of VMs (.toml)."),
    ] = None,
    el: Annotated[int, _option(help="Exception level that software starts at.", panel=_MACHINE, min=1, max=2)] = 2,
    cpu: Annotated[str, _option(help="CPU model: a72, max or max-fgt.", panel=_MACHINE)] = "a72",
    cpus: Annotated[int, _option(help="How many CPUs.", panel=_MACHINE, min=1, max=8)] = 1,
    memory: Annotated[str, _option(help="RAM, for example 64M or 1G.", panel=_MACHINE)] = "256M",
    gic: Annotated[int, _option(help="Version of the interrupt controller.", panel=_MACHINE, min=2, max=3)] = 2,
    list_registers: Annotated[
        int, _option(help="List registers of the virtual interface.", panel=_MACHINE, min=1, max=16)
    ] = LIST_REGISTERS,
    set_: Annotated[
        list[str] | None,
        _option("--set", help="REG[.FIELD]=VALUE, before the first instruction.", panel=_MACHINE),
    ] = None,
    hypervisor: Annotated[
        str | None,
        _option(
            help="Run FILE as a VM at EL1, under the hypervisor in Python; with your handlers, if a .py file follows.",
            panel=_MACHINE,
            metavar="[HANDLERS.py]",
        ),
    ] = None,
    vcpus: Annotated[
        int, _option(help="CPUs of the VM; 0: as many as the machine has.", panel=_MACHINE, min=0, max=8)
    ] = 0,
    rtc: Annotated[
        str | None, _option(help="What the real-time clock starts with: seconds, or a date.", panel=_MACHINE)
    ] = None,
    bios: Annotated[
        str | None, _option(help="Flash image to start at address 0, in place of FILE.", panel=_BOOT)
    ] = None,
    initrd: Annotated[str | None, _option(help="Initial RAM disk.", panel=_BOOT)] = None,
    append: Annotated[str, _option(help="Kernel arguments, for the device tree.", panel=_BOOT)] = "",
    dtb: Annotated[str | None, _option(help="Device tree in place of the board's own.", panel=_BOOT)] = None,
    dump_dtb: Annotated[
        str | None,
        _option(help="Write the device tree that would be used (- is standard output), and exit.", panel=_BOOT),
    ] = None,
    load: Annotated[list[str] | None, _option(help="ADDR=FILE: load a file into RAM. Repeatable.", panel=_BOOT)] = None,
    load_address: Annotated[str | None, _option(help="Where FILE is loaded.", panel=_BOOT)] = None,
    module: Annotated[
        list[str] | None,
        _option(help="kernel=FILE[,ARGUMENTS] or ramdisk=FILE, for Xen. Repeatable.", panel=_BOOT),
    ] = None,
    drive: Annotated[
        list[str] | None,
        _option(help="FILE[,ro]: virtio disk; what is written stays in memory. Repeatable.", panel=_DEVICES),
    ] = None,
    rng: Annotated[
        bool, _option("--rng", help="Add a virtio-rng, the same numbers every time.", panel=_DEVICES)
    ] = False,
    console: Annotated[
        str | None, _option(help="Where the terminal is: pl011, virtio or none.", panel=_DEVICES)
    ] = None,
    input_: Annotated[
        str | None,
        _option("--input", help="Type this file, as the guest makes room; - is standard input.", panel=_DEVICES),
    ] = None,
    realtime: Annotated[bool, _option("--realtime", help="Have idle time take its time.", panel=_DEVICES)] = False,
    max_instructions: Annotated[
        int | None, _option(help="Stop after so many instructions (assembly: 10,000,000).", panel=_RUN, min=1)
    ] = None,
    until: Annotated[
        str | None, _option(help="Stop with status 0 when the console shows this text, 1 if never.", panel=_RUN)
    ] = None,
    stat: Annotated[
        bool, _option("--stat", help="Print exceptions, devices, interrupts, exits of VMs and speed.", panel=_RUN)
    ] = False,
    diagnose: Annotated[
        bool,
        _option("--diagnose", help="Say at the end what the guest does, or waits for, however it ended.", panel=_RUN),
    ] = False,
    dump: Annotated[
        str,
        _option(help="Print at the end, of each VM: vcpus, stage2, vgic (with commas).", panel=_RUN, metavar="NAMES"),
    ] = "",
    trace: Annotated[str | None, _option(help="Write a trace to this file; - is standard output.", panel=_RUN)] = None,
    trace_format: Annotated[
        str,
        _option(
            help="text, why (with the reason of each exception), jsonl, kvm (as ftrace), csv or perfetto.", panel=_RUN
        ),
    ] = "text",
    check: Annotated[
        str,
        _option(help="Watch for mistakes: all, none, or codes as HYP001,HYP012.", panel=_RUN, metavar="CODES"),
    ] = "none",
    gdb: Annotated[
        str | None,
        _option(
            help="Wait for gdb before the first instruction, on this port (1234; 0: any).",
            panel=_RUN,
            metavar="[[HOST:]PORT]",
        ),
    ] = None,
    symbols: Annotated[
        list[str] | None,
        _option(
            help="Names for addresses, in traces and for gdb: an ELF file or a System.map. Repeatable.", panel=_RUN
        ),
    ] = None,
    record: Annotated[
        str | None, _option(help="Record the run in this file, for `arm-hyp replay`.", panel=_RUN, metavar="RUN.hyp")
    ] = None,
    embed: Annotated[
        str,
        _option(help="Which files to put into the recording: all, small (up to 1 MiB) or none.", panel=_RUN),
    ] = "small",
    tui: Annotated[bool, _option("--tui", help="Show the run in the terminal, as `arm-hyp tui`.", panel=_RUN)] = False,
) -> None:
    """Run a guest. Exit status: the guest's (0 after SYSTEM_OFF), 1 at the limit or if it dies, 2 on bad input.

    At a terminal the keys go to the guest; Ctrl-A x ends the run. A run that gets nowhere ends with a diagnosis.

    A run is a function of its files, its options and what was typed when.
    """
    if file is None and bios is None:
        raise UserError("arm-hyp run", "there is nothing to run", "name a FILE or --bios FILE")
    if file is None and load_address is not None:
        raise UserError(f"--load-address {load_address}", "flash starts at address 0", "leave it out, or name a FILE")
    if until == "":
        raise UserError("--until", "the text is empty", "give a text that the console will show")
    given = {name for name in ctx.params if _is_given(ctx, name)}
    check_given(given, file, el=el, hypervisor=hypervisor)
    configuration = Configuration(
        image=file,
        bios=bios,
        el=el,
        cpu=one_of("--cpu", cpu, CPU_MODELS, "CPU model"),
        cpus=cpus,
        gic=gic,
        list_registers=list_registers,
        memory_bytes=parse_size(memory),
        settings=tuple(set_ or ()),
        load_address=None if load_address is None else parse_address(load_address),
        initrd=initrd,
        append=append,
        dtb=dtb,
        loads=tuple(load or ()),
        modules=tuple(parse_module(text) for text in module or ()),
        drives=tuple(parse_drive(text) for text in drive or ()),
        rng=rng,
        console=parse_console("pl011" if console is None else console),
        rtc_epoch_s=parse_epoch(rtc),
        hypervisor=hypervisor,
        vcpus=vcpus,
    )
    if file is not None and is_vm_file(file):
        configuration = _read_vms(file, configuration, given)
    if dump_dtb is not None:
        _dump_tree(configuration, dump_dtb)
        raise typer.Exit
    images = _images(configuration)
    is_assembly = bool(images) and all(image.lower().endswith(".s") for image in images)
    settings = Settings(
        limit=max_instructions or (ASSEMBLY_LIMIT if is_assembly else NO_LIMIT),
        has_limit=max_instructions is not None,
        until=until or "",
        trace=trace,
        trace_format=one_of("--trace-format", trace_format, TRACE_FORMATS, "format"),
        is_realtime=realtime,
        has_statistics=stat,
        always_diagnoses=diagnose,
        dumps=parse_dumps(dump, has_vms=configuration.hypervisor is not None),
        counts_exceptions=counts_exceptions(configuration),
        input_path=input_,
        checks=parse_checks(check),
        gdb=gdb,
        symbols=tuple(symbols or ()),
        record=None if tui else record,
        embed=cast(Embed, one_of("--embed", embed, EMBEDS, "choice")),
        wants_terminal=_shows_any(configuration)
        and (console is not None or bool(configuration.vms) or not is_assembly),
    )
    # Another command that takes the same options, as `arm-hyp walk` does, gives itself as the context's object.
    if ctx.obj and record is not None:
        raise UserError(f"--record {record}", "only arm-hyp run records", "leave it out")
    if ctx.obj and tui:
        raise UserError("--tui", "only arm-hyp run has it", "leave it out")
    use = _in_terminal(record) if tui else ctx.obj or _run_session
    raise typer.Exit(use(configuration, settings))


def parse_checks(text: str) -> frozenset[str]:
    """Parse `--check`. Raises: UserError."""
    if text == "none":
        return frozenset()
    from arm_hyp.explain.checkers.watch import parse_codes  # here: a run without them starts sooner

    return parse_codes(text)


def _run_session(configuration: Configuration, settings: Settings) -> int:
    if settings.gdb is not None:
        from arm_hyp.cli.gdb import GdbRun  # here, as below: other commands take the same options, and no machine

        return GdbRun(configuration, settings).run()
    from arm_hyp.cli.session import Session

    return Session(configuration, settings).run()


def _in_terminal(record: str | None) -> Callable[[Configuration, Settings], int]:
    """Return what shows a run, and records it where that is asked for."""
    from arm_hyp.cli.tui import Asked, show  # here: most runs are not shown

    return partial(show, Asked(record=record))


def _is_given(ctx: typer.Context, parameter: str) -> bool:
    source = ctx.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def _read_vms(file: str, asked: Configuration, given: set[str]) -> Configuration:
    """Return the run that a file describes; what the user gave of the machine goes before it. Raises: UserError."""
    return structs.replace(read_vm_file(file), **{name: getattr(asked, name) for name in given & OF_MACHINE})


def _images(configuration: Configuration) -> list[str]:
    """Return the files that a run starts."""
    vms = virtual_machines(configuration)
    return [vm.image for vm in vms] if vms else [image for image in (configuration.image,) if image is not None]


def counts_exceptions(configuration: Configuration) -> bool:
    """Tell whether the exceptions are counted of a run that asks for nothing: not of an operating system."""
    images = _images(configuration)
    return bool(images) and not any(_is_kernel(read_file(image)) for image in images)


def _shows_any(configuration: Configuration) -> bool:
    """Tell whether there is a console that is shown."""
    return any(one.console != "none" for one in virtual_machines(configuration) or (configuration,))


def _dump_tree(configuration: Configuration, path: str) -> None:
    """Write the tree that a run would use. Raises: UserError."""
    vms = virtual_machines(configuration)
    plan = plan_boot(vm_request(configuration, vms[0]) if vms else boot_request(configuration))
    if not plan.tree:
        raise UserError(f"--dump-dtb {path}", "; ".join(plan.warnings), "give it room, or --append")
    try:
        if path == "-":
            sys.stdout.buffer.write(plan.tree)
        else:
            Path(path).write_bytes(plan.tree)
    except OSError as error:
        raise UserError(f"--dump-dtb {path}", f"cannot be written: {error.strerror}", "name another file") from None
