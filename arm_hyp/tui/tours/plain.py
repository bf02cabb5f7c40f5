"""A tour at the prompt: each part is told in sentences, Enter goes on, and every command works between.

Read `tui/plain.py` and `tui/tours/tour.py` before this file. Nothing goes on by itself: who listens has all the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from arm_hyp.timeline.position import Position
from arm_hyp.tui.app import Options
from arm_hyp.tui.link import Link
from arm_hyp.tui.panels.drawing import visible
from arm_hyp.tui.plain import Shell
from arm_hyp.tui.tours.tour import Do, Tour

_NAMES: Final[Mapping[str, str]] = {
    "next_trap": "trap",
    "previous_trap": "previous",
    "search_next": "next",
    "who_changed": "who",
    **{name: name for name in ("step", "back", "run", "home", "end", "why", "undo")},
    **{name: name for name in ("goto", "search", "breakpoint", "mark", "whatif", "explain")},
}
"""The commands of the prompt for actions of a tour."""
_PANELS: Final[Mapping[str, str]] = {"trap": "why", "consoles": "console", "registers": "registers"}
"""The commands that tell what a panel shows."""
_GO_ON: Final = "Enter goes on with the tour; help lists what else you can do."


def command_of(do: Do) -> str:
    """Return the command line for an action; empty for what only a screen shows."""
    if do.name == "panel":
        return _PANELS.get(do.argument, "")
    return f"{_NAMES[do.name]} {do.argument}".rstrip() if do.name in _NAMES else ""


class Part(NamedTuple):
    """What is done, and then told, before the tour waits."""

    commands: tuple[str, ...]
    told: tuple[str, ...]


def parts_of(tour: Tour) -> Iterator[Part]:
    """Give the parts of a tour: a question waits before its answer."""
    for number, step in enumerate(tour.step, 1):
        commands = tuple(filter(None, map(command_of, step.actions)))
        text, *rest = step.told
        end = "" if step.title[-1:] in ".?!" else "."
        told = (f"Step {number} of {len(tour.step)}: {step.title}{end}", text)
        if not step.question:
            yield Part(commands, (*told, _GO_ON))
            continue
        question, answer = rest
        yield Part(commands, (*told, f"Question: {question}", "Enter tells the answer."))
        yield Part((), (f"Answer: {answer}", _GO_ON))


class TourShell(Shell):
    """A prompt with a tour: an empty line goes on with it, from where it was."""

    def __init__(self, tour: Tour, link: Link, options: Options, say: Callable[[str], None]) -> None:
        super().__init__(link, options, say)
        self._tour, self._parts = tour, parts_of(tour)
        self._place: tuple[str, Position] | None = None
        """The branch and the position where the tour waits."""
        self._is_over = False

    async def open(self) -> None:
        """Start the machine, and begin. Raises: UserError."""
        await super().open()
        self._say(f"Tour: {visible(self._tour.title)}")
        await self._go_on()

    async def do(self, line: str) -> None:
        """Go on with the tour, or do what a line says."""
        if self._is_over or line.strip():
            await super().do(line)
        else:
            await self._go_on()

    async def _go_on(self) -> None:
        part = next(self._parts, None)
        if part is None:
            self._is_over, self._last = True, ""
            self._say("The tour is over. The commands are yours: help lists them.")
            return
        await self._return()
        for command in part.commands:
            await super().do(command)
        self._place = self._now
        self.tell(part.told)

    @property
    def _now(self) -> tuple[str, Position]:
        return self.driver.now.status.branch, self.driver.now.position

    async def _return(self) -> None:
        """Go back to where the tour waits, if somebody has gone elsewhere."""
        if self._place is None or self._place == self._now:
            return
        branch, position = self._place
        if self._now[0] != branch:
            await self.driver.switch(branch)
        await self.driver.go(position)
        self._say(f"Back to where the tour is, at {position}.")
