"""What can have been changed by someone: registers, fields, list registers, memory, descriptors, as a user writes them.

Read `cpu/watching.py` and `timeline/search_memory.py` before this file, `timeline/search_changes.py` after it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from arm_hyp.arch import sysregs
from arm_hyp.arch.translation import READ, Step, Translated, Walk, walk_stage2
from arm_hyp.cpu.watched import RegisterValue
from arm_hyp.cpu.watches import LARGEST_LOOKED_AT_BYTES, MemoryWatch, RegisterWatch, StoreWatch, ValueWatch
from arm_hyp.errors import UserError
from arm_hyp.machine.gic.virtual import VirtualInterface
from arm_hyp.timeline.search_memory import VirtualMemory
from arm_hyp.timeline.timeline import Timeline

_FORM: Final = re.compile(r"(?:cpu(?P<cpu>\d+):)?(?P<what>.+)", re.IGNORECASE)
_MEMORY: Final = re.compile(r"(?:(?P<space>va|ipa|pa):)?(?P<address>\w+)(?:\+(?P<size>\w+))?", re.IGNORECASE)
_DESCRIPTOR: Final = re.compile(r"(?P<stage>pte|s2pte):(?P<address>\w+)(?:@(?P<level>-?\d))?", re.IGNORECASE)
_LIST_REGISTER: Final = re.compile(r"(?:GICH_)?LR(\d+)", re.IGNORECASE)
_REGISTER: Final = re.compile(r"([A-Za-z]\w*)(?:\.(\w+))?")
_PLAIN: Final = ("SP", "PSTATE")
_WAYS: Final = "write REGISTER, REGISTER.FIELD, LR0, ADDRESS+SIZE, pa:ADDRESS+SIZE, pte:VA@LEVEL or s2pte:IPA@LEVEL"
_DEFAULT_BYTES: Final = 8
_PAGE_BYTES: Final = 4096
_MAX: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Target:
    """Something that can change: `name` in words, and a fresh watch for it. `range` is (PA, bytes) if it is memory."""

    name: str
    watch: Callable[[], ValueWatch | StoreWatch]
    range: tuple[int, int] | None = None


def parse_target(text: str, timeline: Timeline) -> Target:
    """Return what a text names, addresses translated as they are at the cursor.

    `X3`, `SP`, `HCR_EL2`, `HCR_EL2.TWI`, `LR0` (a list register), `0x40080000` (8 bytes at a VA), `main+4` (4 bytes at
    a symbol), `pa:0x...+16`, `ipa:0x...`, `pte:VA` or `pte:VA@3` (the descriptor at a level of stage 1), `s2pte:IPA`;
    with `cpu1:` before it, of CPU 1. Raises: UserError.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UserError(f"{text!r}", "names nothing that can change", _WAYS)
    what = match["what"]
    cpus = timeline.runner.machine.cpus
    cpu = cpus.current.index if match["cpu"] is None else int(match["cpu"])
    if cpu >= len(cpus.cores):
        raise UserError(text, "the machine has no such CPU", f"it has 0 to {len(cpus.cores) - 1}")
    if (found := _LIST_REGISTER.fullmatch(what)) is not None:
        return _list_register(timeline, cpu, int(found[1]))
    if (found := _DESCRIPTOR.fullmatch(what)) is not None:
        return _descriptor(timeline, cpu, text, found)
    if (found := _REGISTER.fullmatch(what)) is not None and _is_register(found[1]):
        return _register(timeline, cpu, found[1].upper(), found[2])
    if (found := _MEMORY.fullmatch(what)) is not None:
        return _memory(timeline, cpu, text, found)
    raise UserError(text, "names nothing that can change", _WAYS)


# --- registers --------------------------------------------------------------------------------------------------------


def _is_register(name: str) -> bool:
    if re.fullmatch(r"[XQV]\d+", name.upper()) or name.upper() in _PLAIN:
        return True
    try:
        sysregs.by_name(name.upper())
    except KeyError:
        return False
    return True


def _register(timeline: Timeline, cpu: int, name: str, field: str | None) -> Target:
    thing = name if field is None else f"{name}.{field}"
    try:
        RegisterValue(timeline.runner.machine.cpus.cores[cpu], name, field).read()
    except (KeyError, ValueError) as error:
        raise UserError(thing, str(error.args[0])) from None
    return Target(f"{thing} of CPU {cpu}", lambda: RegisterWatch(name, field, cpu, keep=_FEW))


_FEW: Final = 4


def _list_register(timeline: Timeline, cpu: int, number: int) -> Target:
    interface = timeline.runner.machine.board.stateful.get(f"gic-virtual-{cpu}")
    assert isinstance(interface, VirtualInterface)
    if number >= interface.list_register_count:
        raise UserError(
            f"LR{number}", f"this GIC has {interface.list_register_count} list registers", "the first is LR0"
        )
    name = f"list register {number} of CPU {cpu}"
    return Target(name, lambda: ValueWatch(lambda: interface.list_register(number), keep=_FEW))


# --- memory -----------------------------------------------------------------------------------------------------------


def _memory(timeline: Timeline, cpu: int, text: str, found: re.Match[str]) -> Target:
    space = (found["space"] or "va").lower()
    address = _address(timeline, found["address"], text)
    size_bytes = _DEFAULT_BYTES if found["size"] is None else _number(found["size"], text)
    if address % _PAGE_BYTES + size_bytes > _PAGE_BYTES and space != "pa":
        raise UserError(text, "goes beyond a page, and the next one may lie elsewhere", "ask for each page")
    memory = VirtualMemory.of_cpu(timeline.runner, cpu)
    pa = address if space == "pa" else memory.physical(address) if space == "va" else _stage2(memory, address)
    if pa is None:
        raise UserError(text, "is not mapped here", "give a physical address: pa:ADDRESS")
    name = f"{size_bytes} bytes at PA {pa:#x}" + (f" ({space.upper()} {address:#x})" if space != "pa" else "")
    return _range(timeline, name, pa, size_bytes, text)


def _range(timeline: Timeline, name: str, pa: int, size_bytes: int, text: str) -> Target:
    if size_bytes < 1 or not timeline.runner.machine.ram_device.contains(pa, size_bytes):
        raise UserError(text, f"PA {pa:#x} is not RAM", "what a device holds has no history but its accesses")
    is_small = pa % 8 + size_bytes <= LARGEST_LOOKED_AT_BYTES
    kind = MemoryWatch if is_small else StoreWatch
    keep = _FEW if is_small else None
    return Target(name, lambda: kind(pa, size_bytes, keep=keep), (pa, size_bytes))


def _stage2_walk(memory: VirtualMemory, ipa: int) -> Walk:
    return walk_stage2(ipa, READ, memory.view.registers, memory.view.read64)


def _stage2(memory: VirtualMemory, ipa: int) -> int | None:
    result = _stage2_walk(memory, ipa).result
    return result.pa if isinstance(result, Translated) else None


def _descriptor(timeline: Timeline, cpu: int, text: str, found: re.Match[str]) -> Target:
    memory, address = VirtualMemory.of_cpu(timeline.runner, cpu), _address(timeline, found["address"], text)
    is_stage2 = found["stage"].lower() == "s2pte"
    steps = (_stage2_walk(memory, address) if is_stage2 else memory.walk(address)).steps
    step = _step(steps, found["level"])
    if step is None or step.descriptor_pa is None:
        levels = ", ".join(str(each.level) for each in steps) or "none"
        raise UserError(text, "the walk reads no such descriptor here", f"it reads those of levels: {levels}")
    kind = "stage 2 descriptor of IPA" if is_stage2 else "descriptor of VA"
    name = f"the level {step.level} {kind} {address:#x}, at PA {step.descriptor_pa:#x}"
    return _range(timeline, name, step.descriptor_pa, 8, text)


def _step(steps: tuple[Step, ...] | list[Step], level: str | None) -> Step | None:
    if level is None:
        return steps[-1] if steps else None
    return next((step for step in steps if step.level == int(level)), None)


def _number(text: str, whole: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        raise UserError(whole, f"{text} is not a number", "write it as 64, 0x40 or 0b101") from None
    if not 0 <= value <= _MAX:
        raise UserError(whole, f"{text} does not fit in 64 bits", "give a number from 0 to 2**64 - 1")
    return value


def _address(timeline: Timeline, text: str, whole: str) -> int:
    symbols = timeline.runner.symbols
    if text[0].isdigit():
        return _number(text, whole)
    address = symbols.address_of(text)
    if address is None:
        known = [*(symbol.name for symbol in symbols.symbols), *(row.name for row in sysregs.TABLE)]
        near = difflib.get_close_matches(text, known, n=3)
        way_out = f"did you mean {' or '.join(near)}?" if near else _WAYS
        raise UserError(whole, f"{text} is no register and no symbol", way_out)
    return address
