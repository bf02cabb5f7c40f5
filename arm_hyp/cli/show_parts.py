"""What `arm-hyp show` tells of a machine that stands at a position: parts, as text and as plain data.

Read `timeline/place.py`, `debug/gdb/machine_debuggee.py` and `debug/gdb/monitor.py` before this file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from arm_hyp.arch import pstate as bits
from arm_hyp.arch import sysregs
from arm_hyp.arch.syndromes import SyndromeTree, decode_esr
from arm_hyp.arch.translation import READ, walk
from arm_hyp.cli.dumps import parse_dumps
from arm_hyp.cli.lines import print_folded, print_line
from arm_hyp.cli.walk import parse_va
from arm_hyp.debug.gdb.machine_debuggee import MachineDebuggee
from arm_hyp.debug.gdb.target_description import CORE_FEATURE, FPU_FEATURE, RegisterRow
from arm_hyp.errors import UserError
from arm_hyp.events import ExceptionTaken
from arm_hyp.explain.walks import WalkStory, explain_walk
from arm_hyp.explain.why import why_trapped
from arm_hyp.hypervisor.dumps import DUMPS as OF_VMS
from arm_hyp.hypervisor.dumps import dumps_of
from arm_hyp.runner.translation import view_of_cpu
from arm_hyp.timeline.place import Place, place_of, place_of_event
from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.timeline import Timeline

if TYPE_CHECKING:
    from rich.console import RenderableType

_OF_MACHINE: Final = ("exits", "gic", "stage2")
"""The commands of gdb's `monitor` that are dumps."""
DUMPS: Final = tuple(sorted({*OF_VMS, *_OF_MACHINE}))
_IN_A_ROW: Final = 3
_FLAGS: Final = {"N": bits.PSTATE_N, "Z": bits.PSTATE_Z, "C": bits.PSTATE_C, "V": bits.PSTATE_V}
_MASKS: Final = {"D": bits.PSTATE_D, "A": bits.PSTATE_A, "I": bits.PSTATE_I, "F": bits.PSTATE_F}


class Told(NamedTuple):
    """The machine at a position. What was not asked for is None or empty."""

    place: Place
    general: Mapping[str, int]
    exception: ExceptionTaken | None
    exception_place: Place | None
    why: str
    end: str
    system: Mapping[str, int]
    walk: WalkStory | None
    syndrome: SyndromeTree | None
    dumps: Mapping[str, str]

    def plain(self) -> dict[str, Any]:
        """Return everything as plain data."""
        from arm_hyp.explain.walk_rendering import to_plain

        return {
            "place": _plain(self.place),
            "end": self.end,
            "registers": dict(self.general),
            "last_exception": None
            if self.exception_place is None
            else {"place": _plain(self.exception_place), "why": self.why, "event": self.exception},
            "syndrome": msgspec.to_builtins(self.syndrome),
            "system_registers": dict(self.system),
            "walk": None if self.walk is None else to_plain(self.walk),
            "dumps": dict(self.dumps),
        }

    def print(self) -> None:
        """Print everything, at a terminal in its width."""
        print_line(self.place)
        for line in filter(None, (self.place.source, self.end)):
            print_folded(f"{'':12}  {line}", " " * 14)
        print("\n".join(_general(self.general)))
        self._print_exception()
        if self.system:
            print("\nsystem registers that are not 0:\n" + "\n".join(_system(self.system)))
        if self.walk is not None:
            from arm_hyp.explain.walk_rendering import render

            _print_rich(render(self.walk))
        for name, text in self.dumps.items():
            print(f"\n--- {name} ---\n{text.rstrip()}")

    def _print_exception(self) -> None:
        if self.exception_place is None:
            print("\nno exception has been taken yet")
            return
        print("\nthe last exception:")
        print_line(self.exception_place)
        print_folded(f"  {self.why}")
        if self.syndrome is not None:
            from arm_hyp.cli.explain_tree import render_tree

            _print_rich(render_tree(self.syndrome))


class Parts(NamedTuple):
    """What is asked for beside what is always told."""

    cpu: int | None
    has_system: bool
    va: int | None
    has_syndrome: bool
    dumps: tuple[str, ...]

    @classmethod
    def parse(cls, cpu: int | None, *, registers: bool, walk: str | None, why: bool, dump: str) -> Parts:
        """Read the options. Raises: UserError."""
        names = tuple(name for name in dump.split(",") if name)
        for name in names:
            if name not in DUMPS:
                raise UserError(
                    f"--dump {name}", "there is no such dump", f"use {', '.join(DUMPS)}, with commas between"
                )
        return cls(cpu, registers, None if walk is None else parse_va(walk), why, names)

    def check(self, timeline: Timeline) -> None:
        """Refuse what this machine does not have. Raises: UserError."""
        has_vms = timeline.runner.hypervisor is not None
        parse_dumps(",".join(name for name in self.dumps if name not in _OF_MACHINE), has_vms=has_vms)
        if self.cpu is not None:
            view_of_cpu(timeline.runner, self.cpu)

    def tell(self, timeline: Timeline, end: str) -> Told:
        """Look at the machine; the cursor comes back to where it is."""
        place = place_of(timeline, self.cpu)
        debuggee = MachineDebuggee(Session(timeline), timeline.position.n)
        thread, made = place.cpu + 1, timeline.configuration
        exception = debuggee.monitored.last_exception(place.cpu)
        has_esr = self.has_syndrome and exception is not None and exception.esr is not None
        return Told(
            place=place,
            general=_values(debuggee, thread, lambda row: row.feature == CORE_FEATURE),
            exception=exception,
            exception_place=None if exception is None else place_of_event(timeline.runner, exception),
            why="" if exception is None else why_trapped(exception, made.cpu, made.gic),
            end=end,
            system=_values(debuggee, thread, _is_system, is_sparse=True) if self.has_system else {},
            walk=None if self.va is None else _walk(timeline, place.cpu, self.va),
            syndrome=_syndrome(exception) if has_esr and exception is not None else None,
            dumps=dict(self._dumped(timeline, debuggee, thread)),
        )

    def _dumped(self, timeline: Timeline, debuggee: MachineDebuggee, thread: int) -> Iterator[tuple[str, str]]:
        hypervisor = timeline.runner.hypervisor
        for name in self.dumps:
            if hypervisor is not None and name in OF_VMS:
                yield name, "\n".join(dumps_of(hypervisor, (name,)))
            else:
                yield name, debuggee.monitor(thread, name)


# --- the machine ------------------------------------------------------------------------------------------------------


def _values(
    debuggee: MachineDebuggee, thread: int, is_asked: Callable[[RegisterRow], bool], *, is_sparse: bool = False
) -> dict[str, int]:
    """Return the registers that are asked for; `is_sparse`: without those that are 0."""
    values = {row.name: debuggee.read_register(thread, row.name) for row in debuggee.description.rows if is_asked(row)}
    return {name: value for name, value in values.items() if value is not None and (value or not is_sparse)}


def _is_system(row: RegisterRow) -> bool:
    return row.feature not in (CORE_FEATURE, FPU_FEATURE)


def _walk(timeline: Timeline, cpu: int, va: int) -> WalkStory:
    view = view_of_cpu(timeline.runner, cpu)
    access = READ._replace(pan=view.pan, is_privileged=view.el > 0)
    return explain_walk(walk(va, access, view.el, view.registers, view.read64), access, view.el, view.registers)


def _syndrome(event: ExceptionTaken) -> SyndromeTree:
    assert event.esr is not None
    return decode_esr(event.esr, event.to_el, sysregs.name_of)


# --- as text ----------------------------------------------------------------------------------------------------------


def _plain(place: Place) -> dict[str, Any]:
    return place._asdict() | {"position": f"{place.position.n}.{place.position.seq}"}


def _general(values: Mapping[str, int]) -> Iterator[str]:
    shown = [(name.upper(), value) for name, value in values.items() if name not in ("pc", "cpsr")]
    for start in range(0, len(shown), _IN_A_ROW):
        yield "  ".join(f"{name:>3} {value:#018x}" for name, value in shown[start : start + _IN_A_ROW])
    yield _pstate(values["cpsr"])


def _pstate(value: int) -> str:
    flags = "".join(name if value & bit else name.lower() for name, bit in _FLAGS.items())
    masked = "".join(name for name, bit in _MASKS.items() if value & bit)
    pointer = "h" if value & bits.PSTATE_SP else "t"
    mask = f"masked: {masked}" if masked else "nothing masked"
    return f"PSTATE {value:#x}: EL{bits.el_of(value)}{pointer}  {flags}  {mask}"


def _system(values: Mapping[str, int]) -> Iterator[str]:
    rows = [f"{name:18} {value:#018x}" for name, value in values.items()]
    for start in range(0, len(rows), 2):
        yield "  ".join(rows[start : start + 2])


def _print_rich(what: RenderableType) -> None:
    from rich.console import Console

    from arm_hyp.cli.explain_tree import UNWRAPPED_COLUMNS

    console = Console(highlight=False)
    if not sys.stdout.isatty():
        console.width = UNWRAPPED_COLUMNS
    console.print()
    console.print(what)
