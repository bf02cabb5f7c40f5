"""The consoles of several VMs on one screen: whole lines, each behind the prefix of its VM.

Read `cli/terminal.py` before this file and `cli/session.py` after it. A line that is not complete waits, so that lines
of different VMs do not mix. But a prompt has no end of line: of the VM that the user types to, a line that has not
grown since the last look is shown as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from arm_hyp.cli.terminal import Printer

_LONGEST_LINE_BYTES: Final = 4096
_COLOURS: Final = ("cyan", "yellow", "green", "magenta", "blue", "red")


class Consoles:
    """Prints what VMs print. `prefixes` has one entry for each VM, None for one that is not shown.

    `focus` is the VM that the user types to.
    """

    def __init__(self, printer: Printer, prefixes: Sequence[bytes | None]) -> None:
        self._printer, self._prefixes = printer, prefixes
        self._held = [bytearray() for _ in prefixes]
        self._looked_at = 0
        self._open: int | None = None  # the VM whose unfinished line is on the screen
        self.focus = 0

    @property
    def is_inside_line(self) -> bool:
        """Whether what is on the screen does not end with a line."""
        return self._printer.is_inside_line

    def put(self, vm: int, data: bytes) -> None:
        """Take what a VM printed."""
        prefix, held = self._prefixes[vm], self._held[vm]
        if prefix is None:
            return
        if prefix == b"" and len(self._prefixes) == 1:
            self._printer.put(data)
            return
        held += data
        is_shown = self._open == vm or len(held) >= _LONGEST_LINE_BYTES
        self._show(vm, len(held) if is_shown else held.rfind(b"\n") + 1)

    def _show(self, vm: int, size_bytes: int) -> None:
        """Print the first bytes of what is held for a VM."""
        data = bytes(self._held[vm][:size_bytes])
        del self._held[vm][:size_bytes]
        for line in _lines(data):
            self._begin(vm)
            self._printer.put(line)
            if line.endswith(b"\n"):
                self._open = None

    def _begin(self, vm: int) -> None:
        """Begin a line, unless it is this VM's line that the screen is in."""
        if self._open == vm:
            return
        if self._open is not None:
            self._printer.put(b"\n")
        self._printer.put(self._prefixes[vm] or b"")
        self._open = vm

    def flush(self) -> None:
        """Show everything up to now; of unfinished lines, that of the focus alone, once it does not grow any more."""
        size_bytes = len(self._held[self.focus])
        if size_bytes and size_bytes == self._looked_at:
            self._show(self.focus, size_bytes)
        self._looked_at = len(self._held[self.focus])
        self._printer.flush()

    def close(self) -> None:
        """Show everything."""
        for vm, held in enumerate(self._held):
            self._show(vm, len(held))
        self._printer.flush()


def _lines(data: bytes) -> list[bytes]:
    """Return lines with their ends; only a line feed ends one."""
    *whole, rest = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def coloured(prefixes: Sequence[str]) -> list[bytes]:
    """Return prefixes for standard output, in colours where it is a terminal that has them."""
    from rich.console import Console  # here: a run of one console starts sooner
    from rich.text import Text

    console, result = Console(), []
    for index, prefix in enumerate(prefixes):
        with console.capture() as capture:
            console.print(Text(prefix, style=_COLOURS[index % len(_COLOURS)]), end="", soft_wrap=True)
        result.append(capture.get().encode())
    return result
