"""What a guest printed, by lines: many consoles print a character at a time, and nobody looks for one character.

Read `events.py` before this file, `timeline/search.py` after it.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from arm_hyp.events import ConsoleOutput
from arm_hyp.runner.runner import Runner

_LONGEST_LINE: Final = 4096


def with_line(runner: Runner, event: ConsoleOutput) -> tuple[ConsoleOutput, ConsoleOutput | None]:
    """Return an event that is just told with the text of its whole line up to here; and without its own text.

    The second is None where the line begins.
    """
    console, own = _console(runner, event), len(event.text)
    end = len(console) - own
    begin = max(console.rfind(b"\n", 0, end) + 1, end - _LONGEST_LINE)
    line = console[begin:].decode("latin-1")
    return replace(event, text=line), replace(event, text=line[:-own]) if begin < end else None


def _console(runner: Runner, event: ConsoleOutput) -> bytearray:
    name = event.device.rpartition("/")[0]
    vms = [] if runner.hypervisor is None else runner.hypervisor.vms
    index = next((vm.index for vm in vms if vm.name == name), 0)
    return runner.consoles[index]
