"""The panel `handler`: the user's code that took the last exit, with the lines that ran, its variables and prints.

Read `timeline/process/exit_answers.py` and `tui/panels/drawing.py` before this file, `tui/panels/handler_source.py`
(the code) beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from rich.text import Text

from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.exit_answers import HandlerAnswer, HandlerRun, PrintedLine
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import failed, nothing, shortened, visible, wrapped
from arm_hyp.tui.panels.handler_source import source_lines
from arm_hyp.tui.panels.panel import Panel
from arm_hyp.tui.view import View

_LEAST_SOURCE: Final = 4
_NO_EXIT: Final = "No exit was handled in Python up to here. Run a VM with --hypervisor handlers.py, and go to an exit."
_DEFAULT: Final = (
    "The library's own handlers took this exit: none of yours is for it. Yours are in a file: --hypervisor FILE.py"
)


class HandlerPanel(Panel):
    """What the user's handler did at the last exit."""

    name: ClassVar[str] = "handler"
    title: ClassVar[str] = "handler"

    def wants(self, view: View) -> Iterable[ask.OneReading]:
        """Read what the handlers did."""
        yield ask.HandlerAt(view.position)

    def lines(self, view: View, width: int, height: int, look: Look) -> list[Text]:
        """Draw which handler it was, its source around the line that ran last, then what it knew and did."""
        message = ask.HandlerAt(view.position)
        found = view.get(message, HandlerAnswer)
        if found is None:
            return failed(view, message, width, look) or nothing("the handler was not read", width, look)
        if found.position is None:
            return nothing(_NO_EXIT, width, look)
        if not found.runs:
            return [_exit_line(found, view, width, look), *nothing(_DEFAULT, width, look)]
        *others, run = found.runs
        head = [_exit_line(found, view, width, look), *(_run_line(one, width, look) for one in (*others, run))]
        head += _failure(run.failure or found.failure, width, look)
        told = [
            *_printed_elsewhere(found.output, run, width, look),
            *_locals(run, width, look),
            *_did(run, width, look),
        ]
        room = max(height - len(head) - len(told), _LEAST_SOURCE)
        return [*head, *source_lines(found, run, width, room, look), *told]


def _exit_line(found: HandlerAnswer, view: View, width: int, look: Look) -> Text:
    """Say at which exit of which vCPU."""
    assert found.position is not None
    vms = view.status.vms
    vm = visible(vms[found.vm]) if found.vm is not None and found.vm < len(vms) else ""
    who = f" of {vm}/vcpu{found.vcpu}" if vm else ""
    text = shortened(f"the exit at {found.position}{who}", width, look)
    n, seq = found.position
    return Text(text, look.style("dim", go=(n, seq)))


def _run_line(run: HandlerRun, width: int, look: Look) -> Text:
    """Name a handler that ran, where it is, and what it answered."""
    line = Text.assemble((visible(run.handler), look.style("title")))
    place = f"{run.function} {run.file}:{run.line}" if run.file else "not in the file any more"
    for text, role in ((place, "code"), (f"{look.glyphs.arrow} {run.answer}" if run.answer else "", "strong")):
        if text and line.cell_len + len(text) + 2 <= width:
            line.append(f"  {visible(text)}", look.style(role))
    return line if line.cell_len <= width else Text(shortened(line.plain, width, look), look.style("title"))


def _failure(text: str, width: int, look: Look) -> list[Text]:
    return wrapped(f"{look.glyphs.fault} {visible(text)}", width, look.style("bad"), "  ") if text else []


def _printed_elsewhere(output: tuple[PrintedLine, ...], run: HandlerRun, width: int, look: Look) -> list[Text]:
    """Return what other files printed: what this one did stands at its lines."""
    others = [one for one in output if one.file != run.file]
    return [line for one in others for line in _labelled("printed", one.text, width, look)]


def _locals(run: HandlerRun, width: int, look: Look) -> list[Text]:
    """Return the variables in a paragraph."""
    text = "   ".join(f"{name} = {value}" for name, value in run.locals.items())
    return _labelled("locals", text, width, look) if text else []


def _did(run: HandlerRun, width: int, look: Look) -> list[Text]:
    return _labelled("did", "; ".join(run.actions) or "nothing to the guest", width, look)


def _labelled(label: str, text: str, width: int, look: Look) -> list[Text]:
    """Return a text behind a label, wrapped below itself."""
    lines = wrapped(f"{label:<8}{visible(text)}", width, look.style("text"), " " * 8)
    lines[0].stylize(look.style("key"), 0, len(label))
    return lines
